//go:build stall && !explore

package atomicx

import (
	"math"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func announce(s *staller, times int) {
	for range times {
		s.announce()
	}
}

// A stall lasts for so many calls by others, and no longer. Those whose turn comes meanwhile go on when enough are
// parked already.
func TestStallLength(t *testing.T) {
	s := &staller{every: 100, length: 250, patience: math.MaxInt, rest: math.MaxInt64, most: 1}
	announce(s, 99)
	var returned atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.announce()
		returned.Store(true)
	}()
	for s.parked.Load() == 0 {
		runtime.Gosched()
	}
	for call := range 249 {
		if s.announce(); returned.Load() {
			t.Fatalf("the stall ended after %d calls, want 250", call+1)
		}
	}
	s.announce()
	<-done
	if n := s.forced.Load(); n != 1 || s.parked.Load() != 0 {
		t.Errorf("%d forced, %d still parked, want 1 and 0", n, s.parked.Load())
	}
	announce(s, 49) // 399 calls so far
	if n := s.forced.Load(); n != 1 {
		t.Errorf("%d forced before the next turn, want 1", n)
	}
}

// The last caller does not wait for calls that nobody will make.
func TestStallEndsAtRest(t *testing.T) {
	for _, s := range []*staller{
		{every: 2, length: math.MaxUint64, patience: 50, rest: math.MaxInt64, most: 4},
		{every: 2, length: math.MaxUint64, patience: math.MaxInt, rest: time.Millisecond, most: 4},
	} {
		announce(s, 10)
		if n := s.forced.Load(); n != 5 || s.parked.Load() != 0 {
			t.Errorf("%d forced, %d still parked, want 5 and 0", n, s.parked.Load())
		}
	}
}

// Both announcements of a write park, a reader's do not, and the profile counts what Stalls counts.
func TestStalls(t *testing.T) {
	text := []string{"a", "b"}
	count := func(f func()) uint64 {
		before := Stalls()
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 20_000 {
					f()
				}
			})
		}
		group.Wait()
		return Stalls() - before
	}
	if n := count(func() { Writing(&text[0]) }); n == 0 {
		t.Error("Writing never parks")
	}
	if n := count(func() { WritingRange(text) }); n == 0 {
		t.Error("WritingRange never parks")
	}
	if n := count(func() { Reading(&text[0]); ReadingRange(text) }); n != 0 {
		t.Errorf("readers were parked %d times", n)
	}
	if n := pprof.Lookup("ephemera.stalls").Count(); uint64(n) != Stalls() {
		t.Errorf("the profile counts %d stalls, want %d", n, Stalls())
	}
}
