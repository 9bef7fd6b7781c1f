package streams

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// How Handler and Client talk. openapi.yaml describes it for everybody else.

// Headers.
const (
	headerEpoch = "Ephemera-Epoch"
	headerGap   = "Ephemera-Gap" // "from-to; cause=limit" when a read began below the oldest event
	headerKey   = "Idempotency-Key"
)

// Media types.
const (
	typeJSON       = "application/json"
	typeNDJSON     = "application/x-ndjson"
	typeSSE        = "text/event-stream"
	typeProblem    = "application/problem+json"
	typeCloud      = "application/cloudevents+json"
	typeCloudBatch = "application/cloudevents-batch+json"
)

// encode writes v as one line of JSON, and data as it is.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// wireEvent is an event in requests and replies.
type wireEvent struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type,omitempty"`
	Stream  string          `json:"stream,omitempty"`
	Version uint64          `json:"version,omitempty"`
	Time    *time.Time      `json:"time,omitempty"`
	Data    json.RawMessage `json:"data"`
	Meta    json.RawMessage `json:"meta,omitempty"`
}

func toWire(e *Event) wireEvent {
	w := wireEvent{ID: e.ID, Type: e.Type, Stream: e.Stream, Version: e.Version, Data: e.Data, Meta: e.Meta}
	if !e.Time.IsZero() {
		t := e.Time.UTC()
		w.Time = &t
	}
	return w
}

func (w *wireEvent) event() Event {
	e := Event{ID: w.ID, Type: w.Type, Stream: w.Stream, Version: w.Version, Data: w.Data, Meta: w.Meta}
	if w.Time != nil {
		e.Time = *w.Time
	}
	return e
}

// wireResult is the reply to an append.
type wireResult struct {
	Stream       string     `json:"stream"`
	FirstVersion uint64     `json:"firstVersion"`
	LastVersion  uint64     `json:"lastVersion"`
	Epoch        core.Epoch `json:"epoch"`
	Duplicate    bool       `json:"duplicate"`
	Durability   string     `json:"durability"`
}

// wireGap is the data of a gap frame.
type wireGap struct {
	Stream string     `json:"stream"`
	From   uint64     `json:"from"`
	To     uint64     `json:"to"`
	Cause  Cause      `json:"cause"`
	Epoch  core.Epoch `json:"epoch"`
	At     time.Time  `json:"at"`
}

// wireNote is the data of the other control frames.
type wireNote struct {
	Stream string     `json:"stream,omitempty"`
	Epoch  core.Epoch `json:"epoch"`
	At     time.Time  `json:"at"`
}

// wireInfo is what is known of a stream.
type wireInfo struct {
	Stream  string     `json:"stream"`
	Version uint64     `json:"version"`
	Oldest  uint64     `json:"oldest"`
	Events  int        `json:"events"`
	Bytes   int64      `json:"bytes"`
	Exists  bool       `json:"exists"`
	Limits  wireLimits `json:"limits"`
	Epoch   core.Epoch `json:"epoch"`
	Keys    int        `json:"keys"`
}

type wireLimits struct {
	Events int    `json:"events"`
	Age    string `json:"age"` // as Go writes durations: "1h30m"
	Bytes  int64  `json:"bytes"`
	Full   string `json:"full"` // "default", "discardOldest" or "refuseNew"
}

func toWireInfo(i Info) wireInfo {
	return wireInfo{i.Stream, i.Version, i.Oldest, i.Events, i.Bytes, i.Exists, toWireLimits(i.Limits), i.Epoch, i.Keys}
}

func (w *wireInfo) info() (Info, error) {
	m, err := w.Limits.limits()
	return Info{w.Stream, w.Version, w.Oldest, w.Events, w.Bytes, w.Exists, m, w.Epoch, w.Keys}, err
}

var fullNames = []string{FullDefault: "default", DiscardOldest: "discardOldest", RefuseNew: "refuseNew"}

func toWireLimits(m Limits) wireLimits {
	return wireLimits{Events: m.Events, Age: m.Age.String(), Bytes: m.Bytes, Full: fullNames[m.Full]}
}

func (w *wireLimits) limits() (Limits, error) {
	m := Limits{Events: w.Events, Bytes: w.Bytes}
	if w.Full != "" {
		full := slices.Index(fullNames, w.Full)
		if full < 0 {
			return m, fmt.Errorf("%w: full %q; one of %q", ErrInvalid, w.Full, fullNames)
		}
		m.Full = FullPolicy(full)
	}
	if w.Age != "" {
		var err error
		if m.Age, err = time.ParseDuration(w.Age); err != nil {
			return m, fmt.Errorf("%w: age %q; a duration such as 1h30m", ErrInvalid, w.Age)
		}
	}
	return m, nil
}

// wireSummary is the reply to aggregate=true: the first four members are as the predecessor had them.
type wireSummary struct {
	Stream      string               `json:"stream"`
	TotalEvents uint64               `json:"totalEvents"`
	TotalValor  float64              `json:"totalValor"`
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
	Avg         *float64           `json:"avg"`
	Percentiles map[string]float64 `json:"percentiles,omitempty"`
}

type wireGroup struct {
	Count   uint64   `json:"count"` // events
	Sum     float64  `json:"sum"`
	Numbers uint64   `json:"numbers"`
	Min     *float64 `json:"min"`
	Max     *float64 `json:"max"`
}

// A position travels as "epoch:version".
func formatPosition(p Position) string {
	return p.Epoch.String() + ":" + strconv.FormatUint(p.Version, 10)
}

func parsePosition(text string) (p Position, err error) {
	epoch, version, ok := strings.Cut(text, ":")
	if ok {
		if err = p.Epoch.UnmarshalText([]byte(epoch)); err == nil {
			p.Version, err = strconv.ParseUint(version, 10, 64)
		}
	}
	if !ok || err != nil {
		return Position{}, fmt.Errorf("%w: position %q; epoch:version is wanted", ErrInvalid, text)
	}
	return p, nil
}

// wireSubscription is the body of POST /subscriptions.
type wireSubscription struct {
	Pattern  string            `json:"pattern"`
	From     map[string]string `json:"from,omitempty"`  // epoch:version by stream
	Start    string            `json:"start,omitempty"` // "oldest" or "now"
	EndOnGap bool              `json:"endOnGap,omitempty"`
}
