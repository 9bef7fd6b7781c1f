//go:build !explore

package core

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// A stall is a store in which one writer of n events, all -1, stands between reservation and publication.
type stall struct {
	s      *Store[int]
	finish func() Position
	n      int
	next   int // the event that follows
}

func newStall(t *testing.T, o Options[int], n int, retain bool) (*stall, *Rollup[int, uint64]) {
	t.Helper()
	o.Arrival = true
	x := &stall{s: mustNew(t, o), n: n}
	var r *Rollup[int, uint64]
	if retain {
		var err error
		r, err = NewRollup(x.s, Counting[int](), RollupOptions{Name: "r", Retain: time.Hour})
		wantError(t, "NewRollup", err, nil)
	}
	x.run(t, 5)
	if n == 1 {
		one := ReserveOnly(x.s, 0)
		x.finish = func() Position { return one(-1) }
		return x, r
	}
	many, batch := ReserveBatchOnly(x.s, 0, n), make([]int, n)
	for i := range batch {
		batch[i] = -1
	}
	x.finish = func() Position { return many(batch) }
	return x, r
}

func (x *stall) run(t *testing.T, events int) {
	t.Helper()
	for range events {
		mustAppend(t, x.s, x.next)
		x.next++
	}
}

// audit checks that a cut shows a contiguous run of the right events, and returns how many and the holes.
func (x *stall) audit(t *testing.T) (shown int, holes uint64) {
	t.Helper()
	c := x.s.Cut()
	defer c.Close()
	var next uint64
	for pos, e := range c.All() {
		want := int(pos.Sequence) // five events, then those of the stalled writer, then the others
		if want >= 5+x.n {
			want -= x.n
		} else if want >= 5 {
			want = -1
		}
		if *e != want || shown > 0 && pos.Sequence != next {
			t.Errorf("%d at %v after %d, want %d", *e, pos, next, want)
		}
		next = pos.Sequence + 1
		shown++
	}
	return shown, c.Holes()
}

// release lets the stalled writer finish, in a goroutine of its own beside the caller, and returns when it has.
func (x *stall) release(t *testing.T, beside func()) {
	t.Helper()
	done := make(chan Position)
	go func() { done <- x.finish() }()
	beside()
	if pos := <-done; pos != (Position{0, 5}) {
		t.Errorf("the stalled append was stored at %v, want 0@5", pos)
	}
}

// While a writer stands still, others run many laps: readers see a contiguous published prefix, later all is accounted.
func TestStalledWriterBlocksNobody(t *testing.T) {
	for _, capacity := range []int{1, 16, 300, 2000} {
		for _, n := range []int{1, 7} {
			t.Run(fmt.Sprint("capacity=", capacity, "/batch=", n), func(t *testing.T) {
				x, _ := newStall(t, Options[int]{Capacity: capacity}, n, false)
				x.run(t, 10)
				if shown, holes := x.audit(t); capacity >= 300 && (shown != 5 || holes != uint64(n)+10) {
					t.Errorf("behind a stalled writer: %d shown, %d holes, want 5 and %d", shown, holes, n+10)
				}
				for range 20 {
					x.run(t, capacity)
					x.audit(t)
					if l := x.s.Ledger(); !l.Balanced() || l.Appended != uint64(x.next+n) {
						t.Fatalf("ledger %+v", l)
					}
				}
				x.release(t, func() { x.audit(t) })
				x.run(t, 3*capacity)
				shown, holes := x.audit(t)
				l := x.s.Ledger()
				if checkLedger(t, l); shown != capacity || holes != 0 || l.Discarded != uint64(x.next+n-capacity) {
					t.Errorf("at the end: %d shown, %d holes, %+v", shown, holes, l)
				}
			})
		}
	}
}

// With room to wait, a stalled writer costs neither OnDiscard nor a rollup a single event.
func TestStalledWriterLosesNothing(t *testing.T) {
	var calls, late atomic.Uint64
	x, r := newStall(t, Options[int]{Capacity: 64, OnDiscard: func(_ Position, e *int) {
		if calls.Add(1); *e < 0 {
			late.Add(1)
		}
	}}, 7, true)
	x.run(t, 64*50)
	mustSync(t, x.s)
	a, err := r.Query(time.Time{}, time.Time{})
	if wantError(t, "Query", err, nil); a.Unfolded != 0 || a.Value != uint64(x.next) {
		t.Errorf("rollup beside a stalled writer: %+v, want the %d published", a, x.next)
	}
	if l := x.s.Ledger(); !l.Balanced() || l.InFlight == 0 {
		t.Errorf("the ledger does not show the stalled writer: %+v", l)
	}
	if calls.Load() != 5 {
		t.Errorf("OnDiscard ran %d times, want the 5 in front of the stalled writer", calls.Load())
	}
	x.release(t, func() { mustSync(t, x.s) })
	mustSync(t, x.s)
	l := x.s.Ledger()
	checkLedger(t, l)
	if l.Undelivered+l.Unfolded != 0 || calls.Load() != l.Discarded || late.Load() != 7 {
		t.Errorf("OnDiscard ran %d times, %d for the stalled writer: %+v", calls.Load(), late.Load(), l)
	}
	a, err = r.Query(time.Time{}, time.Time{})
	if err != nil || a.Value != l.Appended || !a.Exact() {
		t.Errorf("rollup: %+v, %v, want all %d", a, err, l.Appended)
	}
}

// With little room to wait, what is given up is counted exactly: told + undelivered = discarded, and the same for folds.
func TestStalledWriterLossIsCounted(t *testing.T) {
	for _, n := range []int{1, 7} {
		t.Run(fmt.Sprint("batch=", n), func(t *testing.T) { stalledLoss(t, n) })
	}
}

func stalledLoss(t *testing.T, n int) {
	var calls atomic.Uint64
	x, r := newStall(t, Options[int]{
		Capacity: 64, MaxPending: 128, OnDiscard: func(Position, *int) { calls.Add(1) },
	}, n, true)
	x.run(t, 80)
	mustSync(t, x.s) // settles what stands in front of the stalled writer, in the same segment
	x.run(t, 64*50)
	mustSync(t, x.s)
	if l := x.s.Ledger(); !l.Balanced() || l.Undelivered == 0 || l.Unfolded == 0 {
		t.Errorf("nothing was given up although MaxPending is small: %+v", l)
	}
	x.release(t, func() { x.run(t, 64*3) })
	mustSync(t, x.s)
	l := x.s.Ledger()
	if checkLedger(t, l); calls.Load()+l.Undelivered != l.Discarded || l.Visible != 64 {
		t.Errorf("OnDiscard ran %d times: %+v", calls.Load(), l)
	}
	a, err := r.Query(time.Time{}, time.Time{})
	if err != nil || a.Value+a.Unfolded != l.Appended || a.Unfolded != l.Unfolded {
		t.Errorf("rollup %+v, %v, appended %d, unfolded %d", a, err, l.Appended, l.Unfolded)
	}
	if l.Undelivered > 64*50 || x.s.Stats().Undelivered != l.Undelivered {
		t.Errorf("%d undelivered, stats say %d", l.Undelivered, x.s.Stats().Undelivered)
	}
}
