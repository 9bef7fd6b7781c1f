package benchmarks

import (
	"fmt"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// capacities are those over which the cost of an append must stay flat.
var capacities = []int{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24}

// longToFill is the capacity whose memory takes a busy machine more than a second to fill: half a GiB.
const longToFill = 1 << 24

// overCapacities measures appends of one writer to full stores of every capacity. A store is made when it is first
// needed and filled once.
func overCapacities(b *testing.B, open func(int) Design) {
	b.Helper()
	for _, c := range capacities {
		var d Design
		b.Run(fmt.Sprintf("capacity=%d", c), func(b *testing.B) {
			if testing.Short() && c >= longToFill {
				b.Skip("takes long to fill; run without -short")
			}
			if d.Append == nil {
				d = open(c)
				measure.Drive(1, c*5/4+Capacity, 0, d.Append)
			}
			b.ReportAllocs()
			b.ResetTimer()
			measure.Drive(1, b.N, 0, d.Append)
		})
		if d.Close != nil {
			d.Close()
		}
	}
}

func BenchmarkAppendCapacity(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { overCapacities(b, Ordered) })
}

func BenchmarkReferenceMutexRingCapacity(b *testing.B) { overCapacities(b, Mutex) }

// memory reports the bytes per retained event.
func memory(b *testing.B, open func(int) Design, capacity int) {
	b.Helper()
	sum := 0.0
	for range b.N {
		sum += EventBytes(open, capacity)
	}
	b.ReportMetric(sum/float64(b.N), "bytes/event")
	b.ReportMetric(0, "ns/op") // the time of nothing: not printed
}

func memories(b *testing.B, open func(int) Design) {
	b.Helper()
	for _, c := range []int{1 << 10, 1 << 16, 1 << 20} {
		b.Run(fmt.Sprintf("capacity=%d", c), func(b *testing.B) { memory(b, open, c) })
	}
}

func BenchmarkEventMemory(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { memories(b, Ordered) })
	b.Run("design=rollup", func(b *testing.B) { memories(b, func(c int) Design { return Timed(c, true) }) })
}

func BenchmarkEventMemoryString(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { memories(b, OrderedStrings) })
}

func BenchmarkReferenceMutexRingMemory(b *testing.B) { memories(b, Mutex) }

func BenchmarkReferenceMutexRingMemoryString(b *testing.B) { memories(b, MutexStrings) }

func BenchmarkPeerChannelMemory(b *testing.B) { memories(b, Channel) }

func BenchmarkPeerXsyncMPMCQueueMemory(b *testing.B) { memories(b, MPMC) }

func BenchmarkPeerDiodeMemory(b *testing.B) { quietDiodes(b); memories(b, ManyToOne) }

func BenchmarkPeerWorkivaRingMemory(b *testing.B) { memories(b, Workiva) }

func BenchmarkPartitionMemory(b *testing.B) {
	sum := 0.0
	for range b.N {
		bytes, err := PartitionBytes(10_000)
		if err != nil {
			b.Fatal(err)
		}
		sum += bytes
	}
	b.ReportMetric(sum/float64(b.N), "bytes/partition")
	b.ReportMetric(0, "ns/op")
}
