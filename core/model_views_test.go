//go:build !explore

package core

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"time"
)

// item is one event as a view must show it.
type item struct {
	pos Position
	spec
}

// heldCut is a cut that stays open while the store goes on, and what it showed when it was opened.
type heldCut[E any] struct {
	cut  *Cut[E]
	want []item
	pins int
}

// snapshot is what a cut opened now must show.
func (m *machine[E]) snapshot(partitions ...int) (out []item) {
	if len(partitions) == 0 {
		partitions = m.live()
	}
	for _, i := range partitions {
		p := m.parts[i]
		for _, q := range p.visible(m.clock.now()) {
			out = append(out, item{Position{i, p.start + uint64(q)}, p.log[q]})
		}
	}
	return out
}

// compare checks events, their positions and their content.
func (m *machine[E]) compare(what string, runs iter.Seq2[Position, []E], want []item) {
	m.t.Helper()
	n := 0
	for pos, run := range runs {
		if len(run) == 0 {
			m.fatal("%s: empty run at %v", what, pos)
		}
		for i := range run {
			got := item{pos, m.k.read(&run[i])}
			pos.Sequence++
			if n >= len(want) {
				m.fatal("%s: more than %d events: %v", what, len(want), got)
			}
			w := want[n]
			if m.o.Time == nil { // the store takes the time itself
				got.at = w.at
			}
			if got.pos != w.pos || got.id != w.id || got.key != w.key || !got.at.Equal(w.at) || got.size != w.size {
				m.fatal("%s: event %d is %v, want %v", what, n, got, w)
			}
			n++
		}
	}
	if n != len(want) {
		m.fatal("%s: %d events, want %d", what, n, len(want))
	}
}

func (m *machine[E]) openPins() (n int) {
	for _, h := range m.cuts {
		n += h.pins
	}
	return n
}

func (m *machine[E]) opCut() {
	if len(m.cuts) > 6 {
		return
	}
	var which []int
	if m.r.IntN(3) == 0 {
		which = append(which, m.live()[m.r.IntN(len(m.live()))])
	}
	m.note("cut of %v", which)
	h := &heldCut[E]{cut: m.s.Cut(which...), want: m.snapshot(which...), pins: len(which)}
	if h.pins == 0 {
		h.pins = len(m.live())
	}
	m.cuts = append(m.cuts, h)
}

// opCheckCut looks at an old cut again: nothing in it may have changed, whatever was done to the store since.
func (m *machine[E]) opCheckCut() {
	if len(m.cuts) == 0 {
		return
	}
	i := m.r.IntN(len(m.cuts))
	h := m.cuts[i]
	m.note("check cut %d of %d events", i, len(h.want))
	m.compare("held cut", h.cut.Runs(), h.want)
	if h.cut.Len() != len(h.want) || h.cut.Holes() != 0 {
		m.fatal("held cut: len %d, holes %d, want %d, 0", h.cut.Len(), h.cut.Holes(), len(h.want))
	}
	if m.timed() && m.plain != nil {
		a, err := m.plain.On(h.cut, time.Time{}, time.Time{})
		if err != nil || a.Events != uint64(len(h.want)) || a.Value != tallyOf(h.want) {
			m.fatal("rollup on a held cut: %+v, %v, want %+v", a, err, tallyOf(h.want))
		}
	}
	if m.r.IntN(2) == 0 {
		h.cut.Close()
		h.cut.Close()
		for range h.cut.All() {
			m.fatal("closed cut shows an event")
		}
		if h.cut.Len() != 0 || h.cut.Holes() != 0 {
			m.fatal("closed cut has length %d, holes %d", h.cut.Len(), h.cut.Holes())
		}
		m.cuts = slices.Delete(m.cuts, i, i+1)
	}
}

// checkViews compares random selections of a fresh cut with the same done to a slice.
func (m *machine[E]) checkViews() {
	m.t.Helper()
	c := m.s.Cut()
	defer c.Close()
	all := m.snapshot()
	for range 4 {
		m.checkView(c, all)
	}
}

func (m *machine[E]) checkView(c *Cut[E], all []item) {
	m.t.Helper()
	v, want, single := m.narrow(c.View(), slices.Clone(all))
	if len(m.live()) == 1 {
		single = true
	}
	what := m.trace[len(m.trace)-1]
	if m.timed() && m.r.IntN(3) == 0 {
		v = v.ByTime()
		if !single {
			want = mergeByTime(want)
		}
	}
	if n := m.r.IntN(len(all) + 3); m.r.IntN(3) == 0 && (single || m.timed() && !m.mixed) {
		v = v.Newest(n)
		if !single {
			want = mergeByTime(want)
		}
		want = want[max(0, len(want)-n):]
	}
	if err := v.Err(); err != nil {
		m.fatal("%s: %v", what, err)
	}
	m.compare(what, v.Runs(), want)
	m.checkQueries(what, v, want)
}

