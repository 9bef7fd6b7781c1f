package sinktest

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchBlobs measures a sinks.BlobStore: Put and whole reads of 4 KiB and 1 MiB.
func BenchBlobs(b *testing.B, open OpenBlobs) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("put/bytes=%d", size), func(b *testing.B) {
			s, err := open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			body := content(1, size)
			b.SetBytes(int64(size))
			for n := 0; b.Loop(); n++ {
				if err := s.Put(b.Context(), fmt.Sprintf("b/%d", n), int64(size), bytes.NewReader(body)); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprintf("open/bytes=%d", size), func(b *testing.B) {
			s, err := open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			if err := put(b.Context(), s, "b", content(1, size)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := get(b.Context(), s, "b"); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchSignals measures a sinks.SignalStore: Append in batches of 1, 100 and 1,000 signals, and Read of a log in pages
// of 1,000. The figures are per signal.
func BenchSignals(b *testing.B, open OpenSignals) {
	for _, size := range []uint64{1, 100, 1000} {
		b.Run(fmt.Sprintf("append/batch=%d", size), func(b *testing.B) {
			s, err := open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			batch := series(1, size)
			for b.Loop() {
				if err := s.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				for i := range batch {
					batch[i].Sequence += size
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/signal")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("read", func(b *testing.B) { benchRead(b, open) })
}

func benchRead(b *testing.B, open OpenSignals) {
	const stored, page = 20_000, 1000
	s, err := open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for n := uint64(0); n < stored; n += page {
		if err := s.Append(b.Context(), series(n+1, n+page)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for after := uint64(0); after < stored; after += page {
			got, err := s.Read(b.Context(), after, page)
			if err != nil || len(got) != page {
				b.Fatal(len(got), err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/stored, "ns/signal")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
