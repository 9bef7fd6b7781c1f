//go:build !explore

package core_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestParity07Case46_Clear(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 40, Partitions: 2})
	_, err := s.AppendBatchTo(0, parityRange(0, 50))
	parityMust(t, err)
	_, err = s.AppendTo(1, 7)
	parityMust(t, err)
	for range 2 { // clearing an empty store is fine
		parityMust(t, s.Clear())
		if !s.Empty() || s.Full() || s.Len() != 0 || s.Stats().Visible != 0 {
			t.Fatal("not empty")
		}
		l := parityLedger(t, s, 51)
		paritySame(t, "cleared", l.Cleared, 21)
		paritySame(t, "discarded", l.Discarded, 30)
	}
	_, err = s.AppendBatchTo(0, parityRange(0, 50))
	parityMust(t, err)
	paritySame(t, "after reuse", parityContent(t, s), parityRange(30, 50))
	parityLedger(t, s, 101)
}

// parityAppendWhile appends 0, 1, … from several goroutines while other runs, and returns how many.
func parityAppendWhile(t *testing.T, s *core.Store[int], other func()) int {
	t.Helper()
	var stop atomic.Bool
	var appended atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := 0; i < 200 || !stop.Load(); i++ {
				if _, err := s.Append(i); err != nil {
					t.Error(err)
					return
				}
				appended.Add(1)
			}
		})
	}
	other()
	stop.Store(true)
	wg.Wait()
	return int(appended.Load())
}

func TestParity07Case46_ClearUnderWriters(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 100})
	appended := parityAppendWhile(t, s, func() {
		for range 300 {
			parityMust(t, s.Clear())
		}
	})
	parityMust(t, s.Clear())
	paritySame(t, "length after the last Clear", s.Len(), 0)
	for i := range 150 {
		parityAppend(t, s, i)
		paritySame(t, "length", s.Len(), min(i+1, 100))
	}
	parityLedger(t, s, appended+150)
}

func TestParity07Case47_Purge(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 100, Partitions: 2, Time: parityTime})
	for i, age := range []time.Duration{2 * time.Hour, 30 * time.Minute, 10 * time.Minute} {
		_, err := s.AppendTo(i%2, parityEvent{N: i, At: parityT0.Add(-age)})
		parityMust(t, err)
	}
	parityMust(t, s.Purge(parityT0.Add(-time.Hour)))
	paritySame(t, "partition 0", parityNumbers(parityContent(t, s, 0)), []int{2})
	paritySame(t, "partition 1", parityNumbers(parityContent(t, s, 1)), []int{1})
	l := parityLedger(t, s, 3)
	paritySame(t, "purged or about to be", l.Purged+l.Hidden, 1)
	_, err := s.AppendTo(0, parityEvent{At: parityT0.Add(-2 * time.Hour)}) // late: invisible at once
	parityMust(t, err)
	paritySame(t, "length", s.Len(), 2)
	parityLedger(t, s, 4)

	timeless := parityStore(t, core.Options[int]{})
	if err := timeless.Purge(parityT0); !errors.Is(err, core.ErrNoTime) {
		t.Fatal(err)
	}
	parityLedger(t, timeless, 0)
}

func TestParity07Case47_PurgeMany(t *testing.T) {
	parityPurgeMany(t, 20_000)
}

// parityPurgeMany purges every second of n events, in place.
func parityPurgeMany(t *testing.T, n int) {
	t.Helper()
	s := parityStore(t, core.Options[parityEvent]{Capacity: 4 * n, Partitions: 4, Time: parityTime})
	old, young := parityT0.Add(-time.Hour), parityT0
	var want [4][]int
	for i := range 2 * n {
		e := parityEvent{N: i, At: old}
		if i%8 < 4 {
			e.At = young
			want[i%4] = append(want[i%4], i)
		}
		_, err := s.AppendTo(i%4, e)
		parityMust(t, err)
	}
	for range 2 {
		parityMust(t, s.Purge(young))
		for p := range 4 {
			paritySame(t, fmt.Sprint("partition ", p), parityNumbers(parityContent(t, s, p)), want[p])
		}
		paritySame(t, "length", s.Len(), n)
		paritySame(t, "appended ever", s.Stats().Appended, uint64(2*n))
	}
	l := parityLedger(t, s, 2*n)
	paritySame(t, "purged or about to be", l.Purged+l.Hidden, uint64(n))
}

