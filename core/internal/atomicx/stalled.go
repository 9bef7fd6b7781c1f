//go:build stall && !explore

package atomicx

import (
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

// Reading announces a plain read of *p to the race check of an exploration.
func Reading[T any](*T) {}

// Writing announces a plain write of *p, and now and then parks the caller in front of it. Appends call it between
// reserving a slot and writing it.
func Writing[T any](*T) { process.announce() }

// ReadingRange announces a plain read of every element.
func ReadingRange[T any]([]T) {}

// WritingRange announces a plain write of every element, and parks as Writing does.
func WritingRange[T any]([]T) { process.announce() }

// Stalls returns how many callers were parked so far.
func Stalls() uint64 { return process.forced.Load() }

// process parks the callers of Writing and WritingRange. The profile lets tests of other modules, which may not import
// this package, count the stalls by name.
var process = staller{
	every: 30_011, length: 200_000, patience: 2_000, rest: 100 * time.Millisecond, most: 4,
	profile: pprof.NewProfile("ephemera.stalls"),
}

// A staller parks one in so many callers of announce, the way a preempted goroutine stands still.
type staller struct {
	every    uint64        // a prime, so that it does not keep step with segments or batches
	length   uint64        // calls by others that end a stall
	patience int           // turns of the scheduler without any call that end a stall too: nobody is left to make one
	rest     time.Duration // time without any call that does the same: beside busy readers a turn takes long
	most     int32         // parked at once
	profile  *pprof.Profile

	calls, forced atomic.Uint64
	parked        atomic.Int32
}

func (s *staller) announce() {
	if n := s.calls.Add(1); n%s.every == 0 {
		s.park(n)
	}
}

// park returns when others have made enough calls since call number n, or make none any more.
func (s *staller) park(n uint64) {
	defer s.parked.Add(-1)
	if s.parked.Add(1) > s.most {
		return
	}
	forced := s.forced.Add(1)
	if s.profile != nil {
		s.profile.Add(forced, 3) // from the caller of Writing on
	}
	last, at := n, time.Now()
	for idle := 0; idle < s.patience && time.Since(at) < s.rest && last-n < s.length; idle++ {
		runtime.Gosched()
		if now := s.calls.Load(); now != last {
			last, at, idle = now, time.Now(), 0
		}
	}
}
