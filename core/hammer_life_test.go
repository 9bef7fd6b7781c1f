//go:build !explore

package core

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Clear, Purge and partitions that come and go while writers run: every accepted event ends in one column.
func TestHammerClearPurgeRemove(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 300, Partitions: 2, Key: func(e int) string { return string(rune('a' + e%7)) }, Arrival: true})
	var (
		writers, others sync.WaitGroup
		stop            atomic.Bool
		accepted        atomic.Uint64
		rounds          atomic.Int64
	)
	total := pick(40_000, 4_000)
	for range 4 {
		writers.Go(func() {
			for n := 0; n < total || rounds.Load() < int64(pick(150, 30)); n++ {
				if _, err := s.Append(n); err != nil {
					t.Errorf("Append: %v", err)
				}
				accepted.Add(1)
			}
		})
	}
	loop := func(f func()) {
		others.Go(func() {
			for !stop.Load() {
				f()
				rounds.Add(1)
				runtime.Gosched()
			}
		})
	}
	loop(func() { wantError(t, "Clear", s.Clear(), nil) })
	loop(func() { wantError(t, "Purge", s.Purge(time.Now().Add(-time.Millisecond)), nil) })
	loop(func() {
		if l := s.Ledger(); !l.Balanced() {
			t.Errorf("ledger %+v", l)
		}
	})
	for range 2 {
		loop(func() { comeAndGo(t, s, &accepted) })
	}
	writers.Wait()
	stop.Store(true)
	others.Wait()
	mustSync(t, s)
	l := s.Ledger()
	if checkLedger(t, l); l.Appended != accepted.Load() || l.OpenCuts != 0 {
		t.Errorf("%d accepted: %+v", accepted.Load(), l)
	}
}

// comeAndGo appends to a partition of its own while it is being removed.
func comeAndGo(t *testing.T, s *Store[int], accepted *atomic.Uint64) {
	i, err := s.AddPartition(PartitionOptions{Capacity: 20})
	wantError(t, "AddPartition", err, nil)
	var group sync.WaitGroup
	group.Go(func() {
		for n := range 1000 {
			if _, err := s.AppendTo(i, n); err != nil {
				wantError(t, "AppendTo", err, ErrNoPartition)
				return
			}
			accepted.Add(1)
		}
	})
	c := s.Cut(i)
	wantError(t, "RemovePartition", s.RemovePartition(i), nil)
	for range c.All() {
		runtime.Gosched()
	}
	c.Close()
	group.Wait()
	_, err = s.AppendTo(i, 0)
	wantError(t, "AppendTo a removed partition", err, ErrNoPartition)
	wantError(t, "RemovePartition again", s.RemovePartition(i), ErrNoPartition)
}

// Close against appends: an append says ErrClosed or its event counts; nothing is accepted after Close returned.
func TestHammerClose(t *testing.T) {
	for range pick(300, 40) {
		s := mustNew(t, Options[int]{Capacity: 50})
		lanes := mustNew(t, Options[int]{Capacity: 50, Lanes: 2})
		var group sync.WaitGroup
		var accepted, acceptedLanes atomic.Uint64
		for range 4 {
			group.Go(func() {
				closed := 0
				for n := 0; closed < 2; n++ {
					closed = 0
					for k, x := range []*Store[int]{s, lanes} {
						_, err := x.Append(n)
						switch {
						case errors.Is(err, ErrClosed):
							closed++
						case err != nil:
							t.Errorf("Append: %v", err)
						case k == 0:
							accepted.Add(1)
						default:
							acceptedLanes.Add(1)
						}
					}
				}
			})
		}
		for range 2 {
			group.Go(func() { wantError(t, "Close", errors.Join(s.Close(), lanes.Close()), nil) })
		}
		group.Wait()
		for x, want := range map[*Store[int]]uint64{s: accepted.Load(), lanes: acceptedLanes.Load()} {
			l := x.Ledger()
			if checkLedger(t, l); l.Appended != want {
				t.Fatalf("%d accepted: %+v", want, l)
			}
		}
	}
}

// A reader that never ends costs fresh segments for the collector, and keeps its own events only.
func TestEndlessReaderKeepsOnlyItsOwn(t *testing.T) {
	type big [128]byte
	const capacity = 4096
	s := mustNew(t, Options[big]{Capacity: capacity})
	fill := func(laps int) {
		for n := range laps * capacity {
			if _, err := s.Append(big{byte(n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(3)
	held := s.Cut()
	want, err := held.View().Copy()
	wantError(t, "Copy", err, nil)
	before := heapNow()
	fill(pick(100, 20))
	l := s.Ledger()
	if l.OpenCuts != 1 {
		t.Errorf("%d open cuts, want 1", l.OpenCuts)
	}
	if grown := heapNow() - before; grown > 2*capacity*128 {
		t.Errorf("heap grew by %d bytes under an open cut", grown)
	}
	if unit := uint64(capacity / 4); l.SegmentsFresh > 4*capacity/unit+32 {
		t.Errorf("%d fresh segments: reuse stopped under an open cut", l.SegmentsFresh)
	}
	got, err := held.View().Copy()
	wantError(t, "Copy", err, nil)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("event %d of the open cut changed", i)
		}
	}
	held.Close()
	if l := s.Ledger(); l.OpenCuts != 0 {
		t.Errorf("%d open cuts after Close", l.OpenCuts)
	}
}

// heapNow returns the live heap. A second collection frees what finalizers and pools held on to.
func heapNow() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Leaked cuts are visible and harm nothing else.
func TestLeakedCutsAreCounted(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 100})
	for n := range 50 {
		for i := range 200 {
			mustAppend(t, s, i)
		}
		s.Cut() // never closed
		l := s.Ledger()
		if checkLedger(t, l); l.OpenCuts != n+1 || l.Visible != 100 {
			t.Fatalf("after %d leaked cuts: %+v", n+1, l)
		}
	}
}
