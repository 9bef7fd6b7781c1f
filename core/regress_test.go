//go:build !explore

package core

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"
)

// A partition that starts to be watched while its oldest linked segments have left already must settle all the same.
func TestPurgeAfterLedgerEnds(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		s := mustNew(t, Options[int]{Capacity: 1 + n%40, Arrival: true})
		for i := range n {
			mustAppend(t, s, i)
		}
		checkLedger(t, s.Ledger())
		finishes(t, "Purge after Ledger", func() {
			wantError(t, "Purge", s.Purge(time.Unix(0, 0)), nil)
			mustSync(t, s)
		})
		l := s.Ledger()
		if checkLedger(t, l); l.Visible != uint64(min(n, 1+n%40)) {
			t.Fatalf("%d events: %+v", n, l)
		}
	}
}

// A refused AddPartition adds nothing.
func TestAddPartitionAfterCloseAddsNothing(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[int]{Capacity: 8})
	wantError(t, "Close", s.Close(), nil)
	_, err := s.AddPartition(PartitionOptions{Capacity: 4})
	wantError(t, "AddPartition", err, ErrClosed)
	if n, c := s.Partitions(), s.Capacity(); n != 1 || c != 8 {
		t.Errorf("%d partitions of capacity %d after a refused AddPartition, want 1 of 8", n, c)
	}
}

// Each step narrows a view, whatever the order of the steps.
func TestNewestThenWhereStaysWithinTheNewest(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[int]{Capacity: 16})
	mustAppend(t, s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	c := s.Cut()
	defer c.Close()
	got, err := c.Newest(3).Where(func(e *int) bool { return *e%2 == 0 }).Copy()
	if err != nil || len(got) != 2 || got[0] != 8 || got[1] != 10 {
		t.Errorf("the even ones of the newest 3 of 1..10: %v, %v, want [8 10]", got, err)
	}
}

// Newest is the end of ByTime, also when the times of a partition are not ascending.
func TestNewestIsTheEndOfByTime(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[int]{Capacity: 16, Partitions: 2, Time: func(e *int) time.Time { return time.Unix(int64(*e), 0) }})
	for i, e := range []int{100, 50, 1, 60} {
		_, err := s.AppendTo(i%2, e)
		wantError(t, "AppendTo", err, nil)
	}
	c := s.Cut()
	defer c.Close()
	all, err := c.ByTime().Copy()
	wantError(t, "ByTime", err, nil)
	for n := range 5 {
		got, err := c.Newest(n).Copy()
		wantError(t, "Newest", err, nil)
		want := all[len(all)-n:]
		for i := range want {
			if len(got) != n || got[i] != want[i] {
				t.Errorf("newest %d: %v, want the end of %v", n, got, all)
				break
			}
		}
	}
}

// A position that was not given out yet shows nothing, also behind a wrap-around of the sequence.
func TestFromAheadOfTheWrapIsEmpty(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[int]{Capacity: 16, StartAt: []uint64{^uint64(0) - 4}})
	mustAppend(t, s, 1, 2, 3)
	c := s.Cut()
	defer c.Close()
	for ahead := range uint64(8) {
		pos := Position{0, ^uint64(0) - 4 + 3 + ahead}
		if n, err := c.From(pos).Count(); n != 0 || err != nil {
			t.Errorf("from %v, %d ahead of the next: %d events, %v, want none", pos, ahead, n, err)
		}
	}
}

// Aggregates are merged in the order of partition, then sequence, what has left included.
func TestRetainedRollupMergesInOrder(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[uint64]{Capacity: 100, Time: func(e *uint64) time.Time { return time.Unix(int64(*e), 0) }})
	r, err := NewRollup(s, tallyMonoid(func(e *uint64) uint64 { return *e }), RollupOptions{Name: "r", Retain: time.Hour})
	wantError(t, "NewRollup", err, nil)
	for i := range uint64(1000) {
		mustAppend(t, s, i+1)
	}
	a, err := r.Query(time.Time{}, time.Time{})
	if err != nil || a.Value != (tally{1000, 500500, 1, 1000}) {
		t.Errorf("rollup of 1..1000: %+v, %v, want first 1 and last 1000", a, err)
	}
}

