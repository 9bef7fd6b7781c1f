//go:build explore

package explore_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// loads builds n threads of k loads each.
func loads(n, k int) explore.Setup {
	return func() ([]func(), func() error) {
		var x atomicx.Uint64
		bodies := make([]func(), n)
		for i := range bodies {
			bodies[i] = func() {
				for range k {
					x.Load()
				}
			}
		}
		return bodies, nil
	}
}

func TestCounts(t *testing.T) {
	for _, c := range []struct{ threads, ops, bound, want int }{
		{1, 5, -1, 1},
		{2, 4, -1, 70},   // 8! / (4! 4!)
		{3, 2, -1, 90},   // 6! / (2! 2! 2!)
		{4, 2, -1, 2520}, // 8! / (2! 2! 2! 2!)
		{3, 4, 0, 6},     // orders of three threads
		{2, 7, 1, 14},    // the first thread, and where it stops: after 1..7 loads
		{2, 0, -1, 1},
	} {
		r := mustPass(t, explore.Config{Preemptions: c.bound}, loads(c.threads, c.ops))
		if r.Schedules != c.want || r.MaxSteps != c.threads*c.ops {
			t.Errorf("%+v: %d schedules of %d steps", c, r.Schedules, r.MaxSteps)
		}
	}
	r := explore.Run(explore.Config{Preemptions: -1, MaxSchedules: 10}, loads(3, 2))
	if r.Schedules != 10 || r.Exhausted || r.Failure != "" {
		t.Errorf("MaxSchedules: %+v", r)
	}
}

func TestDeadlock(t *testing.T) {
	setup := func() ([]func(), func() error) {
		var a, b atomicx.Mutex
		both := func(x, y *atomicx.Mutex) func() {
			return func() {
				x.Lock()
				defer x.Unlock()
				y.Lock()
				defer y.Unlock()
			}
		}
		return threads(both(&a, &b), both(&b, &a))
	}
	r := mustFail(t, all, "deadlock; thread 0 waits for a mutex locked by thread 1; thread 1 waits", setup)
	mustPass(t, explore.Config{Preemptions: 0}, setup)
	if again := explore.Replay(all, r.Trace, setup); !strings.HasPrefix(again.Failure, "deadlock") {
		t.Errorf("replay: %q", again.Failure)
	}
}

func TestMutex(t *testing.T) {
	tried := map[bool]int{}
	setup := func(guard bool) explore.Setup {
		return func() ([]func(), func() error) {
			var m atomicx.Mutex
			n := 0
			add := func() { atomicx.Reading(&n); atomicx.Writing(&n); n++ }
			lock := func() { m.Lock(); add(); m.Unlock() }
			try := func() {
				ok := m.TryLock()
				tried[ok]++
				if ok || !guard {
					add()
				}
				if ok {
					m.Unlock()
				}
			}
			return []func(){lock, lock, try}, func() error {
				if n < 2 || !m.TryLock() {
					return errors.New("the mutex failed")
				}
				return nil
			}
		}
	}
	mustPass(t, all, setup(true))
	if tried[true] == 0 || tried[false] == 0 {
		t.Errorf("TryLock outcomes %v", tried)
	}
	mustFail(t, all, "DATA RACE", setup(false)) // a failed TryLock synchronises nothing
	mustFail(t, all, "thread 0 unlocks an unlocked mutex", func() ([]func(), func() error) {
		var m atomicx.Mutex
		return threads(m.Unlock)
	})
}

// wait builds spinning threads that wait for the last one.
func wait(spinners int, pause func()) explore.Setup {
	return func() ([]func(), func() error) {
		var ready atomicx.Bool
		spin := func() {
			for !ready.Load() {
				pause()
			}
		}
		bodies := slices.Repeat([]func(){spin}, spinners)
		return append(bodies, func() { ready.Load(); ready.Load(); ready.Store(true) }), nil
	}
}

func TestLivelock(t *testing.T) {
	cfg := explore.Config{Preemptions: 2, MaxSteps: 200}
	r := mustFail(t, cfg, "livelock: no end after 200 steps", wait(1, func() {}))
	if r.MaxSteps != 200 || len(r.Trace) != 200 {
		t.Errorf("%d steps, trace of %d", r.MaxSteps, len(r.Trace))
	}
	mustFail(t, cfg, "livelock", func() ([]func(), func() error) { // nobody will help
		return threads(func() {
			for {
				atomicx.Yield()
			}
		})
	})
}

