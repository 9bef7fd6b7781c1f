package benchmarks

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept opens a window with a store in a file.
func kept(tb testing.TB, path, synchronous string, capacity int) *Kept {
	tb.Helper()
	k, err := OpenKept(context.WithoutCancel(tb.Context()), path, synchronous, capacity)
	check(tb, err)
	return k
}

// looped opens the loop written by hand, until the end of the test.
func looped(tb testing.TB, synchronous string) *SQLiteLoop {
	tb.Helper()
	l, err := OpenSQLiteLoop(context.WithoutCancel(tb.Context()), filepath.Join(tb.TempDir(), "l.db"), synchronous)
	check(tb, err)
	tb.Cleanup(func() { check(tb, l.Close()) })
	return l
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

var synchronous = []string{"normal", "full"}

// An operation is a flush of 1,000 signals.
func BenchmarkFlush(b *testing.B) {
	for _, sync := range synchronous {
		b.Run("synchronous="+sync, func(b *testing.B) {
			k := kept(b, filepath.Join(b.TempDir(), "s.db"), sync, 10*Flushed)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				check(b, k.Raise())
				b.StartTimer()
				check(b, k.Flush(b.Context()))
			}
			b.StopTimer()
			check(b, k.Close())
		})
	}
}

func BenchmarkReferenceSQLiteInsert(b *testing.B) {
	for _, sync := range synchronous {
		b.Run("synchronous="+sync, func(b *testing.B) {
			l, batch := looped(b, sync), ServiceSignals(Flushed)
			b.ResetTimer()
			for range b.N {
				b.StopTimer() // for nothing, as in the benchmark of a flush
				b.StartTimer()
				check(b, l.Insert(b.Context(), batch))
			}
		})
	}
}

// An operation brings the signals of a file back into a window.
func BenchmarkLoad(b *testing.B) {
	b.Run(fmt.Sprintf("signals=%d", Loaded), func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "s.db")
		k := kept(b, path, "normal", 10*Flushed)
		for range Loaded / Flushed {
			check(b, k.Raise())
			check(b, k.Flush(b.Context()))
		}
		check(b, k.Close())
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			b.StopTimer()
			k := kept(b, path, "normal", Loaded)
			b.StartTimer()
			if n, err := k.Load(b.Context()); n != Loaded || err != nil {
				b.Fatalf("%d signals, %v", n, err)
			}
			b.StopTimer()
			check(b, k.Close())
		}
	})
}

func BenchmarkReferenceSQLiteSelect(b *testing.B) {
	b.Run(fmt.Sprintf("signals=%d", Loaded), func(b *testing.B) {
		l, batch := looped(b, "normal"), ServiceSignals(Flushed)
		for range Loaded / Flushed {
			check(b, l.Insert(b.Context(), batch))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if list, err := l.Select(b.Context(), Loaded); len(list) != Loaded || err != nil {
				b.Fatalf("%d signals, %v", len(list), err)
			}
		}
	})
}

// The window and the loop keep the same signals, and give them back.
func TestFlushAndLoopKeepTheSame(t *testing.T) {
	const batches = 3
	path := filepath.Join(t.TempDir(), "s.db")
	k, l := kept(t, path, "normal", 10*Flushed), looped(t, "normal")
	for range batches {
		check(t, k.Raise())
		check(t, k.Flush(t.Context()))
		check(t, l.Insert(t.Context(), ServiceSignals(Flushed)))
	}
	check(t, k.Close())
	selected, err := l.Select(t.Context(), batches*Flushed)
	check(t, err)
	again := kept(t, path, "normal", batches*Flushed)
	n, err := again.Load(t.Context())
	check(t, err)
	if n != batches*Flushed || n != len(selected) {
		t.Fatalf("%d and %d signals came back", n, len(selected))
	}
	for i := range selected {
		selected[i].Restored = true
	}
	if diff := cmp.Diff(selected, must(again.Window.Sense(""))); diff != "" {
		t.Errorf("the window gives back other signals than the loop:\n%s", diff)
	}
	check(t, again.Close())
}
