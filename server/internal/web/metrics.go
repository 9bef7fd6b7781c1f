package web

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/server/internal/state"
)

// metricRoutes are those of measured values under labels. Ranges include both ends.
type metricRoutes struct {
	store *core.Store[state.Metric]
	o     Options
}

const (
	maxLabelBytes = 1 << 10
	maxMetrics    = 1000 // in one request
)

type wireMetric struct {
	Label     *string  `json:"label"`
	Value     *float64 `json:"value"`
	Timestamp string   `json:"timestamp"`
}

func (w *wireMetric) metric(now time.Time) (state.Metric, error) {
	switch {
	case w.Label == nil || *w.Label == "":
		return state.Metric{}, bad("label: a text that is not empty is wanted")
	case len(*w.Label) > maxLabelBytes:
		return state.Metric{}, bad("label: more than %d bytes", maxLabelBytes)
	case w.Value == nil:
		return state.Metric{}, bad("value: a number is wanted")
	}
	at := now
	if w.Timestamp != "" {
		var err error
		if at, err = parseTime(w.Timestamp); err != nil {
			return state.Metric{}, bad("timestamp: a time as in RFC 3339 is wanted")
		}
	}
	return state.Metric{Label: *w.Label, Value: *w.Value, Time: at}, nil
}

func (m *metricRoutes) post(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	body, err := m.o.body(w, r)
	if err != nil {
		return err
	}
	in, _, err := list[wireMetric](body, r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if len(in) > maxMetrics {
		return errTooLarge
	}
	now := time.Now().UTC()
	events := make([]state.Metric, len(in))
	for i := range in {
		if events[i], err = in[i].metric(now); err != nil {
			return err
		}
	}
	if _, err := m.store.AppendBatch(events); err != nil {
		return err
	}
	reply(w, http.StatusCreated, struct {
		Accepted   int    `json:"accepted"`
		Durability string `json:"durability"`
	}{len(events), "memory"})
	return nil
}

// view selects by from, to and label. A label is compared as it is.
func view(c *core.Cut[state.Metric], from, to time.Time, label *string) core.View[state.Metric] {
	v := c.Between(from, to)
	if label != nil {
		want := *label
		v = v.Where(func(m *state.Metric) bool { return m.Label == want })
	}
	return v
}

func value(m *state.Metric) float64 { return m.Value }

func (m *metricRoutes) summary(from, to time.Time, label *string) (core.Summary, error) {
	cut := m.store.Cut()
	defer cut.Close()
	return core.Summarize(view(cut, from, to, label), value)
}

func (m *metricRoutes) sum(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "label", "from", "to")
	if err != nil {
		return err
	}
	if !q.Has("label") {
		return bad("parameter \"label\" is required")
	}
	from, to, err := span(q)
	if err != nil {
		return err
	}
	label := q.Get("label")
	return m.replySum(w, from, to, label)
}

func (m *metricRoutes) sumWindow(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "label", "minutes")
	if err != nil {
		return err
	}
	if !q.Has("label") {
		return bad("parameter \"label\" is required")
	}
	minutes, err := count(q, "minutes", 10, 1, maxMinutes)
	if err != nil {
		return err
	}
	return m.replySum(w, time.Now().Add(-time.Duration(minutes)*time.Minute), time.Time{}, q.Get("label"))
}

func (m *metricRoutes) replySum(w http.ResponseWriter, from, to time.Time, label string) error {
	s, err := m.summary(from, to, &label)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, number(s.Sum))
	return nil
}

// A number is one in replies. A sum that left the range of numbers is "Infinity", "-Infinity" or "NaN", which JSON has as
// texts only.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	default:
		return json.Marshal(f)
	}
}

type wireWindow struct {
	Count  uint64  `json:"count"`
	Sum    number  `json:"sum"`
	Min    *number `json:"min"` // null without a value, as max and avg are
	Max    *number `json:"max"`
	Avg    *number `json:"avg"`
	Window struct {
		From  *string `json:"from"`
		To    *string `json:"to"`
		Label *string `json:"label"`
	} `json:"window"`
}

func (m *metricRoutes) window(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "label", "from", "to")
	if err != nil {
		return err
	}
	from, to, err := span(q)
	if err != nil {
		return err
	}
	var out wireWindow
	if q.Has("label") {
		label := q.Get("label")
		out.Window.Label = &label
	}
	s, err := m.summary(from, to, out.Window.Label)
	if err != nil {
		return err
	}
	out.Count, out.Sum = s.Count, number(s.Sum)
	if s.Count > 0 {
		least, most, avg := number(s.Min), number(s.Max), number(s.Sum/float64(s.Count))
		out.Min, out.Max, out.Avg = &least, &most, &avg
	}
	out.Window.From, out.Window.To = shown(from), shown(to)
	reply(w, http.StatusOK, out)
	return nil
}

// span reads the moments from and to; without them they are zero.
func span(q url.Values) (from, to time.Time, err error) {
	if from, err = moment(q, "from"); err == nil {
		to, err = moment(q, "to")
	}
	return from, to, err
}

func shown(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}

func (m *metricRoutes) top(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "k", "from", "to")
	if err != nil {
		return err
	}
	k, err := count(q, "k", 10, 1, 1000)
	if err != nil {
		return err
	}
	from, to, err := span(q)
	if err != nil {
		return err
	}
	cut := m.store.Cut()
	defer cut.Close()
	ranked, err := core.TopK(view(cut, from, to, nil), int(k), func(m *state.Metric) string { return m.Label }, value)
	if err != nil {
		return err
	}
	type row struct {
		Label string `json:"label"`
		Sum   number `json:"sum"`
		Count int    `json:"count"`
	}
	out := make([]row, len(ranked))
	for i, x := range ranked {
		out[i] = row{x.Key, number(x.Weight), x.Count}
	}
	reply(w, http.StatusOK, out)
	return nil
}

// views tells how the events lie in memory. Nothing is ever overwritten, so no view wraps around.
func (m *metricRoutes) views(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	type shape struct {
		SegmentCount  int  `json:"segmentCount"`
		TotalCount    int  `json:"totalCount"`
		HasWrapAround bool `json:"hasWrapAround"`
		IsEmpty       bool `json:"isEmpty"`
	}
	cut := m.store.Cut()
	defer cut.Close()
	views, total := []shape{}, 0
	for _, i := range cut.PartitionNumbers() {
		var v shape
		for _, run := range cut.Partition(i).Runs() {
			v.SegmentCount++
			v.TotalCount += len(run)
		}
		v.IsEmpty = v.TotalCount == 0
		views, total = append(views, v), total+v.TotalCount
	}
	out := map[string]any{"partitions": len(views), "totalEvents": total, "views": views}
	reply(w, http.StatusOK, out)
	return nil
}
