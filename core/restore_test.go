//go:build !explore

package core

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type order struct {
	customer string
	amount   float64
	at       time.Time
}

// saved is what a snapshot would keep of a store.
type saved struct {
	options Options[order]
	next    map[int]uint64
}

// save reads everything out of a store through its exported methods, as a snapshot does.
func save(t *testing.T, s *Store[order], o Options[order]) saved {
	t.Helper()
	layout := s.Layout()
	o.Epoch, o.KeyNames, o.StartAt = s.Epoch(), s.Keys().Names(), nil
	o.Restore = Restore[order]{PurgedBefore: s.PurgedBefore()}
	cut := s.Cut()
	defer cut.Close()
	v := saved{next: map[int]uint64{}}
	var blocks []Block[order]
	for _, i := range cut.PartitionNumbers() {
		first, next, err := cut.Bounds(i)
		if err != nil {
			t.Fatal(err)
		}
		v.next[i] = next
		if i < layout.Fixed {
			o.StartAt = append(o.StartAt, first)
		} else {
			limits, err := s.Limits(i)
			if err != nil {
				t.Fatal(err)
			}
			limits.StartAt = first
			o.Restore.Added = append(o.Restore.Added, AddedPartition{i, limits})
		}
		at := first
		for b := range cut.Blocks(i, first) {
			if b.First != at {
				t.Fatalf("partition %d: block at %d, want %d", i, b.First, at)
			}
			at += uint64(len(b.Events))
			blocks = append(blocks, Block[order]{i, b.First, slices.Clone(b.Events), slices.Clone(b.Arrived)})
		}
		if at != next {
			t.Fatalf("partition %d: blocks end at %d, want %d", i, at, next)
		}
	}
	o.Restore.Events = sequence(blocks, nil)
	v.options = o
	return v
}

// sequence yields the blocks, and then the error if there is one.
func sequence(blocks []Block[order], err error) iter.Seq2[Block[order], error] {
	return func(yield func(Block[order], error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
		if err != nil {
			yield(Block[order]{}, err)
		}
	}
}

// restorations are stores of every kind.
func restorations(now func() time.Time) map[string]Options[order] {
	at := func(o *order) time.Time { return o.at }
	return map[string]Options[order]{
		"ordered": {Capacity: 300, Time: at, Clock: now},
		"keyed":   {Capacity: 500, Partitions: 5, MaxKeys: 40, Key: func(o order) string { return o.customer }, Time: at, Clock: now},
		"aged":    {Capacity: 400, Time: at, MaxAge: 40 * time.Minute, Clock: now},
		"arrival": {Capacity: 200, Arrival: true, MaxAge: 40 * time.Minute, Clock: now},
		"bytes":   {Capacity: 300, MaxBytes: 3000, Size: func(o *order) int { return 10 + len(o.customer) }, Time: at, Clock: now},
		"lanes":   {Capacity: 700, Lanes: 3, Time: at, Clock: now},
		"timeless": {
			Capacity: 100, Partitions: 3, StartAt: []uint64{1<<64 - 20, 1 << 63, 7},
			Key: func(o order) string { return o.customer },
		},
	}
}

// TestRestoreIsFaithful restores a store twice in a row after random operations and wants it to look the same: events,
// positions, keys, hidden events, time floor; and to go on where it was.
func TestRestoreIsFaithful(t *testing.T) {
	for seed := firstSeed(t); seed < firstSeed(t)+uint64(pick(12, 3)); seed++ {
		clock := newHandClock()
		for name, o := range restorations(clock.now) {
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				s := mustNew(t, o)
				for range 3 {
					play(t, r, s, clock)
					v := save(t, s, o)
					again := mustNew(t, v.options)
					compareStores(t, s, again)
					for i, next := range v.next {
						if got, err := again.Next(i); err != nil || got != next {
							t.Fatalf("partition %d goes on at %d, %v, want %d", i, got, err, next)
						}
					}
					s = again
				}
			})
		}
	}
}