func TestYield(t *testing.T) {
	for spinners := range 3 { // two that wait for a third one need fairness
		mustPass(t, explore.Config{Preemptions: 2, MaxSteps: 50}, wait(spinners, atomicx.Yield))
	}
	// Without preemptions a spinner still gives way, and it costs nothing.
	mustPass(t, explore.Config{Preemptions: 0, MaxSteps: 50}, wait(3, atomicx.Yield))
	// Of the three orders the one where the yield changes nothing is left out.
	r := mustPass(t, all, func() ([]func(), func() error) {
		var x atomicx.Uint64
		return threads(
			func() { x.Load(); atomicx.Yield(); x.Load() },
			func() { x.Load() })
	})
	if r.Schedules != 2 {
		t.Errorf("%d schedules around a yield, want 2", r.Schedules)
	}
	// A condition without any atomic operation.
	mustPass(t, all, func() ([]func(), func() error) {
		ready := false
		var x atomicx.Uint64
		return threads(
			func() {
				for !ready {
					atomicx.Yield()
				}
			},
			func() { x.Add(1); ready = true })
	})
	atomicx.Yield() // outside of an exploration
}

func TestPanicsAndChecks(t *testing.T) {
	unwound := 0
	r := mustFail(t, all, "panic in thread 1: boom", func() ([]func(), func() error) {
		var x atomicx.Uint64
		return threads(
			func() { defer func() { unwound++; x.Add(1) }(); x.Load(); x.Load() },
			func() {
				if x.Load() == 0 {
					panic("boom")
				}
			})
	})
	if unwound != r.Schedules+1 { // the runs and the replay of the last one
		t.Errorf("the other thread ended %d times in %d schedules", unwound, r.Schedules)
	}
	mustFail(t, all, "panic in the final check: bad", func() ([]func(), func() error) {
		return nil, func() error { panic("bad") }
	})
	mustFail(t, all, "seen 1", func() ([]func(), func() error) {
		var x atomicx.Uint64
		return threads(func() { x.Add(1) }, func() {
			defer func() { _ = recover() }() // code that survives panics cannot hide a failure
			if n := x.Load(); n == 1 {
				explore.Fail("seen %d", n)
			}
		})
	})
	mustPass(t, all, func() ([]func(), func() error) { // a recovered panic is no failure
		return threads(func() {
			defer func() { _ = recover() }()
			panic("handled")
		})
	})
}

func TestNoLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		mustFail(t, all, "final check", lostUpdate)
		mustFail(t, explore.Config{MaxSteps: 50}, "livelock", wait(2, func() {}))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		explore.Run(all, func() ([]func(), func() error) {
			var x atomicx.Uint64
			return threads(func() { x.Load(); runtime.Goexit() }, func() { x.Load(); x.Load() })
		})
	}()
	<-ended
	mustPass(t, all, loads(2, 2)) // the exit of a thread left nothing locked
	for runtime.NumGoroutine() > before {
		runtime.Gosched() // a leak ends in the test timeout
	}
}

func TestReplayAndWalk(t *testing.T) {
	r := mustFail(t, all, "final check: lost", lostUpdate)
	for _, want := range []string{"trace: [0 1 ", "thread 1: Load at litmus_test.go:", "thread 0: Store at litmus_test.go:"} {
		if !strings.Contains(r.Failure, want) {
			t.Errorf("failure lacks %q: %s", want, r.Failure)
		}
	}
	again := explore.Replay(explore.Config{}, r.Trace, lostUpdate)
	if again.Failure != r.Failure || !slices.Equal(again.Trace, r.Trace) {
		t.Errorf("replay gave %+v", again)
	}
	if fine := explore.Replay(all, []int{0, 0, 1, 1}, lostUpdate); fine.Failure != "" {
		t.Errorf("replay of a good trace: %s", fine.Failure)
	}
	if bad := explore.Replay(all, []int{0, 0, 0}, lostUpdate); !strings.HasPrefix(bad.Failure, "trace does not fit") {
		t.Errorf("replay of a foreign trace: %q", bad.Failure)
	}
	for _, bound := range []int{-1, 1, 3} {
		cfg := explore.Config{Preemptions: bound, Seed: 42}
		a := mustFail(t, cfg, "final check: lost", lostUpdate)
		b := explore.Run(cfg, lostUpdate)
		if a.Schedules != b.Schedules || !slices.Equal(a.Trace, b.Trace) {
			t.Errorf("bound %d: one seed, two walks: %v and %v", bound, a.Trace, b.Trace)
		}
	}
	w := explore.Run(explore.Config{Seed: 7, Preemptions: 0, MaxSchedules: 50}, lostUpdate)
	if w.Failure != "" || w.Schedules != 50 || w.Exhausted {
		t.Errorf("a walk without preemptions: %+v", w)
	}
}

func TestNotDeterministic(t *testing.T) {
	run := 0
	r := explore.Run(all, func() ([]func(), func() error) {
		run++
		_, n := loads(2, 2), run
		return loads(1+n%3, 2)()
	})
	if !strings.HasPrefix(r.Failure, "not deterministic") {
		t.Errorf("got %q", r.Failure)
	}
}

// BenchmarkSchedules measures schedules, not steps: two threads of ten operations.
func BenchmarkSchedules(b *testing.B) {
	r := explore.Run(explore.Config{Preemptions: -1, MaxSchedules: b.N}, loads(2, 10))
	b.ReportMetric(float64(r.Schedules)/b.Elapsed().Seconds(), "schedules/s")
}
