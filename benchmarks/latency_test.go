package benchmarks

import (
	"fmt"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// percentiles reports those of single operations; the clock is part of them.
func percentiles(b *testing.B, h *measure.Histogram) {
	b.Helper()
	for _, p := range []struct {
		q    float64
		unit string
	}{
		{0.1, "p10-ns"}, {0.5, "p50-ns"}, {0.9, "p90-ns"}, {0.99, "p99-ns"}, {0.999, "p99.9-ns"}, {0.9999, "p99.99-ns"},
	} {
		b.ReportMetric(h.Quantile(p.q), p.unit)
	}
}

// latency times every single append of a full design.
func latency(b *testing.B, writers int, open func() Design) {
	b.Helper()
	d := open()
	defer d.Close()
	measure.Drive(1, 3*Capacity, 0, d.Append)
	b.ResetTimer()
	h := measure.Latency(writers, b.N, WriterShift, d.Append)
	b.StopTimer()
	percentiles(b, h)
}

func latencies(b *testing.B, open func() Design) {
	b.Helper()
	for _, w := range writerCounts {
		b.Run(fmt.Sprintf("writers=%d", w), func(b *testing.B) { latency(b, w, open) })
	}
}

func BenchmarkAppendLatency(b *testing.B) {
	b.Run("design=core", func(b *testing.B) { latencies(b, at(Ordered)) })
	b.Run("design=lanes", func(b *testing.B) { latencies(b, at(Lanes)) })
	b.Run("design=timed", func(b *testing.B) { latencies(b, timed) })
	b.Run("design=rollup", func(b *testing.B) { latencies(b, rolledUp) })
	b.Run("design=producer/writers=1", func(b *testing.B) { latency(b, 1, at(Exclusive)) })
}

func BenchmarkReferenceMutexRingLatency(b *testing.B) { latencies(b, at(Mutex)) }

func BenchmarkReferenceShardedMutexRingLatency(b *testing.B) { latencies(b, at(Sharded)) }

// What the clock adds to every percentile.
func BenchmarkReferenceEmptyLatency(b *testing.B) {
	latency(b, 1, func() Design { return Design{Append: func(uint64) {}, Close: func() {}} })
}

func BenchmarkPeerChannelLatency(b *testing.B) { latencies(b, at(Channel)) }

func BenchmarkPeerXsyncMPMCQueueLatency(b *testing.B) { latencies(b, at(MPMC)) }

func BenchmarkPeerDiodeLatency(b *testing.B) { quietDiodes(b); latencies(b, at(ManyToOne)) }

func BenchmarkPeerWorkivaRingLatency(b *testing.B) { latencies(b, at(Workiva)) }

// besideScanner measures appends of one writer next to a goroutine that scans all the time.
func besideScanner(b *testing.B, open func() Design) {
	b.Helper()
	d := open()
	defer d.Close()
	measure.Drive(1, 3*Capacity, 0, d.Append)
	var r measure.Result
	measure.Beside(func() { d.Scan() }, func() {
		b.ResetTimer()
		r = measure.Drive(1, b.N, 0, d.Append)
		b.StopTimer()
	})
	b.ReportMetric(r.Overlap, "cpu/wall")
}

// latencyBesideScanner is latency next to such a goroutine.
func latencyBesideScanner(b *testing.B, open func() Design) {
	b.Helper()
	d := open()
	defer d.Close()
	measure.Drive(1, 3*Capacity, 0, d.Append)
	var h *measure.Histogram
	measure.Beside(func() { d.Scan() }, func() {
		b.ResetTimer()
		h = measure.Latency(1, b.N, 0, d.Append)
		b.StopTimer()
	})
	percentiles(b, h)
}

func BenchmarkAppendBesideScanner(b *testing.B) {
	b.Run("design=core/writers=1", func(b *testing.B) { besideScanner(b, at(Ordered)) })
	b.Run("design=lanes/writers=1", func(b *testing.B) { besideScanner(b, at(Lanes)) })
	b.Run("design=producer/writers=1", func(b *testing.B) { besideScanner(b, at(Exclusive)) })
}

func BenchmarkAppendBesideScannerLatency(b *testing.B) {
	b.Run("design=core/writers=1", func(b *testing.B) { latencyBesideScanner(b, at(Ordered)) })
	b.Run("design=lanes/writers=1", func(b *testing.B) { latencyBesideScanner(b, at(Lanes)) })
	b.Run("design=producer/writers=1", func(b *testing.B) { latencyBesideScanner(b, at(Exclusive)) })
}

func BenchmarkReferenceMutexRingBesideScanner(b *testing.B) {
	b.Run("writers=1", func(b *testing.B) { besideScanner(b, at(Mutex)) })
}

func BenchmarkReferenceMutexRingBesideScannerLatency(b *testing.B) {
	b.Run("writers=1", func(b *testing.B) { latencyBesideScanner(b, at(Mutex)) })
}
