package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// report is what the store knows at the end of a replay. All figures but events and the ledger's come from one cut.
type report struct {
	Events    int     `json:"events"`
	Appended  uint64  `json:"appended"`
	Visible   int     `json:"visible"`
	Discarded uint64  `json:"discarded"`
	Capacity  int     `json:"capacity"`
	Order     string  `json:"order"`
	Newest    *string `json:"newest"`
	Windows   windows `json:"windows"`
	Networks  int     `json:"networks"`
	Top       []group `json:"top"`
	Ledger    ledger  `json:"ledger"`

	source string
}

type windows struct {
	Hour window `json:"hour"`
	Day  window `json:"day"`
	Week window `json:"week"`
}

// window sums up the magnitudes of a span of feed time; the pointers are nil when no event has one.
type window struct {
	Count       uint64   `json:"count"`
	NoMagnitude uint64   `json:"noMagnitude"`
	Max         *float64 `json:"max"`
	Avg         *float64 `json:"avg"`
	P95         *float64 `json:"p95"`
}

// group is a network with its number of events.
type group struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
}

type ledger struct {
	Appended  uint64 `json:"appended"`
	Visible   uint64 `json:"visible"`
	Hidden    uint64 `json:"hidden"`
	Discarded uint64 `json:"discarded"`
	InFlight  uint64 `json:"inFlight"`
	Expired   uint64 `json:"expired"`
	Purged    uint64 `json:"purged"`
	Cleared   uint64 `json:"cleared"`
	Balanced  bool   `json:"balanced"`
}

// spans are the windows, each before the newest event, both ends inclusive.
var spans = []struct {
	name   string
	length time.Duration
	of     func(*windows) *window
}{
	{"hour", time.Hour, func(w *windows) *window { return &w.Hour }},
	{"day", 24 * time.Hour, func(w *windows) *window { return &w.Day }},
	{"week", 7 * 24 * time.Hour, func(w *windows) *window { return &w.Week }},
}

func newReport(p *player, o options) (*report, error) {
	cut := p.store.Cut()
	defer cut.Close()
	view := cut.View()
	r := &report{Events: len(p.quakes), Capacity: o.capacity, Order: "file", source: o.file}
	if o.byTime {
		r.Order = "time"
	}
	var err error
	if r.Visible, err = view.Count(); err != nil {
		return nil, err
	}
	if _, newest, ok := view.Span(); ok {
		text := feedTime(newest)
		r.Newest = &text
		for _, s := range spans {
			if *s.of(&r.Windows), err = exactWindow(view.Between(newest.Add(-s.length), newest)); err != nil {
				return nil, err
			}
		}
	}
	if r.Top, err = networks(view); err != nil {
		return nil, err
	}
	r.Networks = len(r.Top)
	if o.topGiven || !o.json {
		r.Top = r.Top[:min(o.top, len(r.Top))]
	}
	r.Ledger = ledgerOf(p.store.Ledger())
	r.Appended, r.Discarded = r.Ledger.Appended, r.Ledger.Discarded
	return r, nil
}

func ledgerOf(l core.Ledger) ledger {
	return ledger{
		Appended: l.Appended, Visible: l.Visible, Hidden: l.Hidden, Discarded: l.Discarded,
		InFlight: l.InFlight, Expired: l.Expired, Purged: l.Purged, Cleared: l.Cleared, Balanced: l.Balanced(),
	}
}

func magnitude(q *quake) float64 { return q.Mag }

func hasMagnitude(q *quake) bool { return !math.IsNaN(q.Mag) }

// exactWindow sums up every event of the view.
func exactWindow(view core.View[quake]) (window, error) {
	sum, err := core.Summarize(view, magnitude)
	if err != nil {
		return window{}, err
	}
	mags, err := core.Fold(view.Where(hasMagnitude), nil, func(mags []float64, q *quake) ([]float64, bool) {
		return append(mags, q.Mag), true
	})
	if err != nil {
		return window{}, err
	}
	w := windowOf(sum)
	if len(mags) > 0 {
		p95 := nearestRank(mags, 95)
		w.P95 = &p95
	}
	return w, nil
}

// windowOf leaves p95 open. The summary counts NaN apart: that is an event without magnitude.
func windowOf(sum core.Summary) window {
	w := window{Count: sum.Count + sum.NonFinite, NoMagnitude: sum.NonFinite}
	if avg, ok := sum.Average(); ok {
		w.Max, w.Avg = &sum.Max, &avg
	}
	return w
}

// nearestRank sorts the values and returns the one at rank ceil(percent/100 * n), counted from 1.
func nearestRank(values []float64, percent int) float64 {
	slices.Sort(values)
	return values[(percent*len(values)+99)/100-1]
}

// networks lists every network of the view, the one with most events first, ties by name.
func networks(view core.View[quake]) ([]group, error) {
	ranked, err := core.TopK(view, math.MaxInt, func(q *quake) string { return q.Net }, nil)
	if err != nil {
		return nil, err
	}
	groups := make([]group, 0, len(ranked))
	for _, r := range ranked {
		groups = append(groups, group{Key: r.Key, Count: r.Count})
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	return groups, nil
}
