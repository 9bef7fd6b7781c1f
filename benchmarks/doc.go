// Package benchmarks holds what the benchmarks of ephemera compare: stores of package core, windows, the drivers of package
// sinks, and the references that they are measured against. The references are simple on purpose and as fast as we know how
// to make them; a ratio to a slow reference proves nothing.
//
// The command cmd/bench runs most of them interleaved and judges the ratios; the Benchmark functions of this package are
// for go test and benchstat.
package benchmarks

import "time"

// Capacity is how many events a fixture keeps unless it says otherwise.
const Capacity = 1 << 16

// BatchSize is the number of events in every measured batch.
const BatchSize = 64

// An Event is 32 bytes without pointers.
type Event struct {
	Key      uint64
	Value    float64
	At       int64 // Unix nanoseconds
	Sequence uint64
}

// An Op is one measured operation; x is different in every call. All designs are called through an Op, so that each
// pays the same for the indirect call and for making its event.
type Op func(x uint64)

// WriterShift is where the number of the writer starts in the argument of an Op.
const WriterShift = 40

// Make returns the event number x.
func Make(x uint64) Event { return Event{Key: x, Value: float64(x & 1023), At: int64(x), Sequence: x} }

// Time is the time selector of stores with event times.
func Time(e *Event) time.Time { return time.Unix(0, e.At) }

// Value is the value selector of rollups and scans.
func Value(e *Event) float64 { return e.Value }

// Events returns n events for a batch.
func Events(n int) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = Make(uint64(i))
	}
	return events
}

// Total adds up the values of the events; every full scan does this work.
func Total(events []Event) float64 {
	sum := 0.0
	for i := range events {
		sum += events[i].Value
	}
	return sum
}

// spread returns a well-mixed number below n, which is a power of two.
func spread(x uint64, n int) int {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int(x>>40) & (n - 1)
}
