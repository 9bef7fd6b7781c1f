//go:build explore

package atomicx

import (
	"reflect"

	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// Layout of the publication bits: every slot has its own word and its own
// maintenance, so that small programs reach every boundary.
const (
	SlotsPerWord = 1
	WordShift    = 0
	WordMask     = 0
	DutyMask     = 0
)

type (
	// Uint64 is an instrumented atomic.Uint64.
	Uint64 = number[uint64]
	// Uint32 is an instrumented atomic.Uint32.
	Uint32 = number[uint32]
	// Int64 is an instrumented atomic.Int64.
	Int64 = number[int64]
	// Mutex is an instrumented sync.Mutex.
	Mutex = explore.Mutex
)

// empty tells whether T has no bytes: such values share one address and cannot
// race.
func empty[T any]() bool { return reflect.TypeFor[T]().Size() == 0 }

// Reading announces a plain read of *p to the race check of an exploration.
func Reading[T any](p *T) {
	if !empty[T]() {
		explore.Read(p)
	}
}

// Writing announces a plain write of *p.
func Writing[T any](p *T) {
	if !empty[T]() {
		explore.Write(p)
	}
}

// ReadingRange announces a plain read of every element.
func ReadingRange[T any](s []T) {
	for i := range s {
		Reading(&s[i])
	}
}

// WritingRange announces a plain write of every element.
func WritingRange[T any](s []T) {
	for i := range s {
		Writing(&s[i])
	}
}

// Yield lets another thread run; every loop that waits for one must call it.
func Yield() { explore.Yield() }
