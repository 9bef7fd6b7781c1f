package core

import (
	"slices"
	"sync/atomic"
	"time"
)

// A Rollup keeps an aggregate of every full segment, so that a question about a range of time costs one merge per
// segment instead of a visit to every event. It is folded by whoever asks first, or by the background goroutine before
// a segment leaves; appenders never fold.
//
// Methods are safe for concurrent use and block no appender. Queries of a Rollup with Retain wait for each other and
// for the background goroutine.
type Rollup[E, A any] struct {
	store *Store[E]
	m     Monoid[E, A]
	o     RollupOptions
	index int // among the store's rollups

	unfolded atomic.Uint64 // by an earlier incarnation
}

// RollupOptions configures a Rollup.
type RollupOptions struct {
	Name   string        // unique in the store
	Retain time.Duration // how long the folds of discarded segments stay; 0: only events in the store count
}

// NewRollup registers a rollup. It can be done at any time; what has left before stays unknown to it. The store needs
// a time source, else ErrNoTime.
func NewRollup[E, A any](s *Store[E], m Monoid[E, A], o RollupOptions) (*Rollup[E, A], error) {
	switch {
	case s.closed.Load():
		return nil, wrap(ErrClosed, "rollup %q", o.Name)
	case !s.conf.timed():
		return nil, wrap(ErrNoTime, "rollup %q", o.Name)
	case o.Name == "" || o.Retain < 0 || m.Zero == nil || m.Add == nil || m.Merge == nil:
		return nil, wrap(ErrArgument, "rollup %q: needs a name, no negative Retain, and all three functions", o.Name)
	}
	r := &Rollup[E, A]{store: s, m: m, o: o}
	s.registering.Lock()
	defer s.registering.Unlock()
	old := s.conf.folders()
	for _, f := range old {
		if f.name() == o.Name {
			return nil, wrap(ErrArgument, "rollup %q exists already", o.Name)
		}
	}
	r.index = len(old)
	list := slices.Concat(old, []folder{r})
	s.conf.rollups.Store(&list)
	if o.Retain > 0 {
		for _, p := range s.all() {
			s.watch(p)
		}
	}
	return r, nil
}

// Name returns the name of RollupOptions.
func (r *Rollup[E, A]) Name() string { return r.o.Name }

func (r *Rollup[E, A]) name() string          { return r.o.Name }
func (r *Rollup[E, A]) retain() time.Duration { return r.o.Retain }

func (r *Rollup[E, A]) fold(s any, a, b uint64) any {
	acc := r.m.Zero()
	ev := s.(*segment[E]).ev[a:b]
	for i := range ev {
		r.m.Add(&acc, &ev[i])
	}
	return &acc
}

func (r *Rollup[E, A]) merge(x, y any) any {
	acc := r.m.Zero()
	for _, v := range []any{x, y} {
		if v != nil {
			r.m.Merge(&acc, v.(*A))
		}
	}
	return &acc
}

// Coverage says what an answer rests on.
type Coverage struct {
	Events    uint64 // events in the store that were counted
	Older     uint64 // events that have left and were counted
	Undecided uint64 // events that have left and whose fold reaches across the border of the range: not counted
	Unfolded  uint64 // events that ever left before they could be folded: not counted
	Holes     uint64 // events of the cut behind a slot that is not published yet: not counted
}

// Exact reports whether nothing had to be left out.
func (c Coverage) Exact() bool { return c.Undecided == 0 && c.Unfolded == 0 && c.Holes == 0 }

// An Answer is the aggregate of a range of time. Value belongs to the caller.
type Answer[A any] struct {
	Value A
	Coverage
}

// Query aggregates the events with a time in [from, to], both inclusive; zero times leave an end open. For events in
// the store it is exactly the fold over a cut opened now, whatever their order; for those that left, see Coverage.
func (r *Rollup[E, A]) Query(from, to time.Time) (Answer[A], error) {
	c := r.store.Cut()
	defer c.Close()
	return r.On(c, from, to)
}

// Within is Query for the last d of the store's clock; the future is not excluded.
func (r *Rollup[E, A]) Within(d time.Duration) (Answer[A], error) {
	if d < 0 {
		return Answer[A]{}, wrap(ErrArgument, "rollup %q: last %v", r.o.Name, d)
	}
	from := instantOf(r.store.conf.now()).add(-d)
	c := r.store.Cut()
	defer c.Close()
	return r.over(c.View().during(span{from, maxInstant}))
}

// On is Query on a given cut of the same store, so that several rollups can be asked about the same events.
func (r *Rollup[E, A]) On(c *Cut[E], from, to time.Time) (Answer[A], error) {
	v := c.View()
	if c.store != r.store {
		v = v.fail("cut of another store", ErrArgument)
	}
	return r.over(v.Between(from, to))
}

// over answers for a view that nothing but times has narrowed.
func (r *Rollup[E, A]) over(v View[E]) (Answer[A], error) {
	if v.err != nil {
		return Answer[A]{}, wrap(v.err, "rollup %q", r.o.Name)
	}
	g := gather[E, A]{r: r, times: v.times, values: make([]A, 1)}
	if err := g.run(v); err != nil {
		return Answer[A]{}, wrap(err, "rollup %q", r.o.Name)
	}
	return Answer[A]{g.values[0], g.Coverage}, nil
}

