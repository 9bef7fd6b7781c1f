//go:build !explore

package core_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// parityWindow is a store with a rollup over Value and a clock moved by hand.
func parityWindow(t *testing.T, capacity int, o core.RollupOptions) (
	*core.Store[parityEvent], *core.Rollup[parityEvent, core.Summary], *parityClock,
) {
	t.Helper()
	clock := new(parityClock)
	s := parityStore(t, core.Options[parityEvent]{Capacity: capacity, Time: parityTime, Clock: clock.now})
	o.Name = "value"
	r, err := core.NewRollup(s, core.Summaries(parityValue), o)
	parityMust(t, err)
	return s, r, clock
}

// parityLastIs compares the last d of the clock, from the rollup and from a scan, with a count and a sum.
func parityLastIs(
	t *testing.T, s *core.Store[parityEvent], r *core.Rollup[parityEvent, core.Summary], d time.Duration,
	count uint64, sum float64,
) {
	t.Helper()
	a, err := r.Within(d)
	parityMust(t, err)
	c := s.Cut()
	defer c.Close()
	scan, err := core.Summarize(c.Within(d), parityValue)
	parityMust(t, err)
	if a.Value.Count != count || a.Value.Sum != sum || !a.Exact() || scan.Count != count || scan.Sum != sum {
		t.Fatalf("last %v: rollup %+v, scan %+v, want %d events of %v", d, a, scan, count, sum)
	}
}

func TestParity07Case40_NoTime(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 10})
	parityAppend(t, s, parityEvent{Value: 1}, parityEvent{Value: 2})
	parityNoTime(t, s)
	parityLedger(t, s, 2)
}

// parityNoTime checks that everything that needs a time says so, and nothing else does.
func parityNoTime(t *testing.T, s *core.Store[parityEvent]) {
	t.Helper()
	_, err := core.NewRollup(s, core.Summaries(parityValue), core.RollupOptions{Name: "v"})
	c := s.Cut()
	defer c.Close()
	between, last := c.Between(parityT0, parityT0), c.Within(time.Second)
	_, fold := core.Fold(last, 0, func(n int, _ *parityEvent) (int, bool) { return n, true })
	_, group := core.GroupBy(between, func(e *parityEvent) int { return e.N }, func() int { return 0 }, func(*int, *parityEvent) {})
	_, top := core.TopK(between, 1, func(e *parityEvent) int { return e.N }, nil)
	_, count := between.Count()
	_, list := between.Copy()
	chunks := between.EachChunk(1, func([]parityEvent) bool { return true })
	for i, err := range []error{err, s.Purge(parityT0), between.Err(), last.Err(), fold, group, top, count, list, chunks} {
		if !errors.Is(err, core.ErrNoTime) {
			t.Errorf("query %d: %v", i, err)
		}
	}
	sum, err := core.Sum(c.View(), parityValue)
	parityMust(t, err)
	paritySame(t, "sum", sum, 3)
	paritySame(t, "count", parityCount(t, c.Where(func(e *parityEvent) bool { return e.Value > 1 })), 1)
	paritySame(t, "newest", parityCopy(t, c.Newest(1))[0].Value, 2)
}

func TestParity07Case41_AfterALongGap(t *testing.T) {
	const window = 5 * time.Minute
	s, r, clock := parityWindow(t, 100, core.RollupOptions{})
	parityAppend(t, s, parityEvent{Value: 50, At: clock.now()})
	clock.advance(time.Hour)
	now := clock.now()
	parityAppend(t, s, parityEvent{Value: 90, At: now.Add(-window - 1)},
		parityEvent{Value: 2, At: now.Add(-window)}, parityEvent{Value: 4, At: now})
	parityLastIs(t, s, r, window, 2, 6)
	parityLedger(t, s, 4)
}

func TestParity07Case42_SmallAdvance(t *testing.T) {
	const window = 5 * time.Minute
	s, r, clock := parityWindow(t, 100, core.RollupOptions{})
	for i, v := range []float64{7, 1, 3} { // at minutes 0, 2, 4
		parityAppend(t, s, parityEvent{Value: v, At: parityT0.Add(time.Duration(i) * 2 * time.Minute)})
	}
	clock.advance(window)
	parityLastIs(t, s, r, window, 3, 11)
	clock.advance(1)
	parityLastIs(t, s, r, window, 2, 4) // minute 0 has left
	clock.advance(time.Minute - 1)
	parityAppend(t, s, parityEvent{Value: 4, At: clock.now()})
	parityLastIs(t, s, r, window, 3, 8)
	parityBuckets(t, s, r, parityT0, parityT0.Add(7*time.Minute-1), time.Minute)
	parityLedger(t, s, 4)
}

