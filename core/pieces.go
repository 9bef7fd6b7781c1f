package core

import (
	"container/heap"
	"iter"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// A piece is a run of consecutive matching slots of one segment.
type piece[E any] struct {
	c    *section[E]
	s    *segment[E]
	a, b uint64
}

func (p piece[E]) position() Position {
	return Position{p.c.p.index, p.c.p.start + p.s.base.Load() + p.a}
}

func (p piece[E]) events() []E {
	r := p.s.ev[p.a:p.b:p.b]
	atomicx.ReadingRange(r)
	return r
}

func (p piece[E]) time() instant { return p.c.p.conf.timeOf(p.s, p.a) }

// pieces yields what the view selects, in its order.
func (v View[E]) pieces() iter.Seq[piece[E]] {
	switch sel := v.selected(); {
	case v.err != nil || len(sel) == 0:
		return func(func(piece[E]) bool) {}
	case v.inner != nil:
		return v.last(v.again)
	case len(sel) == 1 && v.newest >= 0:
		return func(yield func(piece[E]) bool) { yieldAll(v.tail(sel[0]), yield) }
	case len(sel) > 1 && v.byTime:
		return v.last(func(yield func(piece[E]) bool) { v.merge(sel, yield) })
	default:
		return func(yield func(piece[E]) bool) {
			for _, c := range sel {
				if !v.walk(c, yield) {
					return
				}
			}
		}
	}
}

// again yields what the view selects of the view inside it.
func (v View[E]) again(yield func(piece[E]) bool) {
	for x := range v.inner.pieces() {
		if v.partition >= 0 && v.partition != x.c.p.index {
			continue
		}
		if !v.match(x, yield) {
			return
		}
	}
}

// last yields the last newest events of pieces, or all of them.
func (v View[E]) last(pieces iter.Seq[piece[E]]) iter.Seq[piece[E]] {
	if v.newest < 0 {
		return pieces
	}
	return func(yield func(piece[E]) bool) {
		var kept []piece[E]
		surplus := -v.newest
		for x := range pieces {
			kept = append(kept, x)
			for surplus += int(x.b - x.a); surplus > 0; {
				n := min(surplus, int(kept[0].b-kept[0].a))
				kept[0].a += uint64(n)
				surplus -= n
				if kept[0].a == kept[0].b {
					kept = kept[1:]
				}
			}
		}
		yieldAll(kept, yield)
	}
}

// selected returns the sections that the view covers.
func (v View[E]) selected() []*section[E] {
	if v.partition >= 0 {
		return []*section[E]{v.cut.section(v.partition)}
	}
	return v.cut.all()
}

// walk yields the matching pieces of one section and reports whether to go on.
func (v View[E]) walk(c *section[E], yield func(piece[E]) bool) bool {
	for x := range c.segments {
		if !v.match(x, yield) {
			return false
		}
	}
	return true
}

// match yields the matching pieces of x and reports whether to go on.
func (v View[E]) match(x piece[E], yield func(piece[E]) bool) bool {
	c, s, a, b := x.c, x.s, x.a, x.b
	if base := s.base.Load(); v.from > base {
		a = max(a, min(b, v.from-base))
	}
	if a >= b {
		return true
	}
	hide, ask := c.limited, v.timed
	if hide || ask {
		if w, ok := c.spanOf(s); ok {
			if hide && w.max.before(c.floor) || ask && w.apart(v.times) {
				return true
			}
			hide = hide && w.min.before(c.floor)
			ask = ask && !w.within(v.times)
		}
	}
	if !hide && !ask && v.where == nil {
		return yield(piece[E]{c, s, a, b})
	}
	test := func(i uint64) bool {
		return !(hide && c.hidden(s, i)) && !(ask && !v.times.holds(c.p.conf.timeOf(s, i))) &&
			(v.where == nil || v.where(&s.ev[i]))
	}
	for i := a; i < b; i++ {
		if !test(i) {
			continue
		}
		from := i
		for i++; i < b && test(i); i++ {
		}
		if !yield(piece[E]{c, s, from, i}) {
			return false
		}
	}
	return true
}

// spanOf returns the time span of a sealed segment, which is cached.
func (c *section[E]) spanOf(s *segment[E]) (span, bool) {
	n, final := s.full()
	if !final || s.done.Load() < n && !s.seal() {
		return span{}, false
	}
	return c.p.conf.digestOf(s, 0, n, 0).span, true
}

// tail returns the pieces of the newest events of one section, oldest first. It reads backwards no further than it
// has to.
func (v View[E]) tail(c *section[E]) []piece[E] {
	var parts []piece[E]
	for x := range c.segments {
		parts = append(parts, x)
	}
	var back []piece[E] // newest first
	left := uint64(v.newest)
	for i := len(parts) - 1; i >= 0 && left > 0; i-- {
		var here []piece[E]
		v.match(parts[i], func(p piece[E]) bool {
			here = append(here, p)
			return true
		})
		for k := len(here) - 1; k >= 0 && left > 0; k-- {
			p := here[k]
			if n := p.b - p.a; n > left {
				p.a = p.b - left
			}
			left -= p.b - p.a
			back = append(back, p)
		}
	}
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	return back
}

func yieldAll[T any](list []T, yield func(T) bool) {
	for _, x := range list {
		if !yield(x) {
			return
		}
	}
}

// merge yields single events of several sections by time, ties by partition.
func (v View[E]) merge(sel []*section[E], yield func(piece[E]) bool) {
	var h cursors[E]
	for _, c := range sel {
		cur := &cursor[E]{}
		v.walk(c, func(p piece[E]) bool { cur.rest = append(cur.rest, p); return true })
		if cur.step() {
			h = append(h, cur)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		p := h[0].at
		if h[0].step() {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
		if !yield(p) {
			return
		}
	}
}

// cursor walks single events of one section.
type cursor[E any] struct {
	rest []piece[E]
	at   piece[E] // one event
	t    instant
}

// step moves to the next event and reports whether there is one.
func (c *cursor[E]) step() bool {
	if len(c.rest) == 0 {
		return false
	}
	p := &c.rest[0]
	c.at = piece[E]{p.c, p.s, p.a, p.a + 1}
	c.t = c.at.time()
	if p.a++; p.a == p.b {
		c.rest = c.rest[1:]
	}
	return true
}

type cursors[E any] []*cursor[E]

func (h cursors[E]) Len() int { return len(h) }
func (h cursors[E]) Less(i, j int) bool {
	if d := h[i].t.compare(h[j].t); d != 0 {
		return d < 0
	}
	return h[i].at.c.p.index < h[j].at.c.p.index
}
func (h cursors[E]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors[E]) Push(x any)   { *h = append(*h, x.(*cursor[E])) }
func (h *cursors[E]) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
