//go:build !explore

package core_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// parityFour spreads events over four partitions in turn.
func parityFour(t *testing.T, values ...float64) *core.Store[parityEvent] {
	t.Helper()
	s := parityStore(t, core.Options[parityEvent]{Capacity: 400, Partitions: 4, Time: parityTime})
	for i, v := range values {
		_, err := s.AppendTo(i%4, parityEvent{N: i, Value: v, At: parityT0.Add(time.Duration(i) * time.Second)})
		parityMust(t, err)
	}
	return s
}

func TestParity07Case29_CountInWindow(t *testing.T) {
	var clock parityClock
	s := parityStore(t, core.Options[parityEvent]{Capacity: 10, Time: parityTime, Clock: clock.now})
	for _, age := range []time.Duration{5, 3, 1} {
		parityAppend(t, s, parityEvent{At: parityT0.Add(-age * time.Minute)})
	}
	c := s.Cut()
	defer c.Close()
	paritySame(t, "from -4 to -2", parityCount(t, c.Between(parityT0.Add(-4*time.Minute), parityT0.Add(-2*time.Minute))), 1)
	paritySame(t, "last 4", parityCount(t, c.Within(4*time.Minute)), 2)
	parityLedger(t, s, 3)
}

type parityCents int32

// parityFigures compares one numeric type; number makes it of a whole number.
func parityFigures[N core.Number](t *testing.T, number func(float64) N) {
	t.Helper()
	s := parityFour(t, 10, 20, 30)
	c := s.Cut()
	defer c.Close()
	value := func(e *parityEvent) N { return number(e.Value) }
	sum, err1 := core.Sum(c.View(), value)
	some, err2 := core.Sum(c.Where(func(e *parityEvent) bool { return e.Value >= 20 }), value)
	low, err3 := core.Min(c.View(), value)
	high, err4 := core.Max(c.View(), value)
	average, err5 := core.Average(c.View(), value)
	parityMust(t, errors.Join(err1, err2, err3, err4, err5))
	got := []float64{float64(sum), float64(some), float64(low), float64(high), average}
	paritySame(t, fmt.Sprintf("%T", sum), got, []float64{60, 50, 10, 30, 20})
	parityLedger(t, s, 3)
}

func TestParity07Case30_Figures(t *testing.T) {
	parityFigures(t, func(x float64) float64 { return x })
	parityFigures(t, func(x float64) float32 { return float32(x) })
	parityFigures(t, func(x float64) int { return int(x) })
	parityFigures(t, func(x float64) uint8 { return uint8(x) })
	parityFigures(t, func(x float64) parityCents { return parityCents(x) })
}

func TestParity07Case31_AggregateOverPartitions(t *testing.T) {
	s := parityFour(t, 10, 20, 30, 40, 50, 60, 70, 80)
	r, err := core.NewRollup(s, core.Summaries(parityValue), core.RollupOptions{Name: "v"})
	parityMust(t, err)
	c := s.Cut()
	defer c.Close()
	scan, err := core.Summarize(c.View(), parityValue)
	parityMust(t, err)
	rolled, err := r.Query(time.Time{}, time.Time{})
	parityMust(t, err)
	for _, a := range []core.Summary{scan, rolled.Value} {
		average, ok := a.Average()
		got := []float64{float64(a.Count), a.Sum, a.Min, a.Max, average}
		paritySame(t, "aggregate", got, []float64{8, 360, 10, 80, 45})
		paritySame(t, "has an average", ok, true)
	}
	parityLedger(t, s, 8)
}

// parityNothing checks that every query of an empty view says so.
func parityNothing(t *testing.T, v core.View[parityEvent]) {
	t.Helper()
	paritySame(t, "count", parityCount(t, v), 0)
	_, err1 := core.Sum(v, parityValue)
	_, err2 := core.Average(v, parityValue)
	_, err3 := core.Min(v, parityValue)
	_, err4 := core.Max(v, parityValue)
	for _, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, core.ErrNoData) {
			t.Error(err)
		}
	}
	a, err := core.Summarize(v, parityValue)
	parityMust(t, err)
	paritySame(t, "summary", a, core.Summary{})
	if _, ok := a.Average(); ok {
		t.Error("nothing has an average")
	}
	if _, _, ok := v.Span(); ok {
		t.Error("nothing has a span")
	}
	if _, _, ok := v.First(); ok {
		t.Error("nothing has a first event")
	}
}

func TestParity07Case32_EmptyRange(t *testing.T) {
	s := parityFour(t, 1, 2, 3)
	c := s.Cut()
	defer c.Close()
	parityNothing(t, c.Between(parityT0.Add(time.Hour), parityT0.Add(2*time.Hour)))
	parityNothing(t, c.Where(func(*parityEvent) bool { return false }))
	parityLedger(t, s, 3)
}

func TestParity07Case33_InvertedRange(t *testing.T) {
	s := parityFour(t, 1, 2, 3)
	from, to := parityT0.Add(2*time.Second), parityT0
	c := s.Cut()
	defer c.Close()
	parityNothing(t, c.Between(from, to))
	r, err := core.NewRollup(s, core.Summaries(parityValue), core.RollupOptions{Name: "v"})
	parityMust(t, err)
	a, err := r.Query(from, to)
	parityMust(t, err)
	paritySame(t, "rollup", a, core.Answer[core.Summary]{})
	series, err := r.Buckets(from, to, time.Second)
	parityMust(t, err)
	paritySame(t, "buckets", len(series.Buckets), 0)
	parityLedger(t, s, 3)
}

