package benchmarks

import (
	"math/rand/v2"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A Window is a full store of slightly disordered events with a rollup, to ask about ranges of time.
type Window struct {
	Store  *Store
	rollup *core.Rollup[Event, core.Summary]
	add    func(*core.Summary, *Event)
	top    int64
	size   int64
}

// disorder is by how many nanoseconds, and so events, an event can be late.
const disorder = 200

// NewWindow makes a window of that many retained events. The first query, which folds the segments, is done.
func NewWindow(size int) *Window {
	w := &Window{Store: NewTimed(size), add: Numbers().Add, size: int64(size)}
	w.rollup = NewRollup(w.Store)
	r := rand.New(rand.NewPCG(1, 2))
	for x := range uint64(size) * 5 / 4 {
		e := Make(x)
		e.At -= r.Int64N(disorder)
		_, _ = w.Store.Append(e)
		w.top = max(w.top, e.At)
	}
	w.Query(Range{})
	return w
}

// A Range is a closed range of time; zero ends are open.
type Range struct{ From, To time.Time }

// All is the range of everything.
func (w *Window) All() []Range { return []Range{{}} }

// LastPercent is the newest hundredth.
func (w *Window) LastPercent() []Range {
	return []Range{{time.Unix(0, w.top-w.size/100), time.Unix(0, w.top)}}
}

// Random returns n ranges with a random start in the window and a random end behind it, the same in every call.
func (w *Window) Random(n int) []Range {
	r := rand.New(rand.NewPCG(3, 4))
	list := make([]Range, n)
	for i := range list {
		from := w.top - w.size + r.Int64N(w.size)
		list[i] = Range{time.Unix(0, from), time.Unix(0, from+r.Int64N(w.top-from+1))}
	}
	return list
}

// Query asks the rollup. The range and the monoid are fixed, so an error is a mistake in this package.
func (w *Window) Query(r Range) core.Summary {
	a, err := w.rollup.Query(r.From, r.To)
	if err != nil {
		panic(err)
	}
	return a.Value
}

// Scan answers the same question by looking at every event: same selectors, same aggregate.
func (w *Window) Scan(r Range) core.Summary {
	var sum core.Summary
	c := w.Store.Cut()
	defer c.Close()
	for _, run := range c.Runs() {
		for i := range run {
			e := &run[i]
			t := Time(e)
			if (r.From.IsZero() || !t.Before(r.From)) && (r.To.IsZero() || !t.After(r.To)) {
				w.add(&sum, e)
			}
		}
	}
	return sum
}
