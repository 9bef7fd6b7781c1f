//go:build !explore

package atomicx

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Layout of the publication bits. Exploration uses one slot per word, because
// small programs then reach every boundary.
const (
	SlotsPerWord = 64
	WordShift    = 6
	WordMask     = 63
	DutyMask     = 63 // a slot whose index has all these bits set ends a maintenance interval
)

type (
	// Uint64 is atomic.Uint64.
	Uint64 = atomic.Uint64
	// Uint32 is atomic.Uint32.
	Uint32 = atomic.Uint32
	// Int64 is atomic.Int64.
	Int64 = atomic.Int64
	// Bool is atomic.Bool.
	Bool = atomic.Bool
	// Pointer is atomic.Pointer.
	Pointer[T any] = atomic.Pointer[T]
	// Mutex is sync.Mutex.
	Mutex = sync.Mutex
)

// Yield lets other goroutines run; every loop that waits for one must call it.
func Yield() { runtime.Gosched() }
