package benchmarks

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// savedEvents is how many events are saved and restored on every backend, restoredEvents from a file against plain records.
const (
	savedEvents    = 1 << 18
	restoredEvents = 1_000_000
)

// What a benchmark of restoring compares is the same events.
func TestPlainFileHoldsTheReadings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plain")
	if err := WritePlain(path, 1000); err != nil {
		t.Fatal(err)
	}
	events, err := ReadPlain(path)
	if err != nil || len(events) != 1000 {
		t.Fatal(len(events), err)
	}
	for i, e := range events {
		if e != Reading(uint64(i)) {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
}

// BenchmarkSave takes first snapshots: everything is encoded and written.
func BenchmarkSave(b *testing.B) {
	eachBackend(b, func(b *testing.B, x Backend) {
		blobs := orFatal(x.OpenBlobs(b.Context(), b.TempDir()))(b)
		defer func() { _ = blobs.Close() }()
		b.SetBytes(savedEvents * 32)
		for i := range b.N {
			b.StopTimer()
			s := orFatal(OpenSaved(b.Context(), blobs, fmt.Sprint("n", i), savedEvents))(b)
			failed(b, s.Fill(savedEvents))
			b.StartTimer()
			failed(b, s.Saver.Save(b.Context()))
			b.StopTimer()
			b.ReportMetric(float64(s.Saver.Stats().LastBytes)/savedEvents, "bytes/event")
			failed(b, s.Saver.Close())
		}
	})
}

// BenchmarkRestore makes stores of a snapshot.
func BenchmarkRestore(b *testing.B) {
	eachBackend(b, func(b *testing.B, x Backend) {
		blobs := orFatal(x.OpenBlobs(b.Context(), b.TempDir()))(b)
		defer func() { _ = blobs.Close() }()
		s := orFatal(OpenSaved(b.Context(), blobs, "", savedEvents))(b)
		failed(b, s.Fill(savedEvents))
		failed(b, s.Saver.Save(b.Context()))
		failed(b, s.Saver.Close())
		b.SetBytes(savedEvents * 32)
		b.ResetTimer()
		for range b.N {
			if n := orFatal(Restore(b.Context(), blobs, "", savedEvents))(b); n != savedEvents {
				b.Fatalf("%d events", n)
			}
		}
	})
}

// BenchmarkRestoreMillion makes stores of a snapshot of a million events in local files.
func BenchmarkRestoreMillion(b *testing.B) {
	blobs := orFatal(Backends()[0].OpenBlobs(b.Context(), b.TempDir()))(b)
	defer func() { _ = blobs.Close() }()
	s := orFatal(OpenSaved(b.Context(), blobs, "", restoredEvents))(b)
	failed(b, s.Fill(restoredEvents))
	failed(b, s.Saver.Save(b.Context()))
	failed(b, s.Saver.Close())
	b.SetBytes(restoredEvents * 32)
	b.ResetTimer()
	for range b.N {
		if n := orFatal(Restore(b.Context(), blobs, "", restoredEvents))(b); n != restoredEvents {
			b.Fatalf("%d events", n)
		}
	}
}

// BenchmarkReferenceReadMillion reads as many plain records and decodes them in one loop.
func BenchmarkReferenceReadMillion(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain")
	failed(b, WritePlain(path, restoredEvents))
	b.SetBytes(restoredEvents * 32)
	b.ResetTimer()
	for range b.N {
		if events := orFatal(ReadPlain(path))(b); len(events) != restoredEvents {
			b.Fatalf("%d events", len(events))
		}
	}
}

// BenchmarkIdleSnapshots is BenchmarkIdleRollup for a Saver that has nothing to do.
func BenchmarkIdleSnapshots(b *testing.B) {
	open := func(with bool) Design {
		if with {
			return IdleSaved(Capacity)
		}
		return Unsaved(Capacity)
	}
	ratios := IdleRatiosOf(open, IdleStores, max(b.N/IdleStores, leastIdleGroups))
	b.ReportMetric(measure.Summarize(ratios).Median, "idle-ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAppendSaved appends to a store whose Saver has nothing to do, or which has none.
func BenchmarkAppendSaved(b *testing.B) {
	b.Run("saver=none/writers=1", func(b *testing.B) { benchmark(b, 1, at(Unsaved), single) })
	b.Run("saver=idle/writers=1", func(b *testing.B) { benchmark(b, 1, at(IdleSaved), single) })
}

// BenchmarkAppendSavedLatency times appends while snapshots are taken back to back.
func BenchmarkAppendSavedLatency(b *testing.B) {
	b.Run("saver=none/writers=1", func(b *testing.B) { latency(b, 1, at(Unsaved)) })
	b.Run("saver=always/writers=1", func(b *testing.B) {
		dir := b.TempDir()
		latencyBesideScanner(b, func() Design { return AlwaysSaved(dir, Capacity) })
	})
}

// BenchmarkReferenceBesideCopyLatency times them while another goroutine copies memory that nobody else uses: what it costs
// that the other processor is busy at all.
func BenchmarkReferenceBesideCopyLatency(b *testing.B) {
	b.Run("writers=1", func(b *testing.B) {
		from, to := make([]byte, copied), make([]byte, copied)
		latencyBesideScanner(b, func() Design {
			d := Unsaved(Capacity)
			d.Scan = func() int { return copy(to, from) }
			return d
		})
	})
}

// copied is how many bytes are copied back and forth: more than caches hold.
const copied = 8 << 20

func failed(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// orFatal ends a benchmark whose preparation fails.
func orFatal[T any](v T, err error) func(*testing.B) T {
	return func(b *testing.B) T {
		b.Helper()
		failed(b, err)
		return v
	}
}
