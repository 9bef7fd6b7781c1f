package benchmarks

import (
	"fmt"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// writerCounts are how many goroutines append at the same time.
var writerCounts = []int{1, 2, 8}

// benchmark runs one operation of a design with several writers.
func benchmark(b *testing.B, writers int, open func() Design, pick func(Design) Op) {
	b.Helper()
	d := open()
	defer d.Close()
	measure.Drive(1, 3*Capacity, WriterShift, d.Append)
	b.ReportAllocs()
	b.ResetTimer()
	r := measure.Drive(writers, b.N, WriterShift, pick(d))
	b.StopTimer()
	if writers > 1 {
		b.ReportMetric(r.Overlap, "cpu/wall")
	}
}

func single(d Design) Op { return d.Append }

func batch(d Design) Op { return d.Batch }

func at(open func(int) Design) func() Design { return func() Design { return open(Capacity) } }

// manyWriters runs the benchmark with 1, 2 and 8 writers.
func manyWriters(b *testing.B, open func() Design, pick func(Design) Op) {
	b.Helper()
	for _, w := range writerCounts {
		b.Run(fmt.Sprintf("writers=%d", w), func(b *testing.B) { benchmark(b, w, open, pick) })
	}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { manyWriters(b, at(Ordered), single) })
	b.Run("design=lanes", func(b *testing.B) { manyWriters(b, at(Lanes), single) })
	b.Run("design=timed", func(b *testing.B) { manyWriters(b, timed, single) })
	b.Run("design=rollup", func(b *testing.B) { manyWriters(b, rolledUp, single) })
	b.Run("design=keyed", func(b *testing.B) {
		manyWriters(b, func() Design { return Keyed(8, Capacity) }, single)
	})
	b.Run("design=producer/writers=1", func(b *testing.B) { benchmark(b, 1, at(Exclusive), single) })
}

// The unit of a batch benchmark is the batch, not the event.
func BenchmarkAppendBatch64(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { manyWriters(b, at(Ordered), batch) })
	b.Run("design=lanes", func(b *testing.B) { manyWriters(b, at(Lanes), batch) })
	b.Run("design=producer/writers=1", func(b *testing.B) { benchmark(b, 1, at(Exclusive), batch) })
}

// Events of 48 bytes with two strings.
func BenchmarkAppendString(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { manyWriters(b, at(OrderedStrings), single) })
	b.Run("design=lanes", func(b *testing.B) { manyWriters(b, at(LanesStrings), single) })
	b.Run("design=producer/writers=1", func(b *testing.B) { benchmark(b, 1, at(ExclusiveStrings), single) })
}

func BenchmarkAppendStringBatch64(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { manyWriters(b, at(OrderedStrings), batch) })
	b.Run("design=lanes", func(b *testing.B) { manyWriters(b, at(LanesStrings), batch) })
	b.Run("design=producer/writers=1", func(b *testing.B) { benchmark(b, 1, at(ExclusiveStrings), batch) })
}

func BenchmarkAppendTo(b *testing.B) {
	b.Run("partition=own/writers=2", func(b *testing.B) {
		benchmark(b, 2, func() Design { return Partitions(2, Capacity/4, ByWriter) }, single)
	})
	b.Run("partition=random/writers=2", func(b *testing.B) {
		benchmark(b, 2, func() Design { return Partitions(8, Capacity, AtRandom) }, single)
	})
}

func BenchmarkReferenceEmpty(b *testing.B) { measure.Drive(1, b.N, WriterShift, func(uint64) {}) }

func BenchmarkReferenceAtomicAdd(b *testing.B) { manyWriters(b, Atomic, single) }

func BenchmarkReferenceFloor(b *testing.B) { manyWriters(b, at(Floor), single) }

func BenchmarkReferenceMutexRing(b *testing.B) { manyWriters(b, at(Mutex), single) }

func BenchmarkReferenceMutexRingBatch64(b *testing.B) { manyWriters(b, at(Mutex), batch) }

func BenchmarkReferenceMutexRingString(b *testing.B) { manyWriters(b, at(MutexStrings), single) }

func BenchmarkReferenceMutexRingStringBatch64(b *testing.B) { manyWriters(b, at(MutexStrings), batch) }

func BenchmarkReferenceMutexRings(b *testing.B) {
	b.Run("ring=own/writers=2", func(b *testing.B) {
		benchmark(b, 2, func() Design { return MutexRings(2, Capacity/4, ByWriter) }, single)
	})
	b.Run("ring=random/writers=2", func(b *testing.B) {
		benchmark(b, 2, func() Design { return MutexRings(8, Capacity, AtRandom) }, single)
	})
}

func BenchmarkReferenceShardedMutexRing(b *testing.B) { manyWriters(b, at(Sharded), single) }