// gather merges a cut and the history into one value, or into one per bucket of time.
type gather[E, A any] struct {
	Coverage
	r      *Rollup[E, A]
	times  span
	values []A
	bucket func(instant) int // nil: a single value
}

func (g *gather[E, A]) run(v View[E]) error {
	return v.guard(func() {
		g.Unfolded = g.r.unfolded.Load()
		for k := range g.values {
			g.values[k] = g.r.m.Zero()
		}
		for _, c := range v.selected() {
			if c.resolve(); g.r.o.Retain > 0 && c.pin != nil {
				g.older(c)
			}
			g.Holes += c.holes()
			for x := range c.segments {
				if !g.whole(c, x) {
					g.scan(x, c.limited)
				}
			}
		}
	})
}

// whole counts a segment by its fold and reports whether that was possible.
func (g *gather[E, A]) whole(c *section[E], x piece[E]) bool {
	d := x.s.fold.Load()
	if d == nil || len(d.values) <= g.r.index {
		if n, final := x.s.full(); x.a > 0 || !final || x.b < n || !x.s.seal() {
			return false
		}
		d = c.p.conf.digestOf(x.s, 0, x.b, g.r.index+1)
	}
	if x.b-x.a < d.count || d.untimed || c.limited && d.span.min.before(c.floor) {
		return false
	}
	return g.add(d, &g.Events)
}

// add merges a fold into the bucket that holds all its events; it reports false if there is no such bucket.
func (g *gather[E, A]) add(d *digest, count *uint64) bool {
	if d.span.apart(g.times) {
		return true
	}
	if !d.span.within(g.times) {
		return false
	}
	k := 0
	if g.bucket != nil {
		if k = g.bucket(d.span.min); k != g.bucket(d.span.max) {
			return false
		}
	}
	switch v := value(d, g.r.index).(type) {
	case *A:
		g.r.m.Merge(&g.values[k], v)
		*count += d.count
	case failed:
		return false
	}
	return true // nil: it left before the rollup was registered
}

// one adds a single event if it lies in the range.
func (g *gather[E, A]) one(s *segment[E], i uint64, count *uint64) {
	t := g.r.store.conf.timeOf(s, i)
	if !g.times.holds(t) {
		return
	}
	k := 0
	if g.bucket != nil {
		k = g.bucket(t)
	}
	g.r.m.Add(&g.values[k], &s.ev[i])
	*count++
}

// scan adds the events of x one by one. Those hidden by age count as older, because the rollup outlives them.
func (g *gather[E, A]) scan(x piece[E], limited bool) {
	for i := x.a; i < x.b; i++ {
		if !limited || !x.c.hidden(x.s, i) {
			g.one(x.s, i, &g.Events)
		} else if g.r.o.Retain > 0 && !x.c.purged(x.s, i) {
			g.one(x.s, i, &g.Older)
		}
	}
}

// purged reports whether a slot's event was hidden by Purge.
func (c *section[E]) purged(s *segment[E], i uint64) bool {
	t := c.p.purgedTo.Load()
	return t != nil && c.p.conf.timeOf(s, i).before(*t)
}

// older adds what left partition c.p before the cut: first the folds, then the segments that wait to be folded, then
// what stands in the cut's own first segments below its low end. Each event is in exactly one of the three, since
// nothing settles while the account is locked.
func (g *gather[E, A]) older(c *section[E]) {
	p, first := c.p, c.first.base.Load()
	p.account.mu.Lock()
	defer p.account.mu.Unlock()
	g.Unfolded += p.fate.unfolded
	times := g.times
	if t := p.purgedTo.Load(); t != nil {
		times.min = later(times.min, *t)
	}
	outer := g.times
	g.times = times
	defer func() { g.times = outer }()
	inherited, nodes := p.history.all()
	for _, n := range inherited {
		if value(n.digest, g.r.index) != nil && !g.add(n.digest, &g.Older) {
			g.Undecided += n.count
		}
	}
	for _, n := range nodes {
		if n.base < first && (n.end > first || !g.add(n.digest, &g.Older)) && !n.span.apart(times) {
			g.Undecided += n.count
		}
	}
	from := p.clearedTo
	for s := p.at; s != nil && s.base.Load() < first; s = s.next.Load() {
		g.left(s, from, min(first, s.next.Load().base.Load()))
	}
	for s := c.first; s.base.Load() < c.lo; s = s.next.Load() {
		_, end := c.bounds(s)
		g.left(s, from, min(c.lo, end))
		if s == c.last {
			break
		}
	}
}

// left adds the published events of segment s at offsets in [from, to).
func (g *gather[E, A]) left(s *segment[E], from, to uint64) {
	base := s.base.Load()
	for i := max(base, from) - base; base+i < to; i++ {
		if s.hole(i, i+1) > i {
			g.one(s, i, &g.Older)
		}
	}
}
