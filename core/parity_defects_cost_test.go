//go:build !explore

package core_test

import (
	"math"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/ephemera-go/ephemera/core"
)

func TestDefectD27_RateIsARate(t *testing.T) {
	var clock parityClock
	s := parityStore(t, core.Options[int]{Capacity: 100, Clock: clock.now})
	for range 3600 { // ten a second for an hour
		clock.advance(time.Second)
		if _, err := s.AppendBatch(parityRange(0, 10)); err != nil {
			t.Fatal(err)
		}
		paritySync(t, s)
	}
	if rate := s.Stats().Rate; math.Abs(rate-10) > 1 {
		t.Fatalf("10 a second for an hour: %v", rate)
	}
	clock.advance(10 * time.Second)
	paritySame(t, "after ten idle seconds", s.Stats().Rate, 0)
	parityLedger(t, s, 36_000)
}

// parityGate blocks whoever passes while it is shut.
type parityGate struct {
	shut    atomic.Bool
	entered chan struct{}
	open    chan struct{}
}

func newParityGate() *parityGate {
	return &parityGate{entered: make(chan struct{}, 1), open: make(chan struct{})}
}

func (g *parityGate) pass() {
	if g.shut.Load() {
		select {
		case g.entered <- struct{}{}:
		default:
		}
		<-g.open
	}
}

// While a sweep hangs in the clock or in a callback, appends go on: they share neither with it.
func TestDefectD28_AppendsShareNothingWithTheRest(t *testing.T) {
	clock, callback := newParityGate(), newParityGate()
	for _, gate := range []*parityGate{clock, callback} {
		s := parityStore(t, core.Options[int]{
			Capacity: 100, Clock: func() time.Time { clock.pass(); return parityT0 },
			OnDiscard: func(core.Position, *int) { callback.pass() },
		})
		gate.shut.Store(true)
		parityAppend(t, s, parityRange(0, 150)...)
		swept := make(chan error)
		go func() { swept <- s.Settle(t.Context()) }()
		<-gate.entered // by that sweep or by the one in the background
		parityAppend(t, s, parityRange(0, 20_000)...)
		b, err := s.AppendBatch(parityRange(0, 5000))
		parityMust(t, err)
		paritySame(t, "appended", b.Appended(), 5000)
		paritySame(t, "content", parityContent(t, s), parityRange(4900, 5000))
		gate.shut.Store(false)
		close(gate.open)
		parityMust(t, <-swept)
		parityLedger(t, s, 25_150)
	}
}

func TestDefectD28_AppendsDoNotAllocate(t *testing.T) {
	const runs = 20_000
	for _, o := range []core.Options[parityEvent]{
		{Capacity: 3000}, {Capacity: 3000, Partitions: 3, Key: parityKey, MaxKeys: 10}, {Capacity: 3000, Time: parityTime},
	} {
		s := parityStore(t, o)
		e := parityEvent{Key: "k", At: parityT0}
		if n := testing.AllocsPerRun(runs, func() { parityAppend(t, s, e) }); n >= 1 {
			t.Errorf("%v allocations per append", n)
		}
		parityLedger(t, s, runs+1)
	}
}

func TestDefectD29_StatsAreThrottledInAFullStore(t *testing.T) {
	s, calls := parityObserved(t, 100)
	parityAppend(t, s, parityRange(0, 5000)...) // four fifths of them discard something
	paritySame(t, "calls", len(*calls), 50)
	for i, total := range *calls {
		paritySame(t, "total", total, uint64(100*(i+1)))
	}
	parityLedger(t, s, 5000)
}

