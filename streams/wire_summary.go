package streams

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ephemera-go/ephemera/core"
)

// wireSummary is the reply to aggregate=true: the first five members are as the predecessor had them.
type wireSummary struct {
	Stream      string               `json:"stream"`
	TotalEvents uint64               `json:"totalEvents"`
	TotalValor  wireNumber           `json:"totalValor"`
	Gateways    map[string]wireGroup `json:"gateways"`
	DurationMs  float64              `json:"durationMs"`

	Version     uint64             `json:"version"`
	Epoch       core.Epoch         `json:"epoch"`
	Field       string             `json:"field"`
	By          string             `json:"by"`
	Numbers     uint64             `json:"numbers"`
	NotNumbers  uint64             `json:"notNumbers"`
	Min         *float64           `json:"min"` // null without a number
	Max         *float64           `json:"max"`
	Avg         *wireNumber        `json:"avg"`
	Percentiles map[string]float64 `json:"percentiles,omitempty"`
}

func (w *wireSummary) ours() bool { return w.Stream != "" && !w.Epoch.IsZero() }

type wireGroup struct {
	Count   uint64      `json:"count"` // events
	Sum     wireNumber  `json:"sum"`
	Numbers uint64      `json:"numbers"`
	Min     *float64    `json:"min"`
	Max     *float64    `json:"max"`
	Avg     *wireNumber `json:"avg"`
}

// A wireNumber is a sum, which may leave the range of numbers: then it is a string, as in the JSON of Protocol Buffers.
type wireNumber float64

// MarshalJSON returns a number, "Infinity", "-Infinity" or "NaN".
func (n wireNumber) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 0):
		return []byte(strings.Replace(strconv.Quote(strconv.FormatFloat(f, 'g', -1, 64)), "+Inf", "Infinity", 1)), nil
	default:
		return strconv.AppendFloat(nil, f, 'g', -1, 64), nil
	}
}

// UnmarshalJSON reads what MarshalJSON returns.
func (n *wireNumber) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil {
		return fmt.Errorf("%w: the number %.50q", ErrInvalid, b)
	}
	*n = wireNumber(f)
	return nil
}

func toWireSummary(s *Summary, a Aggregate) wireSummary {
	w := wireSummary{
		Stream: s.Stream, TotalEvents: s.Events, TotalValor: wireNumber(s.Numbers.Sum), Gateways: map[string]wireGroup{},
		Version: s.Version, Epoch: s.Epoch, Field: a.Field, By: a.By, Numbers: s.Numbers.Count, NotNumbers: s.NotNumbers,
	}
	w.Min, w.Max, w.Avg = extremes(&s.Numbers)
	for name, g := range s.Groups {
		x := wireGroup{Count: g.Events, Sum: wireNumber(g.Numbers.Sum), Numbers: g.Numbers.Count}
		x.Min, x.Max, x.Avg = extremes(&g.Numbers)
		w.Gateways[name] = x
	}
	for p, v := range s.Percentile {
		if w.Percentiles == nil {
			w.Percentiles = map[string]float64{}
		}
		w.Percentiles["p"+strconv.Itoa(p)] = v
	}
	return w
}

// extremes are nil without a number.
func extremes(s *core.Summary) (least, most *float64, avg *wireNumber) {
	if s.Count == 0 {
		return nil, nil, nil
	}
	a := wireNumber(s.Sum / float64(s.Count))
	return &s.Min, &s.Max, &a
}

func (w *wireSummary) summary(a Aggregate) Summary {
	s := Summary{Stream: a.Stream, Version: w.Version, Epoch: w.Epoch, Events: w.TotalEvents, NotNumbers: w.NotNumbers}
	s.Numbers.Count, s.Numbers.Sum = w.Numbers, float64(w.TotalValor)
	if w.Min != nil && w.Max != nil {
		s.Numbers.Min, s.Numbers.Max = *w.Min, *w.Max
	}
	for name, v := range w.Percentiles {
		if s.Percentile == nil {
			s.Percentile = map[int]float64{}
		}
		p, _ := strconv.Atoi(strings.TrimPrefix(name, "p"))
		s.Percentile[p] = v
	}
	if a.By == "" {
		return s
	}
	s.Groups = map[string]Group{}
	for name, g := range w.Gateways {
		x := Group{Events: g.Count}
		x.Numbers.Count, x.Numbers.Sum = g.Numbers, float64(g.Sum)
		if g.Min != nil && g.Max != nil {
			x.Numbers.Min, x.Numbers.Max = *g.Min, *g.Max
		}
		s.Groups[name] = x
	}
	return s
}
