package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// rollups are the aggregates that somebody has asked for: core folds each over the segments of a stream once.
type rollups struct {
	mu   sync.Mutex
	list map[rollupKey]*core.Rollup[Record, aggregate]
}

type rollupKey struct{ field, by string }

// sizes is the question for events and bytes alone.
var sizes = rollupKey{}

// maxRollups bounds the pairs of fields that are folded; beyond it, a stream is read through for every question.
const maxRollups = 16

// aggregate is what is known of a run of events.
type aggregate struct {
	events, notNumbers uint64
	bytes              int64
	numbers            core.Summary
	percentiles        core.Histogram
	groups             map[string]*Group
}

func (k rollupKey) monoid() core.Monoid[Record, aggregate] {
	return core.Monoid[Record, aggregate]{
		Zero: func() aggregate { return aggregate{} },
		Add:  k.add,
		Merge: func(into, from *aggregate) {
			into.events += from.events
			into.bytes += from.bytes
			into.notNumbers += from.notNumbers
			into.numbers.Merge(&from.numbers)
			into.percentiles.Merge(&from.percentiles)
			for name, g := range from.groups {
				x := into.group(name)
				x.Events += g.Events
				x.Numbers.Merge(&g.Numbers)
			}
		},
	}
}

func (a *aggregate) group(name string) *Group {
	if a.groups == nil {
		a.groups = map[string]*Group{}
	}
	g := a.groups[name]
	if g == nil {
		g = new(Group)
		a.groups[name] = g
	}
	return g
}

func (k rollupKey) add(a *aggregate, r *Record) {
	a.events++
	a.bytes += int64(r.size())
	if k.field == "" && k.by == "" {
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(r.data, &members) != nil {
		members = nil // no object
	}
	var group *Group
	if k.by != "" {
		group = a.group(textOf(members[k.by]))
		group.Events++
	}
	if k.field == "" {
		return
	}
	var v float64
	if raw := members[k.field]; len(raw) == 0 || bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, &v) != nil {
		a.notNumbers++
		return
	}
	a.numbers.Add(v)
	a.percentiles.Add(v)
	if group != nil {
		group.Numbers.Add(v)
	}
}

// textOf returns a string member as it is, any other as its JSON text, an absent one as the empty string.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// Aggregate implements Log. The first question about a pair of fields reads the stream through; later ones read what is
// new.
func (l *Local) Aggregate(ctx context.Context, a Aggregate) (Summary, error) {
	if err := l.start(ctx, "aggregate", a.Stream); err != nil {
		return Summary{}, err
	}
	if err := CheckName(a.Stream); err != nil {
		return Summary{}, wrap("aggregate", a.Stream, err)
	}
	out := Summary{Stream: a.Stream, Epoch: l.Epoch()}
	x, version, err := l.aggregateOf(a)
	if err != nil {
		return Summary{}, wrap("aggregate", a.Stream, err)
	}
	out.Version = version
	out.Events, out.NotNumbers, out.Numbers = x.events, x.notNumbers, x.numbers
	if x.numbers.Count > 0 {
		out.Percentile = map[int]float64{}
		for _, p := range []int{50, 90, 95, 99} {
			out.Percentile[p], _ = x.percentiles.Percentile(float64(p))
		}
	}
	if a.By != "" {
		out.Groups = make(map[string]Group, len(x.groups))
		for name, g := range x.groups {
			out.Groups[name] = *g
		}
	}
	return out, nil
}

// aggregateOf answers for one moment of a stream.
func (l *Local) aggregateOf(a Aggregate) (aggregate, uint64, error) {
	for {
		s := l.find(a.Stream)
		if s == nil {
			if i, ok := l.absent(a.Stream); ok {
				return aggregate{}, i.Version, nil
			}
			continue
		}
		if cut, version, ok := l.cut(s); ok {
			x, err := l.aggregate(cut, rollupKey{a.Field, a.By})
			cut.Close()
			return x, version, err
		}
	}
}

func (l *Local) aggregate(cut *core.Cut[Record], k rollupKey) (aggregate, error) {
	r, err := l.rollup(k)
	if err != nil {
		return aggregate{}, err
	}
	if r == nil {
		var x aggregate
		for _, e := range cut.All() {
			k.add(&x, e)
		}
		return x, nil
	}
	answer, err := r.On(cut, time.Time{}, time.Time{})
	return answer.Value, err
}

// rollup returns the rollup of a pair of fields, or nil if there are too many.
func (l *Local) rollup(k rollupKey) (*core.Rollup[Record, aggregate], error) {
	l.rollups.mu.Lock()
	defer l.rollups.mu.Unlock()
	if r := l.rollups.list[k]; r != nil || len(l.rollups.list) >= maxRollups && k != sizes {
		return r, nil
	}
	r, err := core.NewRollup(l.store, k.monoid(), core.RollupOptions{Name: fmt.Sprintf("%q by %q", k.field, k.by)})
	if err != nil {
		return nil, closedError(err)
	}
	l.rollups.list[k] = r
	return r, nil
}
