//go:build explore

package atomicx

import (
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// Bool is an atomic boolean.
type Bool struct {
	v atomic.Bool
	w explore.Word
}

// Load returns the value.
func (x *Bool) Load() bool {
	x.w.Load("Load")
	return x.v.Load()
}

// Store sets the value.
func (x *Bool) Store(b bool) {
	x.w.Store("Store")
	x.v.Store(b)
}

// Swap sets the value and returns the old one.
func (x *Bool) Swap(b bool) (old bool) {
	x.w.Update("Swap")
	return x.v.Swap(b)
}

// CompareAndSwap sets the value to b if it is old.
func (x *Bool) CompareAndSwap(old, b bool) bool {
	x.w.Load("CompareAndSwap")
	if !x.v.CompareAndSwap(old, b) {
		return false
	}
	x.w.Published()
	return true
}

// Pointer is an atomic pointer.
type Pointer[T any] struct {
	v atomic.Pointer[T]
	w explore.Word
}

// Load returns the pointer.
func (x *Pointer[T]) Load() *T {
	x.w.Load("Load")
	return x.v.Load()
}

// Store sets the pointer.
func (x *Pointer[T]) Store(p *T) {
	x.w.Store("Store")
	x.v.Store(p)
}

// Swap sets the pointer and returns the old one.
func (x *Pointer[T]) Swap(p *T) (old *T) {
	x.w.Update("Swap")
	return x.v.Swap(p)
}

// CompareAndSwap sets the pointer to p if it is old.
func (x *Pointer[T]) CompareAndSwap(old, p *T) bool {
	x.w.Load("CompareAndSwap")
	if !x.v.CompareAndSwap(old, p) {
		return false
	}
	x.w.Published()
	return true
}