func TestParity07Case34_FoldStops(t *testing.T) {
	s := parityFour(t, 10, 20, 30)
	c := s.Cut()
	defer c.Close()
	seen, err := core.Fold(c.View(), 0, func(n int, e *parityEvent) (int, bool) { return n + 1, e.Value < 20 })
	parityMust(t, err)
	paritySame(t, "seen", seen, 2)
	chunks := 0
	err = c.View().EachChunk(1, func([]parityEvent) bool { chunks++; return false })
	parityMust(t, err)
	paritySame(t, "chunks", chunks, 1)
	parityLedger(t, s, 3)
}

func TestParity07Case35_FindFirst(t *testing.T) {
	s := parityFour(t, 1, 9, 3, 4, 8, 5) // partition 0 holds 1, 8
	c := s.Cut()
	defer c.Close()
	pos, e, ok := c.Where(func(e *parityEvent) bool { return e.Value > 7 }).First()
	if !ok || e.Value != 8 || pos != (core.Position{Partition: 0, Sequence: 1}) {
		t.Fatal(pos, e, ok)
	}
	if _, _, ok := c.Where(func(e *parityEvent) bool { return e.Value > 9 }).First(); ok {
		t.Fatal("found what is not there")
	}
	parityLedger(t, s, 6)
}

func TestParity07Case36_GroupBy(t *testing.T) {
	s := parityFour(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	c := s.Cut()
	defer c.Close()
	added := 0
	groups := func(v core.View[parityEvent]) map[int]int {
		m, err := core.GroupBy(v, func(e *parityEvent) int { return e.N % 3 }, func() int { return 0 },
			func(n *int, _ *parityEvent) { *n++; added++ })
		parityMust(t, err)
		return m
	}
	paritySame(t, "sizes", groups(c.View()), map[int]int{0: 4, 1: 3, 2: 3})
	added = 0
	paritySame(t, "no groups", groups(c.Where(func(*parityEvent) bool { return false })), map[int]int{})
	paritySame(t, "calls for nothing", added, 0)
	top, err := core.TopK(c.View(), 2, func(e *parityEvent) int { return e.N % 3 }, nil)
	parityMust(t, err)
	paritySame(t, "top", len(top), 2)
	paritySame(t, "first of the top", top[0], core.Ranked[int]{Key: 0, Weight: 4, Count: 4})
	parityLedger(t, s, 10)
}

// parityChunks returns the lengths of the chunks and their content.
func parityChunks(t *testing.T, s *core.Store[int], size int) (lengths, content []int) {
	t.Helper()
	c := s.Cut()
	defer c.Close()
	parityMust(t, c.View().EachChunk(size, func(chunk []int) bool {
		lengths, content = append(lengths, len(chunk)), append(content, chunk...)
		return true
	}))
	return lengths, content
}

func TestParity07Case37_Chunks(t *testing.T) {
	for _, x := range []struct {
		events, size int
		want         []int
	}{{10, 4, []int{4, 4, 2}}, {5, 3, []int{3, 2}}, {0, 3, nil}, {4, 4, []int{4}}} {
		s := parityStore(t, core.Options[int]{Capacity: 10})
		parityAppend(t, s, parityRange(0, x.events)...)
		lengths, _ := parityChunks(t, s, x.size)
		paritySame(t, "chunks", lengths, x.want)
		c := s.Cut()
		for _, size := range []int{0, -1} {
			if err := c.View().EachChunk(size, func([]int) bool { return true }); !errors.Is(err, core.ErrArgument) {
				t.Error(size, err)
			}
		}
		c.Close()
		parityLedger(t, s, x.events)
	}
	s := parityStore(t, core.Options[int]{Capacity: 20_000})
	parityAppend(t, s, parityRange(0, 20_000)...)
	_, content := parityChunks(t, s, 4096)
	paritySame(t, "content", content, parityRange(0, 20_000))
	parityLedger(t, s, 20_000)
}

func TestParity07Case38_FilterAlwaysTrue(t *testing.T) {
	for _, n := range []int{1, 16, 4095, 4096, 4097, 50_000} {
		s := parityStore(t, core.Options[int]{Capacity: 50_000})
		want := 0
		for i := range n {
			parityAppend(t, s, i*i%1009)
			want += i * i % 1009
		}
		c := s.Cut()
		value := func(e *int) int { return *e }
		all, err1 := core.Sum(c.View(), value)
		filtered, err2 := core.Sum(c.Where(func(*int) bool { return true }), value)
		parityMust(t, errors.Join(err1, err2))
		paritySame(t, "sum", all, want)
		paritySame(t, "filtered sum", filtered, want)
		c.Close()
		parityLedger(t, s, n)
	}
}

func TestParity07Case39_CustomFold(t *testing.T) {
	s := parityFour(t, 2, 2, 2, 2)
	c := s.Cut()
	defer c.Close()
	product, err := core.Fold(c.View(), 1.0, func(x float64, e *parityEvent) (float64, bool) { return x * e.Value, true })
	parityMust(t, err)
	paritySame(t, "product", product, 16)
	parityLedger(t, s, 4)
}
