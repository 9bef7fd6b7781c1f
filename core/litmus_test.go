//go:build !explore

package core

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Litmus tests in the manner of jcstress: tiny programs run very often, and an outcome that must never be seen.

func litmusRounds() int { return pick(200_000, 10_000) }

// together runs the bodies at once for each round; after looks at the outcome.
func together(rounds int, bodies []func(round int), after func(round int)) {
	starts := make([]atomic.Int64, len(bodies))
	ends := make([]atomic.Int64, len(bodies))
	var group sync.WaitGroup
	for k, f := range bodies {
		group.Go(func() {
			for round := 1; round <= rounds; round++ {
				for starts[k].Load() < int64(round) {
					runtime.Gosched()
				}
				f(round)
				ends[k].Store(int64(round))
			}
		})
	}
	for round := 1; round <= rounds; round++ {
		for k := range bodies {
			starts[k].Store(int64(round))
		}
		for k := range bodies {
			for ends[k].Load() < int64(round) {
				runtime.Gosched()
			}
		}
		after(round)
	}
	group.Wait()
}

// Message passing: who learns a position from another goroutine finds the event and all before it in a new cut.
func TestLitmusMessagePassing(t *testing.T) {
	s := mustNew(t, Options[[2]int]{Capacity: 64})
	var told atomic.Uint64 // sequence + 1
	bad := atomic.Int64{}
	together(litmusRounds(), []func(int){
		func(round int) {
			pos, _ := s.Append([2]int{round, -round})
			told.Store(pos.Sequence + 1)
		},
		func(int) {
			want := told.Load()
			if want == 0 {
				return
			}
			c := s.Cut()
			defer c.Close()
			first, next, _ := c.Bounds(0)
			if next < want {
				bad.Add(1)
			}
			for pos, e := range c.From(Position{0, want - 1}).All() {
				if e[0] != -e[1] || e[0] != int(pos.Sequence)+1 {
					bad.Add(1)
				}
			}
			_ = first
		},
	}, func(int) {})
	if bad.Load() != 0 {
		t.Errorf("%d times the event behind a known position was missing or torn", bad.Load())
	}
}

// Store buffering: two goroutines append to a partition each and then look at the other's. One of them must see it.
func TestLitmusStoreBuffering(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 64, Partitions: 2})
	var saw [2]bool
	body := func(me int) func(int) {
		return func(round int) {
			_, _ = s.AppendTo(me, round)
			c := s.Cut(1 - me)
			_, next, _ := c.Bounds(1 - me)
			saw[me] = next >= uint64(round)
			c.Close()
		}
	}
	bad := 0
	together(litmusRounds(), []func(int){body(0), body(1)}, func(int) {
		if !saw[0] && !saw[1] {
			bad++
		}
	})
	if bad != 0 {
		t.Errorf("%d times neither saw the other's event", bad)
	}
}

// IRIW: two writers on two partitions, two readers: the readers must not see the writes in opposite orders.
func TestLitmusIndependentReads(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 64, Partitions: 2})
	var saw [2][2]bool
	next := func(p, round int) bool {
		c := s.Cut(p)
		defer c.Close()
		_, n, _ := c.Bounds(p)
		return n >= uint64(round)
	}
	reader := func(me int) func(int) {
		return func(round int) { saw[me] = [2]bool{next(me, round), next(1-me, round)} }
	}
	bad := 0
	together(litmusRounds()/2, []func(int){
		func(round int) { _, _ = s.AppendTo(0, round) },
		func(round int) { _, _ = s.AppendTo(1, round) },
		reader(0), reader(1),
	}, func(int) {
		if yes := [2]bool{true, false}; saw[0] == yes && saw[1] == yes {
			bad++
		}
	})
	if bad != 0 {
		t.Errorf("%d times two readers disagreed on the order of two events", bad)
	}
}

// Coherence: a later cut of one goroutine never shows less, at either end.
func TestLitmusCutsGoForward(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 16})
	bad := 0
	var lo, hi uint64
	together(litmusRounds(), []func(int){
		func(round int) { _, _ = s.Append(round) },
		func(round int) { _, _ = s.Append(round) },
		func(int) {
			for range 2 {
				c := s.Cut()
				first, next, _ := c.Bounds(0)
				c.Close()
				if first < lo || next < hi || next-first > 16 {
					bad++
				}
				lo, hi = first, next
			}
		},
	}, func(int) {})
	if bad != 0 {
		t.Errorf("%d times a later cut showed less", bad)
	}
}

// Compare and swap: of two conditional appends on one expectation exactly one succeeds, and the other learns where
// things stand.
func TestLitmusConditionalAppend(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 16})
	var won [2]bool
	var at [2]uint64
	body := func(me int) func(int) {
		return func(round int) {
			pos, err := s.AppendIf(0, uint64(round-1), me)
			won[me], at[me] = err == nil, pos.Sequence
		}
	}
	bad := 0
	together(litmusRounds(), []func(int){body(0), body(1)}, func(round int) {
		for me := range won {
			if won[me] == won[1-me] || won[me] && at[me] != uint64(round-1) || !won[me] && at[me] != uint64(round) {
				bad++
			}
		}
	})
	if bad != 0 {
		t.Errorf("%d times not exactly one of two conditional appends won", bad)
	}
}
