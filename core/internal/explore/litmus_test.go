//go:build explore

package explore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// all is the bound for programs that are small enough for every schedule.
var all = explore.Config{Preemptions: -1}

func threads(bodies ...func()) ([]func(), func() error) { return bodies, nil }

func mustPass(t *testing.T, cfg explore.Config, setup explore.Setup) explore.Result {
	t.Helper()
	r := explore.Run(cfg, setup)
	if r.Failure != "" {
		t.Fatalf("after %d schedules: %s", r.Schedules, r.Failure)
	}
	if !r.Exhausted {
		t.Fatalf("not exhausted after %d schedules", r.Schedules)
	}
	return r
}

func mustFail(t *testing.T, cfg explore.Config, cause string, setup explore.Setup) explore.Result {
	t.Helper()
	r := explore.Run(cfg, setup)
	if !strings.HasPrefix(r.Failure, cause) {
		t.Fatalf("want %q after %d schedules, got %q", cause, r.Schedules, r.Failure)
	}
	if strings.Contains(r.Failure, "not deterministic") {
		t.Fatalf("the trace does not replay: %s", r.Failure)
	}
	return r
}

func lostUpdate() ([]func(), func() error) {
	var x atomicx.Uint64
	increment := func() { x.Store(x.Load() + 1) }
	return []func(){increment, increment}, func() error {
		if n := x.Load(); n != 2 {
			return fmt.Errorf("lost update: %d", n)
		}
		return nil
	}
}

func TestLostUpdate(t *testing.T) {
	mustFail(t, all, "final check: lost update: 1", lostUpdate)
	mustFail(t, explore.Config{Preemptions: 1}, "final check: lost update: 1", lostUpdate)
	mustPass(t, explore.Config{Preemptions: 0}, lostUpdate)
	mustPass(t, all, func() ([]func(), func() error) {
		var x atomicx.Uint64
		add := func() { x.Add(1) }
		swap := func() {
			for n := x.Load(); !x.CompareAndSwap(n, n+1); n = x.Load() {
			}
		}
		return []func(){add, swap, swap}, func() error {
			if x.Load() != 3 {
				return errors.New("an update is lost")
			}
			return nil
		}
	})
}

// Sequentially consistent atomics allow three of the four outcomes.
func TestStoreBuffering(t *testing.T) {
	seen := map[[2]uint64]int{}
	mustPass(t, all, func() ([]func(), func() error) {
		var x, y atomicx.Uint64
		var a, b uint64
		threads := []func(){
			func() { x.Store(1); a = y.Load() },
			func() { y.Store(1); b = x.Load() },
		}
		return threads, func() error {
			seen[[2]uint64{a, b}]++
			return nil
		}
	})
	if seen[[2]uint64{0, 0}] != 0 || len(seen) != 3 {
		t.Errorf("outcomes %v, want all but [0 0]", seen)
	}
}

func message(send func(data *int, flag *atomicx.Bool)) explore.Setup {
	return func() ([]func(), func() error) {
		var data int
		var flag atomicx.Bool
		return threads(
			func() { send(&data, &flag) },
			func() {
				if flag.Load() {
					atomicx.Reading(&data)
					if data != 1 {
						explore.Fail("flag without data")
					}
				}
			})
	}
}

func TestMessagePassing(t *testing.T) {
	mustPass(t, all, message(func(data *int, flag *atomicx.Bool) {
		atomicx.Writing(data)
		*data = 1
		flag.Store(true)
	}))
	mustFail(t, all, "DATA RACE", message(func(data *int, flag *atomicx.Bool) {
		flag.Store(true)
		atomicx.Writing(data)
		*data = 1
	}))
	// The write after the publication is a race even though no operation lies between.
	mustFail(t, all, "DATA RACE", message(func(data *int, flag *atomicx.Bool) {
		*data = 1
		flag.Store(true)
		atomicx.Writing(data)
	}))
}

func TestPlainPublication(t *testing.T) {
	for _, bodies := range [][2]func(*int){
		{atomicx.Writing[int], atomicx.Reading[int]},
		{atomicx.Reading[int], atomicx.Writing[int]},
		{atomicx.Writing[int], atomicx.Writing[int]},
	} {
		mustFail(t, all, "DATA RACE", func() ([]func(), func() error) {
			p := new(int)
			return threads(func() { bodies[0](p) }, func() { bodies[1](p) })
		})
	}
	mustPass(t, all, func() ([]func(), func() error) {
		p := make([]int, 2)
		q := new(struct{})
		return threads(
			func() { atomicx.Writing(q); atomicx.Reading(&p[1]); atomicx.WritingRange(p[:1]) },
			func() { atomicx.Writing(q); atomicx.ReadingRange(p[1:]) })
	})
}

// What the setup did happens before all threads.
func TestSetupHappensBefore(t *testing.T) {
	mustPass(t, all, func() ([]func(), func() error) {
		var x atomicx.Uint64
		var m atomicx.Mutex
		data := 0
		atomicx.Writing(&data)
		data = 1
		x.Store(1)
		m.Lock()
		m.Unlock() //nolint:staticcheck // the pair alone is the point: it orders nothing else
		read := func() {
			atomicx.Reading(&data)
			if x.Load() != 1 || data != 1 {
				explore.Fail("the setup is not visible")
			}
		}
		return threads(read, read)
	})
}
