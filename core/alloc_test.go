//go:build !explore

package core

import (
	"fmt"
	"testing"
)

type allocEvent struct {
	key  string
	a, b uint64
}

func allocKey(e allocEvent) string { return e.key }

// wantNoAllocs warms f up until segments are reused, and then allows it not a single allocation.
func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	for range 3000 {
		f()
	}
	if n := testing.AllocsPerRun(5000, f); n != 0 {
		t.Errorf("%s allocates %v times", what, n)
	}
}

func skipUnderRace(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
}

// Appends do not allocate once segments are being reused, on any path.
func TestAppendsDoNotAllocate(t *testing.T) {
	skipUnderRace(t)
	e := allocEvent{"k", 1, 2}
	batch := make([]allocEvent, 64)
	for _, capacity := range []int{1, 100, 4096} {
		s := mustNew(t, Options[allocEvent]{Capacity: capacity})
		wantNoAllocs(t, "Append", func() { _, _ = s.Append(e) })
		wantNoAllocs(t, "AppendTo", func() { _, _ = s.AppendTo(0, e) })
		next, err := s.Next(0)
		wantError(t, "Next", err, nil)
		wantNoAllocs(t, "AppendIf", func() {
			pos, err := s.AppendIf(0, next, e)
			if next = pos.Sequence + 1; err != nil {
				t.Error(err)
			}
		})
	}
	s := mustNew(t, Options[allocEvent]{Capacity: 4096})
	wantNoAllocs(t, "AppendBatch", func() { _, _ = s.AppendBatch(batch) })
	w, err := s.Producer(0)
	wantError(t, "Producer", err, nil)
	wantNoAllocs(t, "Producer.Append", func() { _, _ = w.Append(e) })
	wantNoAllocs(t, "Producer.AppendBatch", func() { _, _ = w.AppendBatch(batch) })
	lanes := mustNew(t, Options[allocEvent]{Capacity: 4096, Lanes: 2})
	wantNoAllocs(t, "Append on lanes", func() { _, _ = lanes.Append(e) })
	wantNoAllocs(t, "AppendBatch on lanes", func() { _, _ = lanes.AppendBatch(batch) })
}

// Placement by key does not allocate for keys that are known.
func TestKeyedAppendsDoNotAllocate(t *testing.T) {
	skipUnderRace(t)
	e := allocEvent{"a key that is known", 1, 2}
	for _, limit := range []int{0, 10} {
		s := mustNew(t, Options[allocEvent]{Capacity: 4096, Partitions: 4, Key: allocKey, MaxKeys: limit})
		wantNoAllocs(t, "keyed Append", func() { _, _ = s.Append(e) })
		batch := []allocEvent{e, e, e}
		wantNoAllocs(t, "keyed AppendBatch", func() { _, _ = s.AppendBatch(batch) })
	}
}

// A cut of one partition is free for the heap.
func TestCutDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	s := mustNew(t, Options[allocEvent]{Capacity: 4096})
	for range 10_000 {
		mustAppend(t, s, allocEvent{})
	}
	wantNoAllocs(t, "Cut", func() {
		c := s.Cut()
		c.Close()
	})
}

// A refusal allocates nothing: a closed or owned store is no way to load the collector.
func TestRefusedAppendsDoNotAllocate(t *testing.T) {
	skipUnderRace(t)
	var e allocEvent
	s := mustNew(t, Options[allocEvent]{Capacity: 64, Key: allocKey, MaxKeys: 1})
	mustAppend(t, s, e)
	refuse := func(what string, want error, f func() error) {
		t.Helper()
		wantNoAllocs(t, what, func() {
			if f() != want {
				t.Errorf("%s: not %v", what, want)
			}
		})
	}
	one := func() error { _, err := s.AppendTo(0, e); return err }
	refuse("conflict", ErrConflict, func() error { _, err := s.AppendIf(0, 1<<40, e); return err })
	refuse("full keys", ErrKeysFull, func() error { _, err := s.Append(allocEvent{key: "new"}); return err })
	refuse("no partition", ErrNoPartition, func() error { _, err := s.AppendTo(9, e); return err })
	w, err := s.Producer(0)
	wantError(t, "Producer", err, nil)
	refuse("owned", ErrOwned, one)
	wantError(t, "Producer.Close", w.Close(), nil)
	wantError(t, "Close", s.Close(), nil)
	refuse("closed", ErrClosed, one)
}

// A lone writer without readers lives on the segments it has, whatever the capacity: AllocsPerRun rounds a rare
// allocation down to none, so the segments themselves are counted.
func TestSteadyAppendsReuseSegments(t *testing.T) {
	for _, capacity := range append([]int{256, 300, 511, 512, 2048, 3000}, oddCapacities...) {
		for _, owned := range []bool{false, true} {
			t.Run(fmt.Sprint("capacity=", capacity, "/owned=", owned), func(t *testing.T) {
				// Without the background goroutine, whose turn at the maintenance may cost a fresh segment.
				p := newPartition(&config[textEvent]{pointers: true}, 0, capacity, 0)
				write := p.append
				if owned {
					w, err := p.produce(nil)
					wantError(t, "produce", err, nil)
					write = w.Append
				}
				lap := func() uint64 {
					for range 20*capacity + 2000 {
						if _, err := write(textEvent{}); err != nil {
							t.Fatal(err)
						}
					}
					return p.fresh.Load()
				}
				lap()
				if before, after := lap(), lap(); after > before {
					t.Errorf("%d fresh segments in %d appends", after-before, 20*capacity+2000)
				}
			})
		}
	}
}
