// Package measure times operations and judges the times.
package measure

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Result is what one run of an operation cost.
type Result struct {
	Ns      float64 // wall time per operation
	Bytes   float64 // allocated per operation
	Allocs  float64 // allocations per operation
	Overlap float64 // processor time over wall time: how many processors really worked; 0 if unknown
	Ops     int
}

// Drive runs about total operations, split evenly over the writers. The argument of the operation is the number of the
// writer, shifted left by shift, plus the number of the operation.
func Drive(writers, total, shift int, op func(x uint64)) Result {
	each := max(1, total/writers)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			x := uint64(w) << shift
			<-begin
			for range each {
				op(x)
				x++
			}
		})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processorTime()
	start := time.Now()
	close(begin)
	wg.Wait()
	wall := time.Since(start)
	cpu = processorTime() - cpu
	runtime.ReadMemStats(&after)
	n := float64(each * writers)
	return Result{
		Ns:      float64(wall) / n,
		Bytes:   float64(after.TotalAlloc-before.TotalAlloc) / n,
		Allocs:  float64(after.Mallocs-before.Mallocs) / n,
		Overlap: float64(cpu) / float64(wall),
		Ops:     each * writers,
	}
}

// Beside runs work while another goroutine repeats loop. It starts work after loop has returned once.
func Beside(loop, work func()) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	running := make(chan struct{})
	wg.Go(func() {
		loop()
		close(running)
		for !stop.Load() {
			loop()
		}
	})
	<-running
	work()
	stop.Store(true)
	wg.Wait()
}

// Every runs work while another goroutine calls tick at the given interval, and returns how often it did.
func Every(interval time.Duration, tick, work func()) (ticks int) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(interval)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				tick()
				ticks++
			}
		}
	})
	work()
	close(done)
	wg.Wait()
	return ticks
}
