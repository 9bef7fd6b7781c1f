package verify

import (
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A reader scans one cut after the other and believes nothing.
type reader struct {
	run        *conservation
	last       map[[2]int]uint64 // per partition and writer the number of the newest event in this cut, plus one
	low, high  []uint64          // per partition what the cut before covered
	cuts, seen uint64
	holes      uint64 // at most, in one cut
}

func newReader(c *conservation) *reader {
	n := c.store.Partitions()
	return &reader{run: c, low: make([]uint64, n), high: make([]uint64, n)}
}

func (r *reader) work(stop <-chan struct{}) {
	for {
		r.scan()
		select {
		case <-stop:
			return
		default:
		}
	}
}

func (r *reader) scan() {
	c := r.run.store.Cut()
	defer c.Close()
	r.cuts++
	r.holes = max(r.holes, c.Holes())
	r.last = map[[2]int]uint64{}
	for i := range r.run.store.Partitions() {
		r.partition(c, i)
	}
}

// partition checks one partition of a cut: its borders move forward only, it is not above its capacity, and it holds
// each sequence between its borders exactly once, in order.
func (r *reader) partition(c *core.Cut[event], part int) {
	low, high, err := c.Bounds(part)
	switch {
	case err != nil:
		r.run.fail("bounds of %d: %v", part, err)
	case low < r.low[part] || high < r.high[part] || low > high:
		r.run.fail("partition %d went from [%d,%d) to [%d,%d)", part, r.low[part], r.high[part], low, high)
	case high-low > r.run.capacityOf(part):
		r.run.fail("partition %d shows %d events, capacity is %d", part, high-low, r.run.capacityOf(part))
	}
	r.low[part], r.high[part] = low, high
	next := low
	if r.cuts%2 == 0 {
		for p, e := range c.Partition(part).All() {
			next = r.event(p, e, next)
		}
	} else {
		for p, list := range c.Partition(part).Runs() {
			for i := range list {
				next = r.event(core.Position{Partition: p.Partition, Sequence: p.Sequence + uint64(i)}, &list[i], next)
			}
		}
	}
	if next != high {
		r.run.fail("partition %d: the cut covers [%d,%d) and ended before %d", part, low, high, next)
	}
}

func (r *reader) event(p core.Position, e *event, want uint64) (next uint64) {
	r.seen++
	if p.Sequence != want {
		r.run.fail("reader found %v, next was %d", p, want)
	}
	if !e.intact() {
		r.run.fail("reader found a torn event at %v: %+v", p, *e)
	}
	k := [2]int{p.Partition, int(e.Writer)}
	switch last := r.last[k]; {
	case e.N < last:
		r.run.fail("event %d of writer %d at %v, after its event %d", e.N, e.Writer, p, last-1)
	case r.run.ordered() && last > 0 && e.N != last: // overwritten, say by a writer that woke up after its segment's reuse
		r.run.fail("event %d of writer %d at %v, right after its event %d", e.N, e.Writer, p, last-1)
	}
	r.last[k] = e.N + 1
	return p.Sequence + 1
}

// total is what the rollup of a conservation run adds up.
type total struct{ Count, Sum uint64 }

func totals() core.Monoid[event, total] {
	return core.Monoid[event, total]{
		Zero:  func() total { return total{} },
		Add:   func(acc *total, e *event) { acc.Count++; acc.Sum += e.N },
		Merge: func(into, from *total) { into.Count += from.Count; into.Sum += from.Sum },
	}
}

// An asker queries the rollup again and again.
type asker struct {
	run     *conservation
	rollup  *core.Rollup[event, total]
	count   uint64
	queries uint64
	vague   uint64 // answers that left something out
}

func (a *asker) work(stop <-chan struct{}) {
	for {
		a.ask()
		select {
		case <-stop:
			return
		default:
		}
	}
}

// ask checks that an answer lies between what was confirmed before and what was begun after it, and never falls.
func (a *asker) ask() core.Answer[total] {
	confirmed := a.run.confirmed()
	x, err := a.rollup.Query(time.Time{}, time.Time{})
	if err != nil {
		a.run.fail("query: %v", err)
		return x
	}
	a.queries++
	n := x.Value.Count
	if a.run.Unwatched {
		if n != x.Events || n > uint64(a.run.Capacity) || x.Older+x.Undecided+x.Unfolded > 0 {
			a.run.fail("a rollup that forgets counts %d events: %+v", n, x.Coverage)
		}
		return x
	}
	switch begun := a.run.begun(); {
	case n > begun:
		a.run.fail("the rollup counts %d events, only %d were appended", n, begun)
	case n+x.Holes+x.Undecided < confirmed:
		a.run.fail("the rollup knows of %d events, %d were confirmed: %+v", n, confirmed, x)
	case n != x.Events+x.Older:
		a.run.fail("the rollup counts %d events and says that it is %+v", n, x.Coverage)
	case x.Unfolded > 0:
		a.run.fail("%d events left unfolded", x.Unfolded)
	}
	if x.Undecided > 0 {
		a.vague++
		return x
	}
	if n < a.count {
		a.run.fail("the rollup fell from %d to %d events", a.count, n)
	}
	a.count = n
	return x
}
