//go:build !explore

package core

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"testing"
)

// Opening and closing many stores of every kind leaves no goroutine behind.
func TestThousandStoresLeaveNoGoroutine(t *testing.T) {
	base := runtime.NumGoroutine()
	for i := range pick(1000, 200) {
		o := Options[int]{Capacity: 16, Arrival: i%2 == 0}
		if i%3 == 0 {
			o.Lanes = 2
		}
		if i%5 == 0 {
			o.OnDiscard = func(Position, *int) {}
		}
		s, err := New(o)
		wantError(t, "New", err, nil)
		for k := range 20 {
			mustAppend(t, s, k)
		}
		wantError(t, "Close", s.Close(), nil)
	}
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= base })
}

// A tracked event keeps something alive whose end can be seen.
type tracked struct {
	n    int
	body *[64]byte
}

// A tracker makes tracked events and counts the bodies that are still reachable.
type tracker struct{ alive atomic.Int64 }

func (k *tracker) make(n int) tracked {
	body := new([64]byte)
	k.alive.Add(1)
	runtime.AddCleanup(body, func(k *tracker) { k.alive.Add(-1) }, k)
	return tracked{n, body}
}

func (k *tracker) falls(t *testing.T, what string, to int64) {
	t.Helper()
	eventually(t, what, func() bool {
		runtime.GC()
		return k.alive.Load() <= to
	})
}

// What Clear forgets is free for the collector at once, without further appends.
func TestClearReleasesMemory(t *testing.T) {
	for _, n := range []int{1, 7, 100, 5000} {
		k := new(tracker)
		s := mustNew(t, Options[tracked]{Capacity: 2000})
		for i := range n {
			mustAppend(t, s, k.make(i))
		}
		k.falls(t, "discarded events are released", 2000+3*512)
		wantError(t, "Clear", s.Clear(), nil)
		k.falls(t, "cleared events are released", 0)
		runtime.KeepAlive(s)
	}
}

// Events that were lapped do not stay reachable in segments that wait to be reused.
func TestLappedEventsAreReleased(t *testing.T) {
	const capacity = 256
	k := new(tracker)
	s := mustNew(t, Options[tracked]{Capacity: capacity})
	for i := range 5000 {
		mustAppend(t, s, k.make(i))
	}
	for i := range 20 * capacity {
		mustAppend(t, s, tracked{n: i})
	}
	k.falls(t, "lapped events are released", 0)
	runtime.KeepAlive(s)
}

// A batch and a delivered discard leave no copy in the workspaces of the store.
func TestWorkspacesReleaseEvents(t *testing.T) {
	k := new(tracker)
	s := mustNew(t, Options[tracked]{
		Capacity: 16, Partitions: 2, Key: func(e tracked) string { return string(rune('a' + e.n%5)) },
		OnDiscard: func(Position, *tracked) {},
	})
	func() {
		batch := make([]tracked, 300)
		for i := range batch {
			batch[i] = k.make(i)
		}
		_, err := s.AppendBatch(batch)
		wantError(t, "AppendBatch", err, nil)
	}()
	mustSync(t, s)
	wantError(t, "Clear", s.Clear(), nil)
	mustSync(t, s)
	k.falls(t, "events of a batch are released", 0)
	runtime.KeepAlive(s)
}

// A closed cut keeps nothing alive.
func TestClosedCutReleasesMemory(t *testing.T) {
	k := new(tracker)
	s := mustNew(t, Options[tracked]{Capacity: 64})
	for i := range 64 {
		mustAppend(t, s, k.make(i))
	}
	c := s.Cut()
	wantError(t, "Clear", s.Clear(), nil)
	runtime.GC()
	if n := k.alive.Load(); n != 64 {
		t.Errorf("%d events alive under an open cut, want 64", n)
	}
	c.Close()
	mustSync(t, s)
	k.falls(t, "events of a closed cut are released", 0)
	runtime.KeepAlive(c)
	runtime.KeepAlive(s)
}

// Twenty thousand small partitions: all readable, at most 2 KiB each with three events of 32 bytes, half of them
// removable, and accounted for.
func TestTwentyThousandPartitions(t *testing.T) {
	type event [4]uint64
	n := pick(20_000, 3_000)
	s := mustNew(t, Options[event]{Capacity: 1})
	before := heapNow()
	for i := range n {
		p, err := s.AddPartition(PartitionOptions{Capacity: 1000})
		if err != nil || p != i+1 {
			t.Fatalf("AddPartition: %d, %v", p, err)
		}
		for k := range uint64(3) {
			_, err := s.AppendTo(p, event{uint64(p), k})
			wantError(t, "AppendTo", err, nil)
		}
	}
	if each := (heapNow() - before) / int64(n); bits.UintSize == 64 && !raceDetector && each > 2048 {
		t.Errorf("%d bytes per partition, want at most 2048", each)
	} else {
		t.Logf("%d bytes per partition", each)
	}
	count := map[uint64]int{}
	c := s.Cut()
	for pos, e := range c.All() {
		if e[0] != uint64(pos.Partition) || e[1] != pos.Sequence {
			t.Fatalf("%v holds %v", pos, *e)
		}
		count[e[0]]++
	}
	c.Close()
	for p, k := range count {
		if k != 3 {
			t.Fatalf("partition %d shows %d events", p, k)
		}
	}
	for p := 1; p <= n; p += 2 {
		wantError(t, "RemovePartition", s.RemovePartition(p), nil)
	}
	mustSync(t, s)
	l := s.Ledger()
	removed := uint64((n + 1) / 2)
	checkLedger(t, l)
	if len(count) != n || l.Appended != uint64(3*n) || l.Cleared != 3*removed || l.Visible != uint64(3*n)-3*removed ||
		s.Partitions() != 1+n-int(removed) || s.Len() != int(l.Visible) {
		t.Errorf("%d partitions seen, %d left: %+v", len(count), s.Partitions(), l)
	}
}