// narrow restricts a view and a slice alike, and reports whether one partition is left.
func (m *machine[E]) narrow(v View[E], want []item) (View[E], []item, bool) {
	single, what := false, "view"
	keep := func(f func(item) bool) { want = slices.DeleteFunc(want, func(x item) bool { return !f(x) }) }
	now := m.clock.now()
	if m.r.IntN(3) == 0 {
		i := m.live()[m.r.IntN(len(m.live()))]
		v, single, what = v.Partition(i), true, what+".Partition"
		keep(func(x item) bool { return x.pos.Partition == i })
		if p := m.parts[i]; m.r.IntN(2) == 0 {
			q := m.r.IntN(len(p.log) + 3)
			v, what = v.From(Position{i, p.start + uint64(q)}), what+".From"
			keep(func(x item) bool { return x.pos.Sequence-p.start >= uint64(q) })
		}
	}
	if m.timed() && m.r.IntN(2) == 0 {
		from, to := m.moment(want), m.moment(want)
		v, what = v.Between(from, to), what+".Between"
		keep(func(x item) bool { return inRange(x.at, from, to) })
	}
	if m.timed() && m.r.IntN(4) == 0 {
		d := time.Duration(m.r.IntN(200)) * time.Second
		v, what = v.Within(d), what+".Within"
		keep(func(x item) bool { return !x.at.Before(now.Add(-d)) })
	}
	if m.o.Key != nil && m.r.IntN(3) == 0 {
		k := m.r.IntN(13)
		v, what = v.Key(keyName(k)), what+".Key"
		keep(func(x item) bool { return x.key == k })
	}
	for range m.r.IntN(3) {
		d := 1 + m.r.Uint64N(5)
		v, what = v.Where(func(e *E) bool { return m.k.read(e).id%d == 0 }), what+".Where"
		keep(func(x item) bool { return x.id%d == 0 })
	}
	m.note("%s", what)
	return v, want, single
}

func inRange(at, from, to time.Time) bool {
	return (from.IsZero() || !at.Before(from)) && (to.IsZero() || !at.After(to))
}

// moment is often the time of an event, or near it.
func (m *machine[E]) moment(of []item) time.Time {
	switch n := m.r.IntN(8); {
	case n == 0:
		return time.Time{}
	case n == 1 || len(of) == 0:
		return m.clock.now().Add(time.Duration(m.r.IntN(300)-250) * time.Second)
	}
	return of[m.r.IntN(len(of))].at.Add(time.Duration(m.r.IntN(3) - 1))
}

// mergeByTime takes the earliest head of all partitions, ties by partition, again and again.
func mergeByTime(list []item) (out []item) {
	var heads [][]item
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].pos.Partition == list[0].pos.Partition {
			n++
		}
		heads, list = append(heads, list[:n]), list[n:]
	}
	for len(heads) > 0 {
		best := 0
		for i := range heads {
			if heads[i][0].at.Before(heads[best][0].at) {
				best = i
			}
		}
		out = append(out, heads[best][0])
		if heads[best] = heads[best][1:]; len(heads[best]) == 0 {
			heads = slices.Delete(heads, best, best+1)
		}
	}
	return out
}

func (m *machine[E]) checkQueries(what string, v View[E], want []item) {
	m.t.Helper()
	n, err := v.Count()
	copied, err2 := v.Copy()
	dst := make([]E, m.r.IntN(len(want)+2))
	k, err3 := v.CopyTo(dst)
	if err := errors.Join(err, err2, err3); err != nil || n != len(want) || len(copied) != n || k != min(n, len(dst)) {
		m.fatal("%s: count %d, copied %d, copied to %d of %d, %v, want %d", what, n, len(copied), k, len(dst), err, len(want))
	}
	for i := range want {
		if m.k.read(&copied[i]).id != want[i].id || i < k && m.k.read(&dst[i]).id != want[i].id {
			m.fatal("%s: copy %d differs from %v", what, i, want[i])
		}
	}
	pos, e, ok := v.First()
	if ok != (len(want) > 0) || ok && (pos != want[0].pos || m.k.read(e).id != want[0].id) {
		m.fatal("%s: first %v %v", what, pos, ok)
	}
	id := func(e *E) uint64 { return m.k.read(e).id }
	sum, err := Sum(v, id)
	least, err2 := Min(v, id)
	most, err3 := Max(v, id)
	if len(want) == 0 {
		if !errors.Is(err, ErrNoData) || !errors.Is(err2, ErrNoData) || !errors.Is(err3, ErrNoData) {
			m.fatal("%s: empty sum, min, max: %v, %v, %v", what, err, err2, err3)
		}
		return
	}
	w := tallyOf(want)
	lo := slices.MinFunc(want, func(a, b item) int { return cmp.Compare(a.id, b.id) }).id
	hi := slices.MaxFunc(want, func(a, b item) int { return cmp.Compare(a.id, b.id) }).id
	if err := errors.Join(err, err2, err3); err != nil || sum != w.sum || least != lo || most != hi {
		m.fatal("%s: sum %d, min %d, max %d, %v, want %d, %d, %d", what, sum, least, most, err, w.sum, lo, hi)
	}
	groups, err := GroupBy(v, func(e *E) int { return m.k.read(e).key }, func() int { return 0 },
		func(n *int, _ *E) { *n++ })
	for _, x := range want {
		groups[x.key]--
	}
	for key, n := range groups {
		if err != nil || n != 0 {
			m.fatal("%s: group %d is off by %d, %v", what, key, n, err)
		}
	}
}
