package benchmarks

import (
	"fmt"
	"runtime"

	"github.com/ephemera-go/ephemera/core"
)

// A Store is a core store of the measured event.
type Store = core.Store[Event]

// NewOrdered makes a store of one partition.
func NewOrdered(capacity int) *Store { return open(core.Options[Event]{Capacity: capacity}) }

// NewPartitions makes a store of n partitions that share the capacity.
func NewPartitions(n, capacity int) *Store {
	return open(core.Options[Event]{Capacity: capacity, Partitions: n})
}

// NewLanes makes a store of one lane per processor.
func NewLanes(capacity int) *Store {
	return open(core.Options[Event]{Capacity: capacity, Lanes: runtime.GOMAXPROCS(0)})
}

// NewTimed makes a store of one partition whose events have times.
func NewTimed(capacity int) *Store {
	return open(core.Options[Event]{Capacity: capacity, Time: Time})
}

// NewByKey makes a store of n partitions chosen by one of 16 keys.
func NewByKey(n, capacity int) *Store {
	key := func(e Event) string { return texts[e.Key%16] }
	return open(core.Options[Event]{Capacity: capacity, Partitions: n, Key: key})
}

// open panics on an error, which only wrong options can cause.
func open[E any](o core.Options[E]) *core.Store[E] {
	s, err := core.New(o)
	if err != nil {
		panic(fmt.Sprintf("benchmarks: %v", err))
	}
	return s
}

// NewRollup registers a rollup over the value of the events.
func NewRollup(s *Store) *core.Rollup[Event, core.Summary] {
	r, err := core.NewRollup(s, Numbers(), core.RollupOptions{Name: "value"})
	if err != nil {
		panic(fmt.Sprintf("benchmarks: %v", err))
	}
	return r
}

// Numbers is the aggregate of rollups and of the scans that they are compared with.
func Numbers() core.Monoid[Event, core.Summary] { return core.Summaries(Value) }

// NewProducer makes the exclusive writer of a partition.
func NewProducer[E any](s *core.Store[E], partition int) *core.Producer[E] {
	p, err := s.Producer(partition)
	if err != nil {
		panic(fmt.Sprintf("benchmarks: %v", err))
	}
	return p
}

// Scan reads all events of a store in runs without copying them, and returns the total of their values and how many.
func Scan(s *Store) (total float64, n int) {
	c := s.Cut()
	defer c.Close()
	for _, run := range c.Runs() {
		total += Total(run)
		n += len(run)
	}
	return total, n
}

// ScanEvents is Scan event by event, in order.
func ScanEvents(s *Store) (total float64, n int) {
	c := s.Cut()
	defer c.Close()
	for _, e := range c.All() {
		total += e.Value
		n++
	}
	return total, n
}
