package atomicx_test

import (
	"sync"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

type integer[T uint64 | uint32 | int64] interface {
	Load() T
	Store(T)
	Swap(T) T
	Add(T) T
	And(T) T
	Or(T) T
	CompareAndSwap(_, _ T) bool
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testInteger[T uint64 | uint32 | int64](t *testing.T, x integer[T]) {
	minus := ^T(0)
	equal(t, "zero value", x.Load(), 0)
	equal(t, "Add below zero", x.Add(minus), minus)
	equal(t, "CompareAndSwap after wrap", x.CompareAndSwap(minus, 6), true)
	equal(t, "CompareAndSwap of another value", x.CompareAndSwap(5, 1), false)
	equal(t, "Or returns the old value", x.Or(9), 6)
	equal(t, "And returns the old value", x.And(3), 15)
	equal(t, "Swap returns the old value", x.Swap(minus), 3)
	equal(t, "Add over the top", x.Add(2), 1)
	x.Store(7)
	equal(t, "Store", x.Load(), 7)
}

// The methods mean the same in both builds.
func TestSemantics(t *testing.T) {
	t.Run("Uint64", func(t *testing.T) { testInteger(t, new(atomicx.Uint64)) })
	t.Run("Uint32", func(t *testing.T) { testInteger(t, new(atomicx.Uint32)) })
	t.Run("Int64", func(t *testing.T) { testInteger(t, new(atomicx.Int64)) })
	t.Run("Bool", func(t *testing.T) {
		var b atomicx.Bool
		equal(t, "Swap", b.Swap(true), false)
		equal(t, "CompareAndSwap", b.CompareAndSwap(false, true), false)
		equal(t, "CompareAndSwap", b.CompareAndSwap(true, false), true)
		b.Store(true)
		equal(t, "Load", b.Load(), true)
	})
	t.Run("Pointer", func(t *testing.T) {
		var p atomicx.Pointer[int]
		a, b := new(int), new(int)
		equal(t, "zero value", p.Load(), nil)
		equal(t, "CompareAndSwap", p.CompareAndSwap(nil, a), true)
		equal(t, "CompareAndSwap", p.CompareAndSwap(b, a), false)
		equal(t, "Swap", p.Swap(b), a)
		p.Store(a)
		equal(t, "Load", p.Load(), a)
	})
}

// Outside of an exploration the types serve ordinary goroutines in both builds.
func TestOrdinaryGoroutines(t *testing.T) {
	const each = 1000
	var (
		n     atomicx.Uint32
		m     atomicx.Mutex
		plain int
		group sync.WaitGroup
	)
	for range 4 {
		group.Go(func() {
			for range each {
				n.Add(1)
				m.Lock()
				atomicx.Reading(&plain)
				atomicx.Writing(&plain)
				plain++
				m.Unlock()
				atomicx.Yield()
			}
		})
	}
	group.Wait()
	equal(t, "atomic count", n.Load(), 4*each)
	equal(t, "count under the mutex", plain, 4*each)
	equal(t, "TryLock of a free mutex", m.TryLock(), true)
	equal(t, "TryLock of a taken mutex", m.TryLock(), false)
	m.Unlock()
}

// The constants describe one layout.
func TestLayout(t *testing.T) {
	equal(t, "WordShift", 1<<atomicx.WordShift, atomicx.SlotsPerWord)
	equal(t, "WordMask", atomicx.WordMask, atomicx.SlotsPerWord-1)
	equal(t, "DutyMask covers whole words", atomicx.DutyMask&atomicx.WordMask, atomicx.WordMask)
}
