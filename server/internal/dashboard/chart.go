package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

const (
	windows   = 30
	maxEvents = 5000 // that a chart reads
	maxNames  = 100  // members of each kind that it offers; an event may have a hundred thousand
)

// spans are what a chart may show; 0 is all that was read.
var spans = []struct {
	Name string
	Long time.Duration
}{{"1m", time.Minute}, {"5m", 5 * time.Minute}, {"1h", time.Hour}, {"24h", 24 * time.Hour}, {"all", 0}}

// A chart is one stream over time, in windows of equal length, by the time of its events.
type chart struct {
	Spans        []string
	Fields, Keys []string // of the newest event: members with numbers, members with texts
	Windows      []slice
	Events       int // read: the newest
	Partial      bool
	Top          []group // of the events in the windows
}

// A slice is one window: its events, and exact percentiles (nearest rank) of the numbers in a member of them.
type slice struct {
	From          time.Time
	Events        int
	Cut           bool // there were or may be more, which are gone or were not read
	Numbers       int
	P50, P90, P99 float64
	values        []float64
}

type group struct {
	Key    string
	Events int
}

// chart reads the stream of a choice and fills in what the choice leaves open.
func (d *Dashboard) chart(ctx context.Context, c *choice, now time.Time) (chart, error) {
	out := chart{}
	for _, s := range spans {
		out.Spans = append(out.Spans, s.Name)
	}
	if c.Span == "" {
		c.Span = "5m"
	}
	at := slices.Index(out.Spans, c.Span)
	if at < 0 {
		return out, fmt.Errorf("%w: parameter \"span\" is %q; %v", errBad, c.Span, out.Spans)
	}
	page, err := d.state.Log.Read(ctx, streams.Read{Stream: c.Stream, Backward: true, Limit: maxEvents})
	if err != nil {
		return out, fmt.Errorf("%w: %w", errBad, err)
	}
	if len(page.Events) == 0 {
		return out, nil
	}
	out.Events, out.Partial = len(page.Events), page.More
	out.Fields, out.Keys = members(page.Events[0].Data)
	c.Field, c.By = orFirst(c.Field, out.Fields), orFirst(c.By, fewest(page.Events, out.Keys))
	from, width := extent(page.Events, spans[at].Long, now)
	out.fill(page.Events, c, from, width)
	if page.More || page.Oldest > 1 {
		out.cut(slices.MinFunc(page.Events, byTime).Time)
	}
	return out, nil
}

func orFirst(chosen string, list []string) string {
	if chosen == "" && len(list) > 0 {
		return list[0]
	}
	return chosen
}

// fewest returns the member with the fewest texts: it groups, which an id does not. Each event is read once.
func fewest(events []streams.Event, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	seen := map[string]map[string]bool{}
	for _, name := range names {
		seen[name] = map[string]bool{}
	}
	for i := range events[:min(len(events), 100)] {
		var object map[string]any
		_ = json.Unmarshal(events[i].Data, &object) // what is no object has no members
		for name, texts := range seen {
			key, _ := object[name].(string)
			texts[key] = true
		}
	}
	return []string{slices.MinFunc(names, func(a, b string) int { return cmp.Compare(len(seen[a]), len(seen[b])) })}
}

// members returns the first names of numbers and of texts in a JSON object.
func members(data []byte) (numbers, texts []string) {
	var object map[string]any
	if json.Unmarshal(data, &object) != nil {
		return nil, nil // it has none
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch object[name].(type) {
		case float64:
			numbers = append(numbers, name)
		case string:
			texts = append(texts, name)
		}
	}
	return numbers[:min(len(numbers), maxNames)], texts[:min(len(texts), maxNames)]
}

func byTime(a, b streams.Event) int { return a.Time.Compare(b.Time) }

// cut marks the windows that begin before the earliest event that was read.
func (ch *chart) cut(earliest time.Time) {
	for i := range ch.Windows {
		ch.Windows[i].Cut = ch.Windows[i].From.Before(earliest)
	}
}

// extent returns where the first window begins and how long each is. Windows of a span begin at multiples of their length,
// so that they stay what they are while time goes on.
func extent(events []streams.Event, span time.Duration, now time.Time) (from time.Time, width time.Duration) {
	if span > 0 {
		width = span / windows
		return now.Truncate(width).Add(width - span), width
	}
	first, last := slices.MinFunc(events, byTime).Time, slices.MaxFunc(events, byTime).Time
	return first, max(last.Sub(first)/windows+1, time.Millisecond)
}

// fill counts events into windows.
func (ch *chart) fill(events []streams.Event, c *choice, from time.Time, width time.Duration) {
	ch.Windows = make([]slice, windows)
	for i := range ch.Windows {
		ch.Windows[i].From = from.Add(time.Duration(i) * width)
	}
	groups := map[string]int{}
	for i := range events {
		behind := events[i].Time.Sub(from) // 292 years at most
		if behind < 0 || behind/width >= windows {
			continue
		}
		w := &ch.Windows[behind/width]
		w.Events++
		number, ok, key := look(events[i].Data, c)
		if ok {
			w.values = append(w.values, number)
		}
		if key != "" {
			groups[key]++
		}
	}
	for i := range ch.Windows {
		ch.Windows[i].rank()
	}
	for key, n := range groups {
		ch.Top = append(ch.Top, group{key, n})
	}
	slices.SortFunc(ch.Top, func(a, b group) int { return cmp.Or(b.Events-a.Events, cmp.Compare(a.Key, b.Key)) })
	ch.Top = ch.Top[:min(len(ch.Top), maxTop)]
}

// look returns the number and the text that a choice names. Data that is a number is that number.
func look(data []byte, c *choice) (number float64, ok bool, key string) {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return 0, false, ""
	}
	object, _ := v.(map[string]any)
	if object != nil {
		key, _ = object[c.By].(string)
		v = object[c.Field]
	}
	number, ok = v.(float64)
	return number, ok, key
}

func (s *slice) rank() {
	if s.Numbers = len(s.values); s.Numbers == 0 {
		return
	}
	slices.Sort(s.values)
	at := func(p float64) float64 { return s.values[int(math.Ceil(p*float64(s.Numbers)))-1] }
	s.P50, s.P90, s.P99 = at(.5), at(.9), at(.99)
}
