// Package explore runs small concurrent programs under every interleaving of
// their atomic operations, up to a bound on preemptions, and checks plain
// memory for data races with vector clocks.
//
// Go promises sequentially consistent atomics and sequential consistency for
// programs without data races. All sequentially consistent interleavings plus a
// happens-before check of the plain accesses therefore miss nothing within the
// bound.
//
// Exactly one thread runs at a time, so the code under test needs no handle: it
// uses the types of package atomicx, which call this package when the build tag
// "explore" is set. Without the tag this package is empty.
//
// The code under test must be deterministic (no map iteration order, no random
// numbers, no sync.Pool), must not start goroutines and must not block on
// anything but atomicx.Mutex. A loop that waits for another thread must call
// atomicx.Yield, otherwise it is reported as a livelock.
package explore
