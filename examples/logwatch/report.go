package main

import (
	"maps"
	"net/url"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

// report is what a run found. All of it but restored is of this run alone.
type report struct {
	Source string `json:"source"`
	Format string `json:"format"` // "" if no line told

	// Lines = Raised + Unmatched.
	Lines       uint64            `json:"lines"`
	Raised      uint64            `json:"raised"`
	Unmatched   uint64            `json:"unmatched"`
	UnmatchedBy map[string]uint64 `json:"unmatchedBy"`
	Problems    []problem         `json:"problems"` // the first unmatched lines
	ByName      map[string]uint64 `json:"byName"`
	Oldest      *string           `json:"oldest"`
	Newest      *string           `json:"newest"`

	Sense   string  `json:"sense"`
	Sensed  uint64  `json:"sensed"`
	Matches []match `json:"matches"` // the newest that the window shows
	Rates   []rate  `json:"rates"`
	Bursts  found   `json:"bursts"`

	// Raised = Persisted + Pending + Dropped.
	Persisted uint64 `json:"persisted"`
	Pending   uint64 `json:"pending"`
	Dropped   uint64 `json:"dropped"`

	Restored       int               `json:"restored"`
	RestoredByName map[string]uint64 `json:"restoredByName"`
	RestoredSensed int               `json:"restoredSensed"`
	RestoredMore   bool              `json:"restoredMore"` // --signals holds older ones

	Stopped bool `json:"stopped"` // by an interrupt

	signals string
	rule    burstRule
	follow  bool
}

// match is a signal that --sense covers.
type match struct {
	Time string `json:"time"`
	Name string `json:"name"`
	Key  string `json:"key"`
}

// rate counts the matches of the span before now.
type rate struct {
	Span      string  `json:"span"`
	Count     int     `json:"count"`
	PerSecond float64 `json:"perSecond"`
}

type found struct {
	Detected int     `json:"detected"`
	Newest   []burst `json:"newest"` // up to 100, in the order in which they began
}

var rateSpans = []struct {
	name   string
	length time.Duration
}{{"minute", time.Minute}, {"hour", time.Hour}, {"day", 24 * time.Hour}}

const newestMatches = 5

func (l *lookout) report() (*report, error) {
	s := l.window.Stats()
	r := &report{
		Source: l.o.file, Format: l.parser.format(), Sense: l.o.sense,
		Lines: l.lines, Raised: l.raised, Unmatched: l.lines - l.raised, Sensed: l.sensed,
		UnmatchedBy: l.unmatched, Problems: append([]problem{}, l.problems...), ByName: maps.Clone(l.byName),
		Bursts:    found{Detected: l.bursts.detected, Newest: l.bursts.newest()},
		Persisted: s.Persisted, Pending: s.Pending, Dropped: s.Dropped,
		Restored: l.restored.count, RestoredByName: l.restored.byName,
		RestoredSensed: l.restored.sensed, RestoredMore: l.restored.more,
		Stopped: l.stopped, Matches: []match{}, Rates: []rate{},
		signals: plainURL(l.o.signals), rule: l.o.burst, follow: l.o.follow,
	}
	if l.raised > 0 {
		oldest, newest := logTime(l.oldest), logTime(l.newest)
		r.Oldest, r.Newest = &oldest, &newest
	}
	for _, span := range rateSpans {
		x, err := l.rate(span.name, span.length)
		if err != nil {
			return nil, err
		}
		r.Rates = append(r.Rates, x)
	}
	newest, err := l.own().Newest(newestMatches).Signals()
	for _, s := range newest {
		r.Matches = append(r.Matches, match{logTime(s.Time), s.Name, s.Key})
	}
	return r, err
}

// own selects the matches of this run.
func (l *lookout) own() window.Query { return l.window.Find(l.o.sense).After(l.base) }

func (l *lookout) rate(name string, span time.Duration) (rate, error) {
	n, err := l.own().Within(span).Count()
	return rate{name, n, float64(n) / span.Seconds()}, err
}

// plainURL leaves out what may be secret.
func plainURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "--signals"
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return raw
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// logTime prints times the same way everywhere; a fraction only where there is one.
func logTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
