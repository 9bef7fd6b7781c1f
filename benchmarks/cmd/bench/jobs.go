package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

const (
	many    = 16_000_000 // single operations per round
	several = 3_000_000  // timed one by one, or next to a scanner
	full    = 30_000_000
	retain  = 1 << 20 // events of a window
)

func ordered() benchmarks.Design   { return benchmarks.Ordered(benchmarks.Capacity) }
func mutex() benchmarks.Design     { return benchmarks.Mutex(benchmarks.Capacity) }
func lanes() benchmarks.Design     { return benchmarks.Lanes(benchmarks.Capacity) }
func exclusive() benchmarks.Design { return benchmarks.Exclusive(benchmarks.Capacity) }

// jobs lists everything that can be measured. What is compared stands side by side, because a round goes through them
// in this order.
func jobs() []job {
	list := []job{
		plain("empty", many, func() (benchmarks.Op, func()) { return func(uint64) {}, nothing }),
		latencies("clock", 1, several, false, func() benchmarks.Design {
			return benchmarks.Design{Append: func(uint64) {}, Close: nothing}
		}),
	}
	list = append(list, appendJobs()...)
	list = append(list, partitionJobs()...)
	list = append(list, readerJobs()...)
	list = append(list, rollupJobs()...)
	list = append(list, windowJobs()...)
	list = append(list, cutJobs()...)
	for _, c := range capacities {
		list = append(list, flatJob(c))
	}
	list = append(list, job{"partition of 3 events", memoryJob})
	return append(list, signalJobs()...)
}

func nothing() {}

func appendJobs() []job {
	list := []job{
		appends("atomic add", 1, many, benchmarks.Atomic),
		appends("floor", 1, many, func() benchmarks.Design { return benchmarks.Floor(benchmarks.Capacity) }),
		appends("producer", 1, many, exclusive),
		batches("producer batch", 1, many/benchmarks.BatchSize*4, exclusive),
	}
	for _, w := range []int{1, 2, 8} {
		list = append(list,
			appends(fmt.Sprintf("ordered w=%d", w), w, many, ordered),
			appends(fmt.Sprintf("mutex w=%d", w), w, many, mutex),
			appends(fmt.Sprintf("lanes w=%d", w), w, many, lanes),
			appends(fmt.Sprintf("sharded w=%d", w), w, many/2, func() benchmarks.Design {
				return benchmarks.Sharded(benchmarks.Capacity)
			}),
			appends(fmt.Sprintf("channel w=%d", w), w, many/4, func() benchmarks.Design {
				return benchmarks.Channel(benchmarks.Capacity)
			}),
			appends(fmt.Sprintf("xsync w=%d", w), w, many/4, func() benchmarks.Design {
				return benchmarks.MPMC(benchmarks.Capacity)
			}),
		)
	}
	for _, w := range []int{1, 8} {
		n := many / benchmarks.BatchSize * 4
		list = append(list,
			batches(fmt.Sprintf("ordered batch w=%d", w), w, n, ordered),
			batches(fmt.Sprintf("mutex batch w=%d", w), w, n, mutex),
		)
	}
	return list
}

func partitionJobs() []job {
	spread := func(d func(int, int, func(uint64, int) int) benchmarks.Design, n int, by func(uint64, int) int,
	) func() benchmarks.Design {
		return func() benchmarks.Design { return d(n, n*benchmarks.Capacity/8, by) }
	}
	return []job{
		appends("own partition w=2", 2, many, spread(benchmarks.Partitions, 2, benchmarks.ByWriter)),
		appends("own mutex w=2", 2, many, spread(benchmarks.MutexRings, 2, benchmarks.ByWriter)),
		appends("random partition w=2", 2, many, spread(benchmarks.Partitions, 8, benchmarks.AtRandom)),
		appends("random mutex w=2", 2, many, spread(benchmarks.MutexRings, 8, benchmarks.AtRandom)),
		latencies("ordered latency w=2", 2, several, false, ordered),
		latencies("mutex latency w=2", 2, several, false, mutex),
	}
}

func readerJobs() []job {
	return []job{
		beside("ordered + scanner", several, ordered),
		appends("ordered quiet", 1, many, ordered),
		beside("mutex + scanner", several/2, mutex),
		latencies("ordered + scanner latency", 1, several, true, ordered),
		latencies("mutex + scanner latency", 1, several/2, true, mutex),
		latencies("ordered latency", 1, several, false, ordered),
		latencies("mutex latency", 1, several, false, mutex),
	}
}

func cutJobs() []job {
	cut := func(size int, use func(*benchmarks.Store)) func() (benchmarks.Op, func()) {
		return func() (benchmarks.Op, func()) {
			s := benchmarks.NewOrdered(size)
			for x := range uint64(size) * 5 / 4 {
				_, _ = s.Append(benchmarks.Make(x))
			}
			return func(uint64) { use(s) }, func() { _ = s.Close() }
		}
	}
	scan := func(open func() benchmarks.Design) func() (benchmarks.Op, func()) {
		return func() (benchmarks.Op, func()) {
			d := open()
			measure.Drive(1, laps*benchmarks.Capacity, 0, d.Append)
			return func(uint64) { d.Scan() }, d.Close
		}
	}
	return []job{
		plain("atomic pair", many, func() (benchmarks.Op, func()) {
			c := new(benchmarks.Counter)
			return func(uint64) { c.Pair() }, nothing
		}),
		plain("cut", many/2, cut(benchmarks.Capacity, func(s *benchmarks.Store) {
			c := s.Cut()
			c.Close()
		})),
		plain("cut resolved", many/100, cut(retain, func(s *benchmarks.Store) {
			c := s.Cut()
			c.Holes()
			c.Close()
		})),
		plain("scan in runs", 400, scan(ordered)),
		plain("mutex copy and scan", 400, scan(mutex)),
	}
}

// capacities are those over which the cost of an append must stay flat.
var capacities = []int{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22}

func flatName(capacity int) string { return fmt.Sprintf("capacity %d Ki", capacity>>10) }

// flatJob fills a store of the capacity first, however large, so that all of them reuse their memory.
func flatJob(capacity int) job {
	name := flatName(capacity)
	return job{name, func() (func(*session) error, func(), error) {
		d := benchmarks.Ordered(capacity)
		measure.Drive(1, capacity*5/4+benchmarks.Capacity, 0, d.Append)
		return func(s *session) error {
			return counted(d, func() int {
				r := measure.Drive(1, s.ops(many), 0, d.Append)
				s.add(name, "", r.Ns)
				return r.Ops
			})
		}, d.Close, nil
	}}
}

func memoryJob() (func(*session) error, func(), error) {
	return func(s *session) error {
		// In a short run many enough, so that the fixed cost of a store does not show.
		v, err := benchmarks.PartitionBytes(max(1000, s.ops(100_000)))
		s.add("partition of 3 events", "", v)
		return err
	}, nothing, nil
}
