//go:build explore

package atomicx

import (
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// number is an atomic integer. Its value is a real atomic, so that ordinary
// concurrent code outside of an exploration keeps working.
type number[T uint64 | uint32 | int64] struct {
	v atomic.Uint64 // the value, zero or sign extended
	w explore.Word
}

// Load returns the value.
func (x *number[T]) Load() T {
	x.w.Load("Load")
	return T(x.v.Load())
}

// Store sets the value.
func (x *number[T]) Store(n T) {
	x.w.Store("Store")
	x.v.Store(uint64(n))
}

// Swap sets the value and returns the old one.
func (x *number[T]) Swap(n T) (old T) {
	x.w.Update("Swap")
	return T(x.v.Swap(uint64(n)))
}

// Add adds delta and returns the new value.
func (x *number[T]) Add(delta T) T {
	x.w.Update("Add")
	return x.change(func(v T) T { return v + delta }) + delta
}

// And clears the bits outside of mask and returns the old value.
func (x *number[T]) And(mask T) (old T) {
	x.w.Update("And")
	return x.change(func(v T) T { return v & mask })
}

// Or sets the bits of mask and returns the old value.
func (x *number[T]) Or(mask T) (old T) {
	x.w.Update("Or")
	return x.change(func(v T) T { return v | mask })
}

// CompareAndSwap sets the value to n if it is old.
func (x *number[T]) CompareAndSwap(old, n T) bool {
	x.w.Load("CompareAndSwap")
	if !x.v.CompareAndSwap(uint64(old), uint64(n)) {
		return false
	}
	x.w.Published()
	return true
}

// change applies f and returns the old value.
func (x *number[T]) change(f func(T) T) (old T) {
	for {
		v := x.v.Load()
		if x.v.CompareAndSwap(v, uint64(f(T(v)))) {
			return T(v)
		}
	}
}
