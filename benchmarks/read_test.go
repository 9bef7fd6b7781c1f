package benchmarks

import (
	"fmt"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// filled runs f, one call per iteration, on a full design.
func filled(b *testing.B, d Design, f func()) {
	b.Helper()
	defer d.Close()
	measure.Drive(1, 3*Capacity, 0, d.Append)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		f()
	}
}

func BenchmarkScan(b *testing.B) {
	b.Run("design=core", func(b *testing.B) {
		d := Ordered(Capacity)
		filled(b, d, func() { d.Scan() })
	})
}

func BenchmarkReferenceMutexRingCopyScan(b *testing.B) {
	d := Mutex(Capacity)
	filled(b, d, func() { d.Scan() })
}

func BenchmarkReferenceAtomicPair(b *testing.B) {
	c := new(Counter)
	measure.Drive(1, b.N, 0, func(uint64) { c.Pair() })
}

func BenchmarkCut(b *testing.B) {
	for _, size := range []int{Capacity, 1 << 20} {
		s := NewOrdered(size)
		for x := range uint64(size) * 5 / 4 {
			_, _ = s.Append(Make(x))
		}
		b.Run(fmt.Sprintf("use=close/events=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			measure.Drive(1, b.N, 0, func(uint64) { s.Cut().Close() })
		})
		b.Run(fmt.Sprintf("use=resolve/events=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			measure.Drive(1, b.N, 0, func(uint64) {
				c := s.Cut()
				c.Holes()
				c.Close()
			})
		})
		_ = s.Close()
	}
}

// besideScanner measures appends of one writer next to a goroutine that scans all the time.
func besideScanner(b *testing.B, d Design) {
	b.Helper()
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

func BenchmarkAppendBesideScanner(b *testing.B) {
	b.Run("design=core/writers=1", func(b *testing.B) { besideScanner(b, Ordered(Capacity)) })
}

func BenchmarkReferenceMutexRingBesideScanner(b *testing.B) { besideScanner(b, Mutex(Capacity)) }

// latency reports percentiles of single appends; the clock is part of them.
func latency(b *testing.B, writers int, d Design) {
	b.Helper()
	defer d.Close()
	measure.Drive(1, 3*Capacity, 0, d.Append)
	b.ResetTimer()
	h := measure.Latency(writers, b.N, WriterShift, d.Append)
	b.StopTimer()
	b.ReportMetric(h.Quantile(0.5), "p50-ns/op")
	b.ReportMetric(h.Quantile(0.99), "p99-ns/op")
	b.ReportMetric(h.Quantile(0.999), "p99.9-ns/op")
	b.ReportMetric(h.Quantile(0.9999), "p99.99-ns/op")
}

func BenchmarkAppendLatency(b *testing.B) {
	for _, w := range []int{1, 2} {
		b.Run(fmt.Sprintf("design=core/writers=%d", w), func(b *testing.B) { latency(b, w, Ordered(Capacity)) })
		b.Run(fmt.Sprintf("design=lanes/writers=%d", w), func(b *testing.B) { latency(b, w, Lanes(Capacity)) })
	}
	b.Run("design=producer/writers=1", func(b *testing.B) { latency(b, 1, Exclusive(Capacity)) })
}

func BenchmarkReferenceMutexRingLatency(b *testing.B) {
	for _, w := range []int{1, 2} {
		b.Run(fmt.Sprintf("writers=%d", w), func(b *testing.B) { latency(b, w, Mutex(Capacity)) })
	}
}

func BenchmarkReferenceEmptyLatency(b *testing.B) {
	latency(b, 1, Design{Append: func(uint64) {}, Close: func() {}})
}

// window runs f over three kinds of ranges.
func window(b *testing.B, f func(*Window, Range)) {
	b.Helper()
	w := NewWindow(1 << 20)
	defer func() { _ = w.Store.Close() }()
	for _, c := range []struct {
		name string
		list []Range
	}{{"all", w.All()}, {"last1%", w.LastPercent()}, {"random", w.Random(16)}} {
		b.Run("range="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				f(w, c.list[i%len(c.list)])
			}
		})
	}
}

func BenchmarkWindowQuery(b *testing.B) { window(b, func(w *Window, r Range) { w.Query(r) }) }

func BenchmarkReferenceWindowScan(b *testing.B) { window(b, func(w *Window, r Range) { w.Scan(r) }) }

func BenchmarkPartitionMemory(b *testing.B) {
	bytes, err := PartitionBytes(10_000)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(bytes, "B/partition")
	b.ReportMetric(0, "ns/op") // the time of nothing: not printed
}
