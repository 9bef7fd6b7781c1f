package main

import (
	"runtime"
	"syscall"
	"time"
)

const prSetTimerSlack = 29 // of linux/prctl.h

// sleeper returns a function that sleeps until a moment, for the goroutine that calls it from now on, and one that ends it.
// The runtime's timers are up to a millisecond late in a process that is idle in between.
func sleeper() (wait func(time.Time), end func()) {
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0) // a nanosecond; without it up to 50 µs late
	return func(at time.Time) {
		for left := time.Until(at); left > 0; left = time.Until(at) {
			t := syscall.NsecToTimespec(int64(left))
			_ = syscall.Nanosleep(&t, nil) // a signal ends it early
		}
	}, runtime.UnlockOSThread
}