func TestParity07Case48_TotalsAndRate(t *testing.T) {
	var clock parityClock
	s := parityStore(t, core.Options[int]{Capacity: 100, Clock: clock.now})
	st := s.Stats()
	if st.Appended != 0 || st.Rate != 0 || !st.LastAppend.IsZero() {
		t.Fatalf("new: %+v", st)
	}
	parityAppend(t, s, 1)
	paritySync(t, s)
	paritySame(t, "last append", s.Stats().LastAppend, clock.now())
	for range 50 { // 500 a second
		clock.advance(100 * time.Millisecond)
		parityAppend(t, s, parityRange(0, 50)...)
		paritySync(t, s)
	}
	st = s.Stats()
	if st.Appended != 2501 || math.Abs(st.Rate-500) > 50 || !st.LastAppend.Equal(clock.now()) {
		t.Fatalf("busy: %+v", st)
	}
	last := clock.now()
	for range 30 {
		clock.advance(100 * time.Millisecond)
		paritySync(t, s)
		before := st.Rate
		if st = s.Stats(); st.Rate > before {
			t.Fatalf("idle, and the rate grows from %v to %v", before, st.Rate)
		}
	}
	if st.Rate != 0 || !st.LastAppend.Equal(last) {
		t.Fatalf("idle: %+v", st)
	}
	parityLedger(t, s, 2501)
}

// parityObserved is a store that notes which totals OnStats is told.
func parityObserved(t *testing.T, interval int) (*core.Store[int], *[]uint64) {
	t.Helper()
	calls := new([]uint64)
	s := parityStore(t, core.Options[int]{
		Capacity: 1000, StatsInterval: interval, OnStats: func(st core.Stats) { *calls = append(*calls, st.Appended) },
	})
	return s, calls
}

func TestParity07Case49_OnStats(t *testing.T) {
	s, calls := parityObserved(t, 1)
	parityAppend(t, s, 1, 2, 3)
	paritySame(t, "every append", *calls, []uint64{1, 2, 3})
	parityLedger(t, s, 3)
	for _, n := range []int{6, 8} {
		s, calls := parityObserved(t, n)
		parityAppend(t, s, parityRange(1, n)...)
		paritySame(t, "before the interval", len(*calls), 0)
		parityAppend(t, s, n)
		paritySame(t, "at the interval", *calls, []uint64{uint64(n)})
		parityAppend(t, s, parityRange(0, n)...)
		paritySame(t, "at the next", *calls, []uint64{uint64(n), uint64(2 * n)})
		parityLedger(t, s, 2*n)
	}
	s, calls = parityObserved(t, 10)
	_, err := s.AppendBatch(parityRange(0, 9))
	parityMust(t, err)
	_, err = s.AppendBatch(parityRange(0, 25))
	parityMust(t, err)
	paritySame(t, "a batch across the border", *calls, []uint64{34})
	parityLedger(t, s, 34)
}

func TestParity07Case49_OnStatsPanics(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 5, OnStats: func(core.Stats) { panic("no") }})
	parityAppend(t, s, parityRange(0, 8)...)
	paritySame(t, "content", parityContent(t, s), parityRange(3, 8))
	paritySame(t, "panics", s.Stats().Panics, 8)
	parityLedger(t, s, 8)
}

func TestParity07Case50_Counters(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 3})
	for i := range 5 {
		parityAppend(t, s, parityEvent{N: i})
	}
	paritySame(t, "discarded", s.Stats().Discarded, 2)
	size := uint64(reflect.TypeFor[parityEvent]().Size())
	parityContent(t, s)
	paritySame(t, "bytes of a snapshot", s.Stats().BytesCopied, 3*size)
	c := s.Cut()
	defer c.Close()
	_, err := c.View().CopyTo(make([]parityEvent, 2))
	parityMust(t, err)
	parityMust(t, c.View().EachChunk(2, func([]parityEvent) bool { return true }))
	paritySame(t, "bytes of all copies", s.Stats().BytesCopied, (3+2+3)*size)
	parityLedger(t, s, 5)
}

