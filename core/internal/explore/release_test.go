//go:build explore

package explore_test

import (
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// Other schedules of these programs race anyway, so a rule about what an
// operation does not synchronise shows only in one chosen schedule.
func mustRace(t *testing.T, trace []int, setup explore.Setup) {
	t.Helper()
	if r := explore.Replay(all, trace, setup); !strings.HasPrefix(r.Failure, "DATA RACE") {
		t.Errorf("trace %v hides the race: %q", trace, r.Failure)
	}
}

// relay lets a second thread change the word between publisher and reader.
func relay(change func(x *atomicx.Uint64)) explore.Setup {
	return func() ([]func(), func() error) {
		var data int
		var x atomicx.Uint64
		return threads(
			func() { atomicx.Writing(&data); x.Store(1) },
			func() { change(&x) },
			func() {
				if x.Load() == 3 {
					atomicx.Reading(&data)
				}
			})
	}
}

func TestReleaseChains(t *testing.T) {
	mustPass(t, all, relay(func(x *atomicx.Uint64) { x.Add(2) }))
	mustPass(t, all, relay(func(x *atomicx.Uint64) { x.Or(2) }))
	mustPass(t, all, relay(func(x *atomicx.Uint64) { x.CompareAndSwap(1, 3) }))
	// A store does not observe the publication, so its reader does not either.
	mustRace(t, []int{0, 1, 2}, relay(func(x *atomicx.Uint64) { x.Store(3) }))
}

// Each operation that writes publishes what its thread did before.
func TestPublishers(t *testing.T) {
	type vars struct {
		n64 atomicx.Uint64
		n32 atomicx.Uint32
		i64 atomicx.Int64
		b   atomicx.Bool
		p   atomicx.Pointer[int]
	}
	data := new(int)
	for name, op := range map[string]struct {
		publish func(*vars)
		seen    func(*vars) bool
	}{
		"Uint64.Store":           {func(v *vars) { v.n64.Store(1) }, func(v *vars) bool { return v.n64.Load() == 1 }},
		"Uint32.Swap":            {func(v *vars) { v.n32.Swap(1) }, func(v *vars) bool { return v.n32.Load() == 1 }},
		"Int64.Add":              {func(v *vars) { v.i64.Add(1) }, func(v *vars) bool { return v.i64.Swap(5) == 1 }},
		"Uint64.Or":              {func(v *vars) { v.n64.Or(1) }, func(v *vars) bool { return v.n64.And(1) == 1 }},
		"Uint64.And":             {func(v *vars) { v.n64.Store(3); v.n64.And(1) }, func(v *vars) bool { return v.n64.Load() == 1 }},
		"Uint64.CompareAndSwap":  {func(v *vars) { v.n64.CompareAndSwap(0, 1) }, func(v *vars) bool { return v.n64.CompareAndSwap(1, 2) }},
		"Bool.Swap":              {func(v *vars) { v.b.Swap(true) }, func(v *vars) bool { return v.b.Load() }},
		"Bool.CompareAndSwap":    {func(v *vars) { v.b.CompareAndSwap(false, true) }, func(v *vars) bool { return v.b.CompareAndSwap(true, false) }},
		"Pointer.Store":          {func(v *vars) { v.p.Store(data) }, func(v *vars) bool { return v.p.Load() == data }},
		"Pointer.Swap":           {func(v *vars) { v.p.Swap(data) }, func(v *vars) bool { return v.p.Swap(nil) == data }},
		"Pointer.CompareAndSwap": {func(v *vars) { v.p.CompareAndSwap(nil, data) }, func(v *vars) bool { return v.p.Load() == data }},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			mustPass(t, all, func() ([]func(), func() error) {
				v := new(vars)
				return threads(
					func() { atomicx.Writing(data); op.publish(v) },
					func() {
						if op.seen(v) {
							reads++
							atomicx.Reading(data)
						}
					})
			})
			if reads == 0 {
				t.Error("the reader never saw the publication")
			}
		})
	}
}

func TestNonPublishers(t *testing.T) {
	observe := func(op func(*atomicx.Uint64)) explore.Setup {
		return func() ([]func(), func() error) {
			var data int
			var x atomicx.Uint64
			return threads(
				func() { atomicx.Writing(&data); op(&x) },
				func() { x.Load(); atomicx.Reading(&data) })
		}
	}
	mustRace(t, []int{0, 1}, observe(func(x *atomicx.Uint64) { x.Load() }))
	mustRace(t, []int{0, 1}, observe(func(x *atomicx.Uint64) { x.CompareAndSwap(1, 2) }))
	// A failed TryLock does not observe the earlier Unlock.
	mustRace(t, []int{0, 0, 0, 1}, func() ([]func(), func() error) {
		var data int
		var m atomicx.Mutex
		return threads(
			func() { m.Lock(); atomicx.Writing(&data); m.Unlock(); m.Lock(); m.Unlock() }, //nolint:staticcheck // an empty pair releases again
			func() {
				if !m.TryLock() {
					atomicx.Reading(&data)
				}
			})
	})
}

// Variables that outlive a schedule bring nothing along from it.
func TestSchedulesAreIndependent(t *testing.T) {
	var data int
	var m atomicx.Mutex
	var x atomicx.Uint64
	guarded := func() { m.Lock(); atomicx.Writing(&data); m.Unlock(); x.Add(1) }
	mustPass(t, all, func() ([]func(), func() error) { return threads(guarded, guarded) })
	mustRace(t, []int{1}, func() ([]func(), func() error) {
		return threads(
			func() { atomicx.Writing(&data) },
			func() { x.Load(); atomicx.Reading(&data) })
	})
}