// parityBuckets compares a series with plain recomputation over what a cut shows.
func parityBuckets(
	t *testing.T, s *core.Store[parityEvent], r *core.Rollup[parityEvent, core.Summary],
	from, to time.Time, width time.Duration,
) {
	t.Helper()
	series, err := r.Buckets(from, to, width)
	parityMust(t, err)
	content := parityContent(t, s)
	for _, b := range series.Buckets {
		var want core.Summary
		for _, e := range parityInside(content, from, to) {
			if e.At.Truncate(width).Equal(b.Start) {
				want.Add(e.Value)
			}
		}
		if b.Value.Count != want.Count || b.Value.Sum != want.Sum || b.Value.Min != want.Min || b.Value.Max != want.Max {
			t.Fatalf("bucket at %v: %+v, want %+v", b.Start, b.Value, want)
		}
	}
}

// Nothing slides, so nothing advances: buckets are cut out of absolute time by the question.
func TestParity07Case43_BucketsDoNotMove(t *testing.T) {
	s, r, _ := parityWindow(t, 100, core.RollupOptions{})
	to := parityT0.Add(10*time.Minute - 1)
	counts := func() (list []uint64) {
		series, err := r.Buckets(parityT0, to, 5*time.Minute)
		parityMust(t, err)
		for i, b := range series.Buckets {
			paritySame(t, "start", b.Start, parityT0.Add(time.Duration(i)*5*time.Minute))
			list = append(list, b.Value.Count)
		}
		return list
	}
	paritySame(t, "before any event", counts(), []uint64{0, 0})
	for i, step := range []struct {
		at   time.Duration
		want []uint64
	}{
		{0, []uint64{1, 0}}, {0, []uint64{2, 0}}, // the same moment twice
		{5*time.Minute - 1, []uint64{3, 0}}, {5 * time.Minute, []uint64{3, 1}}, // both sides of a border
		{7 * time.Minute, []uint64{3, 2}}, {time.Hour, []uint64{3, 2}}, // part of a window, more than one
	} {
		parityAppend(t, s, parityEvent{At: parityT0.Add(step.at)})
		paritySame(t, fmt.Sprint("after event ", i), counts(), step.want)
	}
	parityLedger(t, s, 6)
}

// parityModel recomputes what a store with one partition has to show.
type parityModel struct {
	t        *testing.T
	s        *core.Store[parityEvent]
	value, n *core.Rollup[parityEvent, core.Summary]
	since    []parityEvent // since the last Clear
	floor    time.Time     // of Purge
	appended int
}

func newParityModel(t *testing.T, capacity int) *parityModel {
	s, r, _ := parityWindow(t, capacity, core.RollupOptions{})
	n, err := core.NewRollup(s, core.Summaries(parityNumber), core.RollupOptions{Name: "n"})
	parityMust(t, err)
	return &parityModel{t: t, s: s, value: r, n: n}
}

// append stores size events from a moment on, with some of them late.
func (m *parityModel) append(size int, at time.Time) {
	m.t.Helper()
	var batch []parityEvent
	for i := range size {
		late := time.Duration(i%7) * 11 * time.Second
		batch = append(batch, parityEvent{N: m.appended + i, Value: float64((m.appended + i) % 31), At: at.Add(-late)})
	}
	b, err := m.s.AppendBatch(batch)
	parityMust(m.t, err)
	paritySame(m.t, "appended", b.Appended(), size)
	m.since, m.appended = append(m.since, batch...), m.appended+size
}

func (m *parityModel) check(from, to time.Time) {
	m.t.Helper()
	var kept []parityEvent
	for _, e := range parityLast(m.since, m.s.Capacity()) {
		if !e.At.Before(m.floor) {
			kept = append(kept, e)
		}
	}
	paritySame(m.t, "content", parityNumbers(parityContent(m.t, m.s)), parityNumbers(kept))
	var value, n core.Summary
	for _, e := range parityInside(kept, from, to) {
		value.Add(e.Value)
		n.Add(float64(e.N))
	}
	a, err1 := m.value.Query(from, to)
	b, err2 := m.n.Query(from, to)
	parityMust(m.t, errors.Join(err1, err2))
	if a.Value.Count != value.Count || a.Value.Sum != value.Sum || b.Value.Sum != n.Sum || b.Value.Max != n.Max || !a.Exact() {
		m.t.Fatalf("%v to %v: %+v and %+v, want %+v and %+v", from, to, a, b, value, n)
	}
	parityBuckets(m.t, m.s, m.value, from, to, time.Minute)
}

func TestParity07Case44_RollupsAgreeWithScans(t *testing.T) {
	m := newParityModel(t, 2500)
	at := parityT0
	for i, size := range []int{1, 2, 31, 32, 33, 64, 100, 1023, 1024, 1025, 3000, 5, 500, 1, 800} {
		at = at.Add(time.Duration(1+i%3*4) * 37 * time.Second) // also jumps over several buckets
		m.append(size, at)
		m.check(at.Add(-3*time.Minute), at.Add(-1))
		m.check(at.Add(-40*time.Second), at)
		m.check(at.Truncate(time.Minute).Add(-2*time.Minute), at.Truncate(time.Minute).Add(time.Minute))
		switch i {
		case 4, 11:
			parityMust(t, m.s.Clear())
			m.since = nil
			m.check(parityT0, at)
		case 8, 12:
			m.floor = at.Add(-30 * time.Second)
			parityMust(t, m.s.Purge(m.floor))
			m.check(parityT0, at)
		}
	}
	parityLedger(t, m.s, m.appended)
}

