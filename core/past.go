package core

import (
	"time"
)

// A Past is the fold of events that left a partition one after the other: what a rollup with Retain keeps of them.
type Past[A any] struct {
	Partition int
	Events    uint64
	From, To  time.Time // earliest and latest event time
	Left      time.Time // by the store's clock, when the last of them had left
	Value     A         // shared with the rollup: read only
}

// Past returns what the rollup knows of the events that had left before the cut, oldest first in each partition, to be
// handed to Inherit of a later incarnation. unfolded counts those that left without being folded. It needs Retain,
// else there is nothing.
func (r *Rollup[E, A]) Past(c *Cut[E]) (past []Past[A], unfolded uint64, err error) {
	if c.store != r.store {
		return nil, 0, wrap(ErrArgument, "rollup %q: cut of another store", r.o.Name)
	}
	if r.o.Retain == 0 {
		return nil, 0, nil
	}
	g := leftovers[E, A]{r: r, unfolded: r.unfolded.Load()}
	for _, s := range c.all() {
		g.collect(s)
	}
	return g.past, g.unfolded, nil
}

// leftovers collects what Past returns.
type leftovers[E, A any] struct {
	r        *Rollup[E, A]
	past     []Past[A]
	unfolded uint64
}

// collect goes through the same three places as gather.older: the folds, the segments that wait to be folded, and what
// stands in the cut's own first segments below its low end.
func (g *leftovers[E, A]) collect(c *section[E]) {
	if c.resolve(); c.pin == nil {
		return
	}
	p, first := c.p, c.first.base.Load()
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	g.unfolded += p.fate.unfolded
	inherited, nodes := p.history.all()
	for _, n := range inherited {
		g.add(p, n)
	}
	for _, n := range nodes {
		switch {
		case n.base >= first:
		case n.end > first: // joined since with what the cut still shows
			g.unfolded += n.count
		default:
			g.add(p, n)
		}
	}
	for s := p.at; s != nil && s.base.Load() < first; s = s.next.Load() {
		g.rest(p, s, p.clearedTo, min(first, s.next.Load().base.Load()))
	}
	for s := c.first; s.base.Load() < c.lo; s = s.next.Load() {
		_, end := c.bounds(s)
		g.rest(p, s, p.clearedTo, min(c.lo, end))
		if s == c.last {
			break
		}
	}
}

// rest folds the offsets [from, to) of segment s, without those that Purge forgot.
func (g *leftovers[E, A]) rest(p *partition[E], s *segment[E], from, to uint64) {
	base := s.base.Load()
	if from = max(from, base); from >= to {
		return
	}
	x := Past[A]{Partition: p.index, Left: p.conf.now()}
	all, folded := emptySpan, false
	if s.hole(from-base, to-base) == to-base { // else given up while its writer was stalled
		folded = !panics(&p.conf.panics, func() {
			x.Value = g.r.m.Zero()
			for i := from - base; i < to-base; i++ {
				t := p.conf.timeOf(s, i)
				if purged := p.purgedTo.Load(); purged == nil || !t.before(*purged) {
					g.r.m.Add(&x.Value, &s.ev[i])
					all.add(t)
					x.Events++
				}
			}
		})
	}
	switch {
	case !folded:
		g.unfolded += to - from
	case x.Events > 0:
		x.From, x.To = all.min.toTime(), all.max.toTime()
		g.past = append(g.past, x)
	}
}

func (g *leftovers[E, A]) add(p *partition[E], n node) {
	switch v := value(n.digest, g.r.index).(type) {
	case *A:
		g.past = append(g.past, Past[A]{p.index, n.count, n.span.min.toTime(), n.span.max.toTime(), n.left, *v})
	case failed:
		g.unfolded += n.count
	}
}

// Inherit gives a rollup what an earlier incarnation of it knew, as Past returned it: it counts as Older in answers,
// until Retain is over. unfolded is added to what answers report. Partitions that do not exist, values of a rollup
// without Retain, or times out of order within one entry are refused, and then nothing is taken over.
func (r *Rollup[E, A]) Inherit(past []Past[A], unfolded uint64) error {
	if r.o.Retain == 0 {
		return wrap(ErrArgument, "rollup %q: inherit without Retain", r.o.Name)
	}
	for i := range past {
		if x := &past[i]; r.store.part(x.Partition) == nil || x.To.Before(x.From) {
			return wrap(ErrArgument, "rollup %q: inherit entry %d, partition %d, %v to %v", r.o.Name, i, x.Partition, x.From, x.To)
		}
	}
	for i := range past {
		x := &past[i]
		values := make([]any, r.index+1)
		values[r.index] = &x.Value
		d := &digest{count: x.Events, span: span{instantOf(x.From), instantOf(x.To)}, values: values}
		r.store.part(x.Partition).inherit(node{digest: d, left: x.Left})
	}
	r.unfolded.Add(unfolded)
	return nil
}

func (p *partition[E]) inherit(n node) {
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	h := p.kept()
	h.inherited = append(h.inherited, n)
}