// Events of no bytes take no room: MaxBytes does not push them out.
func TestMaxBytesKeepsWhatFits(t *testing.T) {
	t.Parallel()
	s := mustNew(t, Options[int]{Capacity: 100, MaxBytes: 10, Size: func(e *int) int { return *e }})
	mustAppend(t, s, 5, 1, 0, 0, 0, 0, 0, 0) // one segment of 8
	mustAppend(t, s, 5, 5)
	if n := s.Len(); n != 8 {
		t.Errorf("%d events, want the newest 8: two of 5 bytes and six of none", n)
	}
}

// A batch that is larger than the segments of a small partition is stored, also when there are empty segments to reuse.
func TestLargeBatchOnSmallPartitionEnds(t *testing.T) {
	t.Parallel()
	for _, owned := range []bool{false, true} {
		for n := 9; n < 40; n++ {
			s := mustNew(t, Options[int]{Capacity: 8})
			appendBatch := s.AppendBatch
			if owned {
				w, err := s.Producer(0)
				wantError(t, "Producer", err, nil)
				appendBatch = w.AppendBatch
			}
			finishes(t, fmt.Sprint("batch of ", n, " owned ", owned), func() {
				for i := range 50 {
					if _, err := appendBatch(make([]int, n)); err != nil {
						t.Error(err)
					}
					_, err := appendBatch(make([]int, i%9))
					wantError(t, "AppendBatch", err, nil)
					if i%7 == 0 {
						wantError(t, "Clear", s.Clear(), nil)
					}
				}
			})
		}
	}
}

// What OnDiscard is owed arrives although the sweep that calls it, when the store is closed, ends early with its context.
func TestCloseBesideASettleThatIsCancelled(t *testing.T) {
	t.Parallel()
	var told, once atomic.Int64
	entered, leave := make(chan struct{}), make(chan struct{})
	s := mustNew(t, Options[int]{Capacity: 8, OnDiscard: func(Position, *int) {
		told.Add(1)
		if once.Add(1) == 1 {
			close(entered)
			<-leave
		}
	}})
	s.sweeper.enter(t.Context()) // so that it is not the background goroutine who delivers
	mustAppend(t, s, make([]int, 3*outbox)...)
	ctx, cancel := context.WithCancel(t.Context())
	settled := make(chan error)
	go func() { // the rest of Settle
		defer s.sweeper.set(free)
		settled <- s.sweepAll(ctx)
	}()
	<-entered
	wantError(t, "Close", s.Close(), nil)
	cancel()
	close(leave)
	wantError(t, "Settle", <-settled, context.Canceled)
	eventually(t, "OnDiscard is told everything", func() bool { return told.Load() == 3*outbox-8 })
	checkLedger(t, s.Ledger())
}

// A partition that was removed while a cut shows it does not look like growth.
func TestRemovalIsNoGrowth(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	s := mustNew(t, Options[int]{Capacity: 8, Clock: clock.now})
	added, err := s.AddPartition(PartitionOptions{Capacity: 1000})
	wantError(t, "AddPartition", err, nil)
	for i := range 500 {
		_, err := s.AppendTo(added, i)
		wantError(t, "AppendTo", err, nil)
	}
	c := s.Cut()
	defer c.Close()
	mustSync(t, s)
	last := s.Stats().LastAppend
	clock.add(time.Hour)
	wantError(t, "RemovePartition", s.RemovePartition(added), nil)
	for range 5 {
		mustSync(t, s)
		if st := s.Stats(); st.Rate != 0 || !st.LastAppend.Equal(last) || st.Appended != 500 {
			t.Fatalf("idle since %v: %d appended, rate %v, last append %v", last, st.Appended, st.Rate, st.LastAppend)
		}
		clock.add(time.Second)
	}
}