// play does random operations.
func play(t *testing.T, r *rand.Rand, s *Store[order], clock *handClock) {
	t.Helper()
	for range 60 {
		clock.add(time.Duration(r.IntN(60)) * time.Second)
		now := clock.now()
		batch := make([]order, r.IntN(40))
		for i := range batch {
			batch[i] = order{fmt.Sprintf("c%d", r.IntN(30)), r.Float64(), now.Add(-time.Duration(r.IntN(5000)) * time.Second)}
		}
		if _, err := s.AppendBatch(batch); err != nil {
			t.Fatal(err)
		}
		all := s.PartitionNumbers()
		if last := all[len(all)-1]; last >= s.Layout().Fixed {
			if _, err := s.AppendBatchTo(last, batch); err != nil {
				t.Fatal(err)
			}
		}
		switch r.IntN(60) {
		case 0:
			if err := s.Clear(); err != nil {
				t.Fatal(err)
			}
		case 1, 2:
			if s.conf.timed() {
				if err := s.Purge(now.Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
		case 3, 4, 5, 6:
			if s.lanes == nil {
				if _, err := s.AddPartition(PartitionOptions{Capacity: 1 + r.IntN(50), StartAt: r.Uint64()}); err != nil {
					t.Fatal(err)
				}
			}
		case 7:
			if last := all[len(all)-1]; last >= s.Layout().Fixed {
				if err := s.RemovePartition(last); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func compareStores(t *testing.T, a, b *Store[order]) {
	t.Helper()
	x, y := a.Cut(), b.Cut()
	defer x.Close()
	defer y.Close()
	if !slices.Equal(x.PartitionNumbers(), y.PartitionNumbers()) {
		t.Fatalf("partitions %v, want %v", y.PartitionNumbers(), x.PartitionNumbers())
	}
	type item struct {
		pos   Position
		event order
	}
	list := func(c *Cut[order]) (items []item) {
		for pos, e := range c.All() {
			items = append(items, item{pos, *e})
		}
		return items
	}
	if want, got := list(x), list(y); !slices.Equal(want, got) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	if a.Epoch() != b.Epoch() || !slices.Equal(a.Keys().Names(), b.Keys().Names()) || !a.PurgedBefore().Equal(b.PurgedBefore()) {
		t.Fatal("epoch, keys or purge differ")
	}
	l := b.Ledger()
	checkLedger(t, l)
	if l.Appended != 0 || l.Restored < l.Visible || l.Discarded != 0 {
		t.Fatalf("ledger %+v", l)
	}
	if st := b.Stats(); st.Appended != 0 || st.Rate != 0 || !st.LastAppend.IsZero() {
		t.Fatalf("restoring counts as appending: %v", st)
	}
}

func TestRestoreIsRefused(t *testing.T) {
	broken := errors.New("broken object")
	block := func(partition int) []Block[order] {
		return []Block[order]{{Partition: partition, Events: make([]order, 3)}}
	}
	for name, c := range map[string]struct {
		o    Options[order]
		want error
	}{
		"source fails":      {Options[order]{Arrival: true, Restore: Restore[order]{Events: sequence(nil, broken)}}, broken},
		"unknown partition": {Options[order]{Restore: Restore[order]{Events: sequence(block(1), nil)}}, ErrNoPartition},
		"no arrival times":  {Options[order]{Arrival: true, Restore: Restore[order]{Events: sequence(block(0), nil)}}, ErrArgument},
		"number taken":      {Options[order]{Restore: Restore[order]{Added: []AddedPartition{{0, PartitionOptions{Capacity: 1}}}}}, ErrOption},
		"number twice": {Options[order]{Restore: Restore[order]{Added: []AddedPartition{
			{2, PartitionOptions{Capacity: 1}}, {2, PartitionOptions{Capacity: 1}},
		}}}, ErrOption},
		"number too great": {Options[order]{Restore: Restore[order]{Added: []AddedPartition{{MaxPartitionNumbers, PartitionOptions{Capacity: 1}}}}}, ErrOption},
		"bad limits":       {Options[order]{Restore: Restore[order]{Added: []AddedPartition{{2, PartitionOptions{}}}}}, ErrOption},
		"lanes":            {Options[order]{Lanes: 2, Restore: Restore[order]{Added: []AddedPartition{{9, PartitionOptions{Capacity: 1}}}}}, ErrOption},
		"purge, no time":   {Options[order]{Restore: Restore[order]{PurgedBefore: time.Now()}}, ErrOption},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(c.o)
			if s != nil || !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestNumbersEnd: a store with the greatest number can be restored, and gives none that could not.
func TestNumbersEnd(t *testing.T) {
	added := []AddedPartition{{MaxPartitionNumbers - 2, PartitionOptions{Capacity: 1}}}
	s := mustNew(t, Options[order]{Restore: Restore[order]{Added: added}})
	if n := s.NextPartition(); n != MaxPartitionNumbers-1 {
		t.Errorf("next is %d", n)
	}
	n, err := s.AddPartition(PartitionOptions{Capacity: 1})
	if n != MaxPartitionNumbers-1 || err != nil {
		t.Fatal(n, err)
	}
	for range 2 {
		if n, err := s.AddPartition(PartitionOptions{Capacity: 1}); n != 0 || !errors.Is(err, ErrPartitionNumbers) {
			t.Errorf("%d, %v", n, err)
		}
		_ = s.RemovePartition(MaxPartitionNumbers - 1) // makes no room
	}
	if n := s.NextPartition(); n != MaxPartitionNumbers {
		t.Errorf("next is %d", n)
	}
	mustNew(t, Options[order]{Restore: Restore[order]{Added: []AddedPartition{{MaxPartitionNumbers - 1, PartitionOptions{Capacity: 1}}}}})
}

// TestRollupsSurviveRestart moves what a rollup with Retain knows of events that left into a restored store: every
// answer about the past stays the same.
func TestRollupsSurviveRestart(t *testing.T) {
	for seed := firstSeed(t); seed < firstSeed(t)+uint64(pick(10, 2)); seed++ {
		clock := newHandClock()
		begin := clock.now()
		for name, o := range restorations(clock.now) {
			if o.Time == nil && !o.Arrival {
				continue
			}
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 2))
				s := mustNew(t, o)
				_, sum := twoRollups(t, s)
				for range 3 {
					play(t, r, s, clock)
					settled := r.IntN(2) == 0 // else Past meets segments that wait to be folded
					if settled {
						mustSync(t, s)
					}
					cut := s.Cut()
					past, unfolded, err := sum.Past(cut)
					cut.Close()
					if err != nil {
						t.Fatal(err)
					}
					again := mustNew(t, save(t, s, o).options)
					other, heir := twoRollups(t, again)
					if err := heir.Inherit(past, unfolded); err != nil {
						t.Fatal(err)
					}
					hidden := again.Ledger().Hidden
					if a, err := other.Query(time.Time{}, time.Time{}); err != nil || a.Older > hidden || a.Undecided != 0 {
						t.Fatalf("a rollup that inherited nothing answers %+v, %v", a, err)
					}
					compareAnswers(t, sum, heir, time.Time{}, settled)
					for range 20 {
						compareAnswers(t, sum, heir, begin.Add(time.Duration(r.IntN(8000)-4000)*time.Second), settled)
					}
					s, sum = again, heir
				}
			})
		}
	}
}

// compareAnswers wants answers that do not contradict each other: each is between Value and Value plus Undecided. If the
// earlier store was settled when it was left, the heir knows no more than it, because it decides as a whole about runs
// of events that left which the other one still sees one by one.
func compareAnswers(t *testing.T, was, heir *Rollup[order, uint64], from time.Time, settled bool) {
	t.Helper()
	want, err := was.Query(from, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := heir.Query(from, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Events != want.Events || got.Value > want.Value+want.Undecided || got.Value+got.Undecided < want.Value ||
		got.Unfolded != want.Unfolded || settled && got.Value > want.Value ||
		settled && want.Undecided == 0 && from.IsZero() && got != want {
		t.Fatalf("from %v: %+v, want %+v", from, got, want)
	}
}

// twoRollups registers one that nobody asks and one that counts.
func twoRollups(t *testing.T, s *Store[order]) (other, counting *Rollup[order, uint64]) {
	t.Helper()
	other, err := NewRollup(s, Counting[order](), RollupOptions{Name: "other", Retain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	counting, err = NewRollup(s, Counting[order](), RollupOptions{Name: "counting", Retain: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return other, counting
}

func TestInheritIsRefused(t *testing.T) {
	at := func(o *order) time.Time { return o.at }
	s, other := mustNew(t, Options[order]{Time: at}), mustNew(t, Options[order]{Time: at})
	plain, err := NewRollup(s, Counting[order](), RollupOptions{Name: "plain"})
	if err != nil {
		t.Fatal(err)
	}
	_, kept := twoRollups(t, s)
	wantError(t, "without Retain", plain.Inherit(nil, 0), ErrArgument)
	wantError(t, "no such partition", kept.Inherit([]Past[uint64]{{Partition: 1}}, 0), ErrArgument)
	wantError(t, "inverted", kept.Inherit([]Past[uint64]{{From: time.Unix(2, 0), To: time.Unix(1, 0)}}, 0), ErrArgument)
	cut := other.Cut()
	defer cut.Close()
	_, _, err = kept.Past(cut)
	wantError(t, "cut of another store", err, ErrArgument)
	if past, unfolded, err := plain.Past(s.Cut()); past != nil || unfolded != 0 || err != nil {
		t.Errorf("a rollup without Retain has a past: %v, %d, %v", past, unfolded, err)
	}
}