func TestDefectD30_PanickingCallbacks(t *testing.T) {
	s := parityStore(t, core.Options[int]{
		Capacity: 10, OnDiscard: func(core.Position, *int) { panic("discard") }, OnFull: func() { panic("full") },
		OnStats: func(core.Stats) { panic("stats") },
	})
	for i := range 25 {
		pos, err := s.Append(i)
		parityMust(t, err)
		paritySame(t, "position", pos, core.Position{Sequence: uint64(i)})
	}
	paritySync(t, s)
	paritySame(t, "content", parityContent(t, s), parityRange(15, 25))
	paritySame(t, "panics", s.Stats().Panics, 25+15+1)
	l := parityLedger(t, s, 25)
	paritySame(t, "discarded", l.Discarded, 15)
}

func TestDefectD30_AppendingCallback(t *testing.T) {
	const again = 100
	var s *core.Store[int]
	var depth, calls atomic.Int64
	ready := make(chan struct{})
	s = parityStore(t, core.Options[int]{Capacity: 5, OnDiscard: func(_ core.Position, e *int) {
		<-ready
		if depth.Add(1) != 1 {
			t.Error("a callback inside a callback")
		}
		if calls.Add(1) <= again {
			if _, err := s.Append(-1); err != nil {
				t.Error(err)
			}
		}
		depth.Add(-1)
	}})
	close(ready)
	parityAppend(t, s, parityRange(0, 6)...)
	for calls.Load() < again+1 { // each delivery makes the next one necessary
		paritySync(t, s)
	}
	paritySync(t, s)
	paritySame(t, "calls", calls.Load(), again+1)
	parityLedger(t, s, 6+again)
}

func TestDefectD30_FullIsAState(t *testing.T) {
	var calls atomic.Int64
	s := parityStore(t, core.Options[int]{Capacity: 20, Partitions: 2, OnFull: func() { calls.Add(1) }})
	for range 200 { // one partition overflows all the time
		_, err := s.AppendTo(0, 1)
		parityMust(t, err)
	}
	paritySync(t, s)
	paritySame(t, "full", s.Full(), false)
	paritySame(t, "calls", calls.Load(), 0)
	for range 50 {
		_, err := s.AppendTo(1, 1)
		parityMust(t, err)
		paritySync(t, s)
	}
	paritySame(t, "calls", calls.Load(), 1)
	parityLedger(t, s, 250)
}

func TestDefectD33_QueriesAllocateNoCopies(t *testing.T) {
	const n = 100_000
	s := parityStore(t, core.Options[parityEvent]{Capacity: n, Time: parityTime})
	for i := range n {
		parityAppend(t, s, parityEvent{N: i, Value: 1, At: parityT0.Add(time.Duration(i))})
	}
	query := func() {
		c := s.Cut()
		defer c.Close()
		v := c.Where(func(e *parityEvent) bool { return e.N%3 == 0 })
		parityCount(t, v)
		_, err := core.Sum(v, parityValue)
		parityMust(t, err)
		_, err = core.Summarize(c.Between(parityT0, parityT0.Add(n/2)), parityValue)
		parityMust(t, err)
	}
	query() // folds what is folded once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const runs = 10
	for range runs {
		query()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 64<<10 { // the events take 8 MB
		t.Errorf("%d bytes per query", each)
	}
	parityLedger(t, s, n)
}

// parityReferences appends n events and returns weak pointers to what they point to.
func parityReferences(t *testing.T, s *core.Store[*parityEvent], n int) []weak.Pointer[parityEvent] {
	t.Helper()
	list := make([]weak.Pointer[parityEvent], n)
	for i := range list {
		e := &parityEvent{N: i, Key: strconv.Itoa(i)}
		list[i] = weak.Make(e)
		parityAppend(t, s, e)
	}
	return list
}

func TestDefectD33_ClearKeepsNoReferences(t *testing.T) {
	s := parityStore(t, core.Options[*parityEvent]{Capacity: 1000})
	list := parityReferences(t, s, 5000)
	parityMust(t, s.Clear())
	runtime.GC()
	runtime.GC()
	alive := 0
	for _, w := range list {
		if w.Value() != nil {
			alive++
		}
	}
	paritySame(t, "events kept alive by a cleared store", alive, 0)
	parityLedger(t, s, 5000)
}