// The last d of a clock that may say anything, the zero time too, which elsewhere leaves an end open.
func TestWithinAtTheZeroTime(t *testing.T) {
	t.Parallel()
	now := time.Time{}.Add(time.Hour)
	s := mustNew(t, Options[time.Time]{Capacity: 8, Time: func(e *time.Time) time.Time { return *e }, Clock: func() time.Time { return now }})
	r, err := NewRollup(s, Counting[time.Time](), RollupOptions{Name: "r"})
	wantError(t, "NewRollup", err, nil)
	mustAppend(t, s, time.Time{}.Add(-1), time.Time{}, now)
	c := s.Cut()
	defer c.Close()
	for d, want := range map[time.Duration]int{time.Hour: 2, time.Hour + 1: 3, time.Hour - 1: 1} {
		n, err := c.Within(d).Count()
		if n != want || err != nil {
			t.Errorf("the last %v: %d events, %v, want %d", d, n, err, want)
		}
		a, err := r.Within(d)
		if a.Value != uint64(want) || err != nil {
			t.Errorf("the rollup of the last %v: %d events, %v, want %d", d, a.Value, err, want)
		}
	}
}

// Absurd sizes are above every limit, alone and together.
func TestMaxBytesOfAbsurdSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes []int
		want  int
	}{{[]int{math.MaxInt, 5}, 1}, {[]int{5, math.MaxInt}, 0}, {[]int{math.MaxInt, math.MaxInt}, 0}, {[]int{math.MaxInt, math.MaxInt, 60, 30}, 2}} {
		s := mustNew(t, Options[int]{Capacity: 8, MaxBytes: 100, Size: func(e *int) int { return *e }})
		mustAppend(t, s, c.sizes...)
		if n := s.Len(); n != c.want {
			t.Errorf("sizes %v: %d events in 100 bytes, want %d", c.sizes, n, c.want)
		}
	}
}

// What a Purge moves the floor over because of MaxAge stays expired, although the clock goes back or MaxAge grows before it is
// settled: OnDiscard is not told of it.
func TestExpiredStaysExpired(t *testing.T) {
	t.Parallel()
	type event struct {
		n  int
		at time.Time
	}
	for name, younger := range map[string]func(c *handClock, s *Store[event]) error{
		"the clock goes back": func(c *handClock, _ *Store[event]) error { c.add(-time.Hour); return nil },
		"MaxAge grows": func(_ *handClock, s *Store[event]) error {
			return s.SetLimits(0, PartitionOptions{Capacity: 20, MaxAge: 24 * time.Hour})
		},
		"MaxAge is switched off": func(_ *handClock, s *Store[event]) error { return s.SetLimits(0, PartitionOptions{Capacity: 20}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newHandClock()
			var told []int
			s := mustNew(t, Options[event]{
				Capacity: 20, MaxAge: time.Minute, Clock: clock.now, Time: func(e *event) time.Time { return e.at },
				OnDiscard: func(_ Position, e *event) { told = append(told, e.n) },
			})
			if !s.sweeper.enter(context.Background()) { // nothing is settled meanwhile
				t.Fatal("the sweeper is busy for ever")
			}
			for i := range 22 { // two leave by capacity
				mustAppend(t, s, event{i, clock.now()})
			}
			clock.add(time.Hour)
			wantError(t, "Purge", s.Purge(clock.now().Add(-time.Hour-time.Nanosecond)), nil) // older than all of them
			wantError(t, name, younger(clock, s), nil)
			before := s.Ledger()
			s.sweeper.set(free)
			mustSync(t, s)
			after := s.Ledger()
			for when, l := range map[string]Ledger{"before": before, "behind": after} {
				if checkLedger(t, l); l.Visible != 0 || l.Discarded != 2 || l.Expired != 20 {
					t.Errorf("%s a sweep: %+v, want 20 expired and 2 discarded", when, l)
				}
			}
			if len(told) != 2 || told[0] != 0 || told[1] != 1 {
				t.Errorf("OnDiscard was told of %v, want [0 1]", told)
			}
		})
	}
}
