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

// A scan reads every event of a full store of 65,536.
func BenchmarkScan(b *testing.B) {
	b.Run("design=core", func(b *testing.B) {
		d := Ordered(Capacity)
		filled(b, d, func() { d.Scan() })
	})
}

func BenchmarkScanEvents(b *testing.B) {
	b.Run("design=core", func(b *testing.B) {
		s := NewOrdered(Capacity)
		d := Design{Append: func(x uint64) { _, _ = s.Append(Make(x)) }, Close: closing(s)}
		filled(b, d, func() { ScanEvents(s) })
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