func TestParity07Case45_LateAndFutureEvents(t *testing.T) {
	const window = 5 * time.Minute
	s, r, clock := parityWindow(t, 1000, core.RollupOptions{})
	clock.advance(time.Hour)
	now := clock.now()
	parityAppend(t, s, parityEvent{Value: 1, At: now}, parityEvent{Value: 2, At: now.Add(-3 * time.Minute)})
	parityLastIs(t, s, r, window, 2, 3)
	parityBuckets(t, s, r, now.Add(-window), now, time.Minute) // the late one is in its own bucket
	parityAppend(t, s, parityEvent{Value: 100, At: now.Add(-30 * time.Minute)})
	parityLastIs(t, s, r, window, 2, 3)
	paritySame(t, "a scan sees all", s.Len(), 3)
	parityAppend(t, s, parityEvent{Value: 1000, At: now.AddDate(100, 0, 0)}, parityEvent{Value: 4, At: now.Add(-time.Second)})
	a, err := r.Query(now.Add(-window), now)
	parityMust(t, err)
	paritySame(t, "with a clock that is wrong by a century", a.Value.Sum, 7)
	clock.advance(time.Second)
	parityAppend(t, s, parityEvent{Value: 8, At: clock.now()})
	a, err = r.Query(now.Add(-window), clock.now())
	parityMust(t, err)
	paritySame(t, "later", a.Value.Sum, 15)
	parityLedger(t, s, 6)
}

func TestParity07Case70_LastSecondsAndIdle(t *testing.T) {
	s, r, clock := parityWindow(t, 400, core.RollupOptions{})
	var events []parityEvent
	for i := range 600 { // ten a second
		clock.advance(100 * time.Millisecond)
		e := parityEvent{Value: float64(i * 7 % 101), At: clock.now()}
		events = append(events, e)
		parityAppend(t, s, e)
		five, err1 := r.Within(5 * time.Second)
		ten, err2 := r.Within(10 * time.Second)
		parityMust(t, errors.Join(err1, err2))
		highest := math.Inf(-1)
		for _, e := range parityInside(events, clock.now().Add(-10*time.Second), clock.now()) {
			highest = max(highest, e.Value)
		}
		want := len(parityInside(events, clock.now().Add(-5*time.Second), clock.now()))
		if five.Value.Count != uint64(want) || ten.Value.Max != highest || !five.Exact() || !ten.Exact() {
			t.Fatalf("after %d: %+v and %+v, want %d and %v", i+1, five, ten, want, highest)
		}
	}
	clock.advance(5 * time.Second)
	parityLastIs(t, s, r, 5*time.Second, 1, events[599].Value)
	clock.advance(1)
	parityLastIs(t, s, r, 5*time.Second, 0, 0)
	clock.advance(time.Hour)
	parityLastIs(t, s, r, 10*time.Second, 0, 0)
	parityLedger(t, s, 600)
}

// What has left the store is still counted, by whole segments, and the answer says what it could not decide.
func TestParity07Case70_LongerThanTheStore(t *testing.T) {
	s, r, clock := parityWindow(t, 64, core.RollupOptions{Retain: time.Hour})
	for i := range 1000 {
		clock.advance(time.Second)
		parityAppend(t, s, parityEvent{Value: float64(i), At: clock.now()})
		paritySync(t, s)
		a, err := r.Within(5 * time.Minute)
		parityMust(t, err)
		want := uint64(min(i+1, 301))
		if a.Value.Count != a.Events+a.Older || a.Value.Count > want || a.Value.Count+a.Undecided < want {
			t.Fatalf("after %d: %+v, want %d", i+1, a, want)
		}
		if a.Value.Max != float64(i) || a.Exact() && a.Value.Count != want {
			t.Fatalf("after %d: %+v, want %d", i+1, a, want)
		}
	}
	all, err := r.Query(time.Time{}, time.Time{})
	parityMust(t, err)
	if all.Value.Count != 1000 || all.Events != 64 || all.Older != 936 || !all.Exact() || all.Value.Sum != 999*500 {
		t.Fatalf("everything: %+v", all)
	}
	clock.advance(2 * time.Hour)
	paritySync(t, s)
	all, err = r.Query(time.Time{}, time.Time{})
	parityMust(t, err)
	if all.Older > 64 { // only what may still stand in segments that the store shares with it
		t.Fatalf("after its retention: %+v", all)
	}
	parityLedger(t, s, 1000)
}
