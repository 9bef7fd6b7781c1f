package core

import "time"

// holeAttempts is how often a cut looks again at an unpublished slot before it leaves it out: a writer is rarely
// between reservation and publication for longer than a few nanoseconds.
const holeAttempts = 8

// A slice of one partition as a cut sees it: offsets [lo, hi), pinned from segment first to segment last.
type section[E any] struct {
	p           *partition[E]
	pin         *hazard
	first, last *segment[E]
	from        *segment[E] // every slot in [lo, from.base) is published
	lo, hi      uint64
	reserved    uint64
	resolved    bool
	floor       instant // events below it are hidden
	limited     bool    // floor is set
}

// open pins the partition as of now: constant time, no allocation, no waiting. The order of the loads is the proof:
// everything loaded after pin is protected by it, and the watermark and the floor are loaded before the tail, so that lo
// is not below what they knew.
func (c *section[E]) open(p *partition[E], flag uint64) {
	h := p.pin()
	f := p.head.Load()
	m := p.hint.Load()
	capacity := p.cap.Load() // behind the head and the watermark, before the floor: see resize
	floor := p.floor.Load()
	t := p.tail.Load()
	r := t.reserved(t.resv.Load())
	lo := floor
	if r > capacity {
		lo = max(lo, r-capacity)
	}
	h.narrow(f.id.Load(), t.id.Load(), flag)            // newer segments may be reused although this cut stays open
	c.p, c.pin, c.first, c.last, c.from = p, h, f, t, m // c is fresh; assigning all of it would cost as much as a pin
	c.lo, c.hi, c.reserved = lo, r, r
}

func (c *section[E]) close() {
	if c.pin != nil {
		c.pin.release()
		c.pin, c.first, c.last, c.from, c.lo, c.hi = nil, nil, nil, nil, 0, 0
	}
}

// resolve fixes hi to the first unpublished offset.
func (c *section[E]) resolve() {
	if c.resolved || c.pin == nil {
		return
	}
	c.resolved = true
	for s := c.from; ; s = s.next.Load() {
		base, end := c.bounds(s)
		if end > c.lo {
			a := max(base, c.lo) - base
			k := s.hole(a, end-base)
			for range holeAttempts {
				if k == end-base {
					break
				}
				k = s.hole(k, end-base)
			}
			if k < end-base {
				c.hi = base + k
				break
			}
		}
		if s == c.last {
			break
		}
	}
	if most := c.p.maxBytes.Load(); most > 0 {
		c.dropBytes(most)
	}
}

// bounds returns the offsets [base, end) that segment s holds for this cut.
func (c *section[E]) bounds(s *segment[E]) (base, end uint64) {
	if s == c.last {
		return s.base.Load(), c.reserved
	}
	return s.base.Load(), s.next.Load().base.Load()
}

// segments yields the part of each segment that lies in [lo, hi).
func (c *section[E]) segments(yield func(piece[E]) bool) {
	if c.pin == nil {
		return
	}
	if c.resolve(); c.lo >= c.hi {
		return
	}
	for s := c.first; ; s = s.next.Load() {
		base, end := c.bounds(s)
		if end > c.lo && base < c.hi {
			if !yield(piece[E]{c, s, max(base, c.lo) - base, min(end, c.hi) - base}) {
				return
			}
		}
		if s == c.last || end >= c.hi {
			return
		}
	}
}

// limit takes the partition's time floor as of now.
func (c *section[E]) limit(now func() time.Time) {
	if c.p.maxAge.Load() > 0 || c.p.purgedTo.Load() != nil {
		c.floor, c.limited = c.p.timeFloor(now)
	}
}

// visible counts the events of the section that are not below the time floor.
func (c *section[E]) visible() (n uint64) {
	if c.resolve(); !c.limited {
		return c.hi - c.lo
	}
	for x := range c.segments {
		if w, ok := c.spanOf(x.s); ok && !w.min.before(c.floor) {
			n += x.b - x.a
			continue
		}
		for i := x.a; i < x.b; i++ {
			if !c.hidden(x.s, i) {
				n++
			}
		}
	}
	return n
}

// hidden reports whether a slot's event is below the time floor; one whose time selector panics is not.
func (c *section[E]) hidden(s *segment[E], i uint64) bool {
	t, ok := c.p.timeIfLimited(s, i, c.limited)
	return ok && t.before(c.floor)
}
