//go:build !explore

package core

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Capacity changes at once and exactly; what left stays away.
func TestResize(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 100})
	for i := range 1000 {
		mustAppend(t, s, i)
	}
	show := func(capacity, want int) {
		t.Helper()
		wantError(t, "SetCapacity", s.SetCapacity(0, capacity), nil)
		c := s.Cut()
		defer c.Close()
		first, next, err := c.Bounds(0)
		wantError(t, "Bounds", err, nil)
		if c.Len() != want || next-first != uint64(want) || s.Capacity() != capacity {
			t.Errorf("capacity %d: %d visible, [%d,%d), want %d", s.Capacity(), c.Len(), first, next, want)
		}
		checkLedger(t, s.Ledger())
	}
	show(7, 7)
	show(5000, 7)
	for i := range 6000 {
		mustAppend(t, s, i)
	}
	show(5000, 5000)
	show(1, 1)
	for _, bad := range []int{0, -1} {
		wantError(t, "SetCapacity to a bad capacity", s.SetCapacity(0, bad), ErrOption)
	}
	wantError(t, "SetCapacity of no partition", s.SetCapacity(3, 10), ErrNoPartition)
	wantError(t, "Close", s.Close(), nil)
	wantError(t, "SetCapacity after Close", s.SetCapacity(0, 10), ErrClosed)
}

// Writers, readers and settling go on while the capacity changes: cuts are contiguous, the head never goes back, every
// discarded event is told once.
func TestResizeUnderWriters(t *testing.T) {
	var mu sync.Mutex
	var told uint64
	s := mustNew(t, Options[uint64]{Capacity: 64, OnDiscard: func(pos Position, _ *uint64) {
		mu.Lock()
		defer mu.Unlock()
		if pos.Sequence < told {
			t.Errorf("%v told behind %d", pos, told)
		}
		told = pos.Sequence + 1
	}})
	var writers, others sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		writers.Go(func() {
			for i := range uint64(pick(200_000, 20_000)) {
				mustAppend(t, s, i)
			}
		})
	}
	others.Go(func() {
		for n := 1; ; n = n*7%4093 + 1 {
			wantError(t, "SetCapacity", s.SetCapacity(0, n), nil)
			runtime.Gosched()
			select {
			case <-done:
				return
			default:
			}
		}
	})
	others.Go(func() {
		low := uint64(0)
		for {
			c := s.Cut()
			first, next, _ := c.Bounds(0)
			n := uint64(0)
			for range c.All() {
				n++
			}
			c.Close()
			if next-first != n || first < low {
				t.Errorf("[%d,%d) shows %d, the head was at %d", first, next, n, low)
			}
			low = first
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	others.Wait()
	mustSync(t, s)
	l := s.Ledger()
	checkLedger(t, l)
	if l.Discarded != told {
		t.Errorf("%d discarded, told up to %d, %d undelivered", l.Discarded, told, l.Undelivered)
	}
}

// The fold of a segment comes with any part of it that a view selects.
func TestFolds(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 3000, Arrival: true})
	r, err := NewRollup(s, Monoid[int, []int]{
		Zero:  func() []int { return nil },
		Add:   func(acc *[]int, e *int) { *acc = append(*acc, *e) },
		Merge: func(into, from *[]int) { *into = append(*into, *from...) },
	}, RollupOptions{Name: "all"})
	wantError(t, "NewRollup", err, nil)
	for i := range 5000 {
		mustAppend(t, s, i)
	}
	c := s.Cut()
	defer c.Close()
	for _, v := range []View[int]{c.View(), c.Where(func(e *int) bool { return *e%7 != 0 }), c.Newest(1500)} {
		want, err := v.Copy()
		wantError(t, "Copy", err, nil)
		var got []int
		folded := 0
		for f := range r.Folds(v) {
			for i, e := range f.Events {
				if f.Value != nil && (*f.Value)[f.Offset+i] != e {
					t.Fatalf("%v: slot %d holds %d, its fold %d", f.First, f.Offset+i, e, (*f.Value)[f.Offset+i])
				}
			}
			if f.Value != nil {
				folded++
			}
			got = append(got, f.Events...)
		}
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] || folded == 0 {
			t.Errorf("%d events in folds, %d in the view, %d runs folded", len(got), len(want), folded)
		}
	}
	other := mustNew(t, Options[int]{Arrival: true})
	for range 2000 {
		mustAppend(t, other, 1)
	}
	foreign := other.Cut()
	defer foreign.Close()
	for f := range r.Folds(foreign.View()) {
		if f.Value != nil {
			t.Error("a fold of another store")
		}
	}
}

func TestSetLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	s := mustNew(t, Options[int]{
		Capacity: 1, Time: func(e *int) time.Time { return time.Unix(int64(*e), 0) }, Size: func(*int) int { return 10 },
		Clock: func() time.Time { return now },
	})
	p, err := s.AddPartition(PartitionOptions{Capacity: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := s.AppendTo(p, 950+i); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		o    PartitionOptions
		want int
	}{
		{PartitionOptions{Capacity: 100}, 50},
		{PartitionOptions{Capacity: 100, MaxAge: 40 * time.Second}, 40},
		{PartitionOptions{Capacity: 100, MaxAge: 40 * time.Second, MaxBytes: 300}, 30},
		{PartitionOptions{Capacity: 20, MaxAge: 40 * time.Second, MaxBytes: 300}, 20},
		{PartitionOptions{Capacity: 100}, 20},
	} {
		if err := s.SetLimits(p, c.o); err != nil {
			t.Fatal(err)
		}
		cut := s.Cut(p)
		if got := cut.Len(); got != c.want {
			t.Errorf("with %+v there are %d events, want %d", c.o, got, c.want)
		}
		cut.Close()
		got, err := s.Limits(p)
		if err != nil || got != c.o {
			t.Errorf("limits %+v, %v, want %+v", got, err, c.o)
		}
		mustSync(t, s)
		checkLedger(t, s.Ledger())
	}
	wantError(t, "no such partition", s.SetLimits(9, PartitionOptions{Capacity: 1}), ErrNoPartition)
	wantError(t, "no capacity", s.SetLimits(p, PartitionOptions{}), ErrOption)
	_ = s.Close()
	wantError(t, "closed", s.SetLimits(p, PartitionOptions{Capacity: 1}), ErrClosed)
}
