//go:build !explore

package core

import "time"

// tally is an aggregate that shows which events it has and in which order they came.
type tally struct {
	n, sum      uint64
	first, last uint64
}

func (t *tally) merge(o *tally) {
	if o.n == 0 {
		return
	}
	if t.n == 0 {
		t.first = o.first
	}
	t.n, t.sum, t.last = t.n+o.n, t.sum+o.sum, o.last
}

func tallyMonoid[E any](id func(*E) uint64) Monoid[E, tally] {
	return Monoid[E, tally]{
		Zero: func() tally { return tally{} },
		Add: func(t *tally, e *E) {
			x := id(e)
			t.merge(&tally{1, x, x, x})
		},
		Merge: (*tally).merge,
	}
}

func tallyOf(list []item) (t tally) {
	for _, x := range list {
		t.merge(&tally{1, x.id, x.id, x.id})
	}
	return t
}

// register adds a rollup of retained events and one that outlives them, in some of the stores.
func (m *machine[E]) register() {
	if !m.timed() || m.r.IntN(2) == 0 {
		return
	}
	var err error
	mon := tallyMonoid(func(e *E) uint64 { return m.k.read(e).id })
	m.plain, err = NewRollup(m.s, mon, RollupOptions{Name: "plain"})
	m.expect("NewRollup", err, nil)
	if m.r.IntN(2) == 0 {
		m.kept, err = NewRollup(m.s, mon, RollupOptions{Name: "kept", Retain: 10_000 * time.Hour})
		m.expect("NewRollup with Retain", err, nil)
	}
}

// older returns what left, or is hidden by age, in a range of time; Clear and Purge forget for rollups too.
func (m *machine[E]) older(from, to time.Time) (out []item) {
	now := m.clock.now()
	for _, i := range m.live() {
		p := m.parts[i]
		lo := p.low(now)
		for q := p.clearedTo; q < len(p.log); q++ {
			if at := p.log[q].at; inRange(at, from, to) && (q < lo || p.hidden(q, now)) && !at.Before(p.purgedTo) {
				out = append(out, item{Position{i, p.start + uint64(q)}, p.log[q]})
			}
		}
	}
	return out
}

func (m *machine[E]) purgedAny() bool {
	for _, i := range m.live() {
		if !m.parts[i].purgedTo.IsZero() {
			return true
		}
	}
	return false
}

func (m *machine[E]) checkRollups() {
	m.t.Helper()
	if m.plain == nil {
		return
	}
	all := m.snapshot()
	for k := range 4 {
		from, to := m.moment(all), m.moment(all)
		if k == 0 {
			from, to = time.Time{}, time.Time{}
		}
		var want []item
		for _, x := range all {
			if inRange(x.at, from, to) {
				want = append(want, x)
			}
		}
		a, err := m.plain.Query(from, to)
		if err != nil || !a.Exact() || a.Older != 0 || a.Events != uint64(len(want)) || a.Value != tallyOf(want) {
			m.fatal("rollup in [%v, %v]: %+v, %v, want %+v", from, to, a, err, tallyOf(want))
		}
		if m.kept != nil {
			m.checkKept(from, to, tallyOf(want))
		}
	}
}

// checkKept: the rollup with Retain counts every event that left, unless it says that it cannot decide.
func (m *machine[E]) checkKept(from, to time.Time, events tally) {
	m.t.Helper()
	old := tallyOf(m.older(from, to))
	a, err := m.kept.Query(from, to)
	if err != nil || a.Events != events.n || a.Unfolded+a.Holes != 0 || a.Value.n != a.Events+a.Older ||
		a.Older > old.n || a.Older+a.Undecided < old.n {
		m.fatal("retained rollup in [%v, %v]: %+v, %v, want %+v and older %+v", from, to, a, err, events, old)
	}
	if a.Undecided == 0 && a.Value.sum != events.sum+old.sum {
		m.fatal("retained rollup in [%v, %v]: %+v, want %+v and older %+v", from, to, a, events, old)
	}
	if from.IsZero() && to.IsZero() && !m.purgedAny() && a.Undecided != 0 {
		m.fatal("retained rollup of everything cannot decide: %+v", a)
	}
}
