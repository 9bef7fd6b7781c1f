package core

import "time"

// A digest is the cached fold of one sealed segment: computed by whoever needs it first, never by an appender, and
// immutable once stored.
type digest struct {
	count   uint64
	span    span
	bytes   int64
	values  []any // one per registered rollup, in registration order; failed{} if it panicked
	untimed bool  // Options.Time panicked: span is the widest, so that nobody relies on it
}

// A span is the closed range of event times of a set of events; an empty one has min after max.
type span struct{ min, max instant }

var emptySpan = span{min: maxInstant, max: minInstant}

func (s *span) add(t instant) {
	if t.before(s.min) {
		s.min = t
	}
	if t.after(s.max) {
		s.max = t
	}
}

func (s *span) merge(o span) {
	if o.min.before(s.min) {
		s.min = o.min
	}
	if o.max.after(s.max) {
		s.max = o.max
	}
}

// within reports that every moment of s lies in w, apart that none does.
func (s span) within(w span) bool { return !s.min.before(w.min) && !s.max.after(w.max) }
func (s span) apart(w span) bool  { return s.max.before(w.min) || s.min.after(w.max) }
func (s span) holds(t instant) bool {
	return !t.before(s.min) && !t.after(s.max)
}

// A folder is a registered rollup as the store sees it.
type folder interface {
	fold(s any, a, b uint64) any // of slots [a,b) of a *segment[E]
	merge(into, from any) any    // returns a new value
	retain() time.Duration
	name() string
}

// timeOf returns the time of slot i. The store has a time source.
func (c *config[E]) timeOf(s *segment[E], i uint64) instant {
	if c.time != nil {
		return instantOf(c.time(&s.ev[i]))
	}
	return instantOf(time.Unix(0, s.at[i]))
}

func (c *config[E]) timed() bool { return c.time != nil || c.arrival }

// maxEventBytes is more than any event takes; sums of a million like it still fit.
const maxEventBytes = 1 << 43

// sizeOf returns the bytes of an event, at least 0 and at most maxEventBytes. A panicking selector is counted.
func (c *config[E]) sizeOf(e *E) (n int64) {
	defer func() {
		if recover() != nil {
			c.panics.Add(1)
			n = 0
		}
	}()
	return min(max(0, int64(c.size(e))), maxEventBytes)
}

// digestOf returns the digest of slots [a,b) of s, all published, with the given number of rollup values. That of a
// whole segment is cached. s is protected by the caller.
func (c *config[E]) digestOf(s *segment[E], a, b uint64, rollups int) *digest {
	if n, final := s.full(); a > 0 || !final || b < n {
		return c.compute(s, a, b, nil, rollups)
	}
	for {
		old := s.fold.Load()
		if old != nil && len(old.values) >= rollups {
			return old
		}
		if d := c.compute(s, a, b, old, rollups); s.fold.CompareAndSwap(old, d) {
			return d
		}
	}
}

// compute makes a digest, or one with more rollup values than old has.
func (c *config[E]) compute(s *segment[E], a, b uint64, old *digest, rollups int) *digest {
	d := &digest{count: b - a, span: emptySpan}
	if old != nil {
		*d = *old
	} else {
		c.scan(s, a, b, d)
	}
	if rollups > len(d.values) {
		values := append(make([]any, 0, rollups), d.values...)
		for _, f := range c.folders()[len(values):rollups] {
			values = append(values, c.foldOne(f, s, a, b))
		}
		d.values = values
	}
	return d
}

// failed stands for the fold of a rollup that panicked.
type failed struct{}

func (c *config[E]) foldOne(f folder, s *segment[E], a, b uint64) (v any) {
	defer func() {
		if recover() != nil {
			c.panics.Add(1)
			v = failed{}
		}
	}()
	return f.fold(s, a, b)
}

func (c *config[E]) scan(s *segment[E], a, b uint64, d *digest) {
	for i := a; i < b && c.size != nil; i++ {
		d.bytes += c.sizeOf(&s.ev[i])
	}
	defer func() {
		if recover() != nil {
			c.panics.Add(1)
			d.untimed, d.span = true, span{minInstant, maxInstant}
		}
	}()
	for i := a; i < b && c.timed(); i++ {
		d.span.add(c.timeOf(s, i))
	}
}

func (c *config[E]) folders() []folder {
	if l := c.rollups.Load(); l != nil {
		return *l
	}
	return nil
}

// retains reports whether some rollup outlives its events.
func (c *config[E]) retains() bool { return c.retain() > 0 }

// retain returns the longest retention of the rollups.
func (c *config[E]) retain() time.Duration {
	var d time.Duration
	for _, f := range c.folders() {
		d = max(d, f.retain())
	}
	return d
}
