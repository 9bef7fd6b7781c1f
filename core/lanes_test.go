//go:build !explore

package core

import (
	"errors"
	"slices"
	"testing"
)

// emptyPool takes everything out of the pool and returns it; what the pool loses is found again by provide.
func emptyPool[E any](l *lanes[E]) (out []any) {
	for x := l.pool.Get(); x != nil; x = l.pool.Get() {
		out = append(out, x)
	}
	return out
}

// A store whose only Producer is out behaves like one whose writer was stopped in the middle of an append.
func crowd(t *testing.T, s *Store[int]) (out *Producer[int]) {
	t.Helper()
	emptyPool(s.lanes)
	w := s.lanes.issue()
	if w == nil {
		t.Fatal("no free lane")
	}
	emptyPool(s.lanes)
	return w
}

func appendInts(t *testing.T, s *Store[int], from, to int) (partitions []int) {
	t.Helper()
	for i := from; i < to; i++ {
		pos, err := s.Append(i)
		if err != nil {
			t.Fatal(err)
		}
		partitions = append(partitions, pos.Partition)
	}
	return partitions
}

func visible(s *Store[int]) (all []int) {
	c := s.Cut()
	defer c.Close()
	for _, v := range c.All() {
		all = append(all, *v)
	}
	slices.Sort(all)
	return all
}

func TestLanesOpenWhenCrowded(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 1000, Lanes: 1})
	w := crowd(t, s)
	for _, p := range appendInts(t, s, 0, 10) {
		if p != 1 {
			t.Errorf("append went to partition %d while the lane was out, want the overflow", p)
		}
	}
	if !s.lanes.crowded.Load() {
		t.Error("not crowded, although an append found the pool empty")
	}
	if _, err := w.Append(10); err != nil {
		t.Fatal(err)
	}
	s.lanes.giveBack(w)
	if owner := s.lanes.parts[0].owner.Load(); owner != 0 {
		t.Error("the lane is still exclusive")
	}
	if _, err := w.Append(0); !errors.Is(err, ErrClosed) {
		t.Errorf("append by the Producer of an opened lane: %v, want ErrClosed", err)
	}
	emptyPool(s.lanes) // whatever the pool loses, appends find a lane
	appendInts(t, s, 11, 20)
	if b, err := s.AppendBatch([]int{20, 21, 22}); err != nil || b.Appended() != 3 {
		t.Fatalf("batch: %v, %v", b, err)
	}
	if got := visible(s); len(got) != 23 || got[0] != 0 || got[22] != 22 {
		t.Errorf("visible %v, want 0..22", got)
	}
	if l := s.Ledger(); l.Appended != 23 || l.Visible != 23 {
		t.Errorf("ledger: %+v", l)
	}
}

func TestLanesBecomeExclusiveAgain(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 100, Lanes: 1})
	s.lanes.openFor = 64
	s.lanes.giveBack(func() *Producer[int] { w := crowd(t, s); s.lanes.crowded.Store(true); return w }())
	lane := s.lanes.parts[0]
	for n := 0; lane.next() < 64; n++ {
		if n == 10_000 {
			t.Fatal("the lane took no more appends")
		}
		appendInts(t, s, n, n+1)
	}
	if lane.owner.Load() != 1 {
		t.Error("the lane is still open after its trial")
	}
	if s.lanes.crowded.Load() {
		t.Error("still crowded")
	}
	before := s.Ledger().Appended
	appendInts(t, s, 0, 50)
	if b, err := s.AppendBatch(make([]int, 2*MaxBatch)); err != nil || b.Appended() != 2*MaxBatch {
		t.Fatalf("batch: %v, %v", b, err)
	}
	if got := s.Ledger().Appended - before; got != 50+2*MaxBatch {
		t.Errorf("appended %d more, want %d", got, 50+2*MaxBatch)
	}
}

func TestLanesOpenAndClosed(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 100, Lanes: 2})
	w := crowd(t, s)
	appendInts(t, s, 0, 3)
	s.lanes.giveBack(w)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 { // whatever the pool holds
		if _, err := s.Append(1); !errors.Is(err, ErrClosed) {
			t.Fatalf("append: %v, want ErrClosed", err)
		}
		if _, err := s.AppendBatch([]int{1}); !errors.Is(err, ErrClosed) {
			t.Fatalf("batch: %v, want ErrClosed", err)
		}
		emptyPool(s.lanes)
	}
}

// One crowded moment must not leave everybody on the overflow while the lanes stand open.
func TestLanesLeaveTheOverflow(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 900, Lanes: 2})
	w := crowd(t, s)
	appendInts(t, s, 0, 1)
	s.lanes.giveBack(w)
	for n := 0; ; n++ {
		if p := appendInts(t, s, n, n+1)[0]; p != 2 {
			return
		}
		if n > 2*overflowOpenFor {
			t.Fatalf("%d appends in a row went to the overflow", n)
		}
	}
}