func TestParity07Case51_StatsText(t *testing.T) {
	var clock parityClock
	s := parityStore(t, core.Options[int64]{Capacity: 3, Clock: clock.now})
	parityAppend(t, s, 1, 2, 3, 4)
	parityContent(t, s)
	paritySame(t, "text", s.Stats().String(), "Stats(Appended: 4, Discarded: 1, BytesCopied: 24, Rate: 0.0/s)")
	parityLedger(t, s, 4)
}

func TestParity07Case66_IdleRollupChangesNoAppend(t *testing.T) {
	plain := parityStore(t, core.Options[parityEvent]{Capacity: 3000, Time: parityTime})
	rolled, _, _ := parityWindow(t, 3000, core.RollupOptions{})
	next := 0
	for size := 1; size < 5000; size = size*3 + 1 {
		var batch []parityEvent
		for range size {
			batch = append(batch, parityEvent{N: next, At: parityT0.Add(time.Duration(next))})
			next++
		}
		a, err1 := plain.AppendBatch(batch)
		b, err2 := rolled.AppendBatch(batch)
		parityMust(t, errors.Join(err1, err2))
		paritySame(t, "batch", b, a)
		paritySame(t, "content", parityContent(t, rolled), parityContent(t, plain))
	}
	for _, s := range []*core.Store[parityEvent]{plain, rolled} {
		const runs = 20_000
		if n := testing.AllocsPerRun(runs, func() { parityAppend(t, s, parityEvent{At: parityT0}) }); n >= 1 {
			t.Errorf("%v allocations per append", n)
		}
		parityLedger(t, s, next+runs+1)
	}
}

func TestParity07Case71_StableCapture(t *testing.T) {
	parityStableCapture(t, 512, 5)
}

// parityStableCapture cuts a partition again and again while a Producer laps it.
func parityStableCapture(t *testing.T, capacity, laps int) {
	t.Helper()
	s := parityStore(t, core.Options[int]{Capacity: capacity})
	w, err := s.Producer(0)
	parityMust(t, err)
	total := capacity * laps * 20
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range total {
			if _, err := w.Append(i); err != nil {
				t.Error(err)
			}
		}
	})
	for version := uint64(0); version < uint64(total); {
		c := s.Cut()
		content := parityCopy(t, c.View())
		first, next, err := c.Bounds(0)
		parityMust(t, err)
		n := uint64(len(content))
		if n > uint64(capacity) || next < n || next-first != n || next < version {
			t.Fatalf("%d events, bounds [%d, %d) after version %d", n, first, next, version)
		}
		paritySame(t, "captured", content, parityRange(int(first), int(next)))
		paritySame(t, "captured again", parityCopy(t, c.View()), content)
		version = next
		c.Close()
	}
	wg.Wait()
	parityMust(t, w.Close())
	parityLedger(t, s, total)
}

func TestParity07Case73_ExplicitPlacementStays(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 3000, Partitions: 3, Key: parityKey, Time: parityTime})
	appended := 0
	check := func() {
		t.Helper()
		c := s.Cut()
		defer c.Close()
		for pos, e := range c.All() {
			paritySame(t, "partition", pos.Partition, e.N%3)
		}
	}
	for round := range 40 {
		for p := range 3 {
			e := parityEvent{Key: "k", N: p, At: parityT0.Add(time.Duration(round) * time.Second)}
			_, err1 := s.AppendTo(p, e)
			_, err2 := s.AppendBatchTo(p, []parityEvent{e, e, e})
			_, err3 := s.AppendBatchTo(p, parityHundred(e))
			parityMust(t, errors.Join(err1, err2, err3))
			appended += 104
		}
		check()
		parityMust(t, s.Purge(parityT0.Add(time.Duration(round-3)*time.Second)))
		check()
	}
	parityLedger(t, s, appended)
}

func parityHundred(e parityEvent) []parityEvent {
	list := make([]parityEvent, 100)
	for i := range list {
		list[i] = e
	}
	return list
}
