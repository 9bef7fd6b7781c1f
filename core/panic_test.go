//go:build !explore

package core

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// boom panics with a recognisable error.
var errBoom = errors.New("boom")

func boom[T any](T) int { panic(errBoom) }

// wantPanics checks that the store counted panics, holds no pin and still works.
func wantPanics(t *testing.T, s *Store[int], before uint64) {
	t.Helper()
	if got := s.Stats().Panics; got <= before {
		t.Errorf("%d panics counted, want more than %d", got, before)
	}
	l := s.Ledger()
	if checkLedger(t, l); l.OpenCuts != 0 {
		t.Errorf("pins left: %+v", l)
	}
	pos, err := s.AppendTo(0, 7)
	wantError(t, "Append after a panic", err, nil)
	if next, err := s.Next(0); err != nil || next != pos.Sequence+1 {
		t.Errorf("next %d, %v after %v", next, err, pos)
	}
}

// Callbacks that panic are contained and counted, each time, and the others are still told.
func TestPanickingCallbacksAreContained(t *testing.T) {
	cases := map[string]struct {
		set  func(o *Options[int], bad func())
		want int64
	}{
		"OnDiscard": {func(o *Options[int], bad func()) { o.OnDiscard = func(Position, *int) { bad() } }, 92},
		"OnFull":    {func(o *Options[int], bad func()) { o.OnFull = bad }, 1},
		"OnStats":   {func(o *Options[int], bad func()) { o.OnStats = func(Stats) { bad() } }, 100},
	}
	for name, c := range cases {
		var calls atomic.Int64
		o := Options[int]{Capacity: 8}
		c.set(&o, func() { calls.Add(1); panic(errBoom) })
		s := mustNew(t, o)
		for i := range 100 {
			mustAppend(t, s, i)
		}
		mustSync(t, s)
		if n := calls.Load(); n != c.want || s.Stats().Panics != uint64(n) {
			t.Errorf("%s ran %d times, want %d; %d panics counted", name, n, c.want, s.Stats().Panics)
		}
		wantPanics(t, s, 0)
	}
}

// A time selector that panics for one event spoils no other event, and the store goes on.
func TestPanickingTimeIsContained(t *testing.T) {
	now := time.Now()
	s := mustNew(t, Options[int]{Capacity: 64, MaxAge: time.Hour, Time: func(e *int) time.Time {
		if *e%10 == 3 {
			panic(errBoom)
		}
		return now
	}})
	r, err := NewRollup(s, Counting[int](), RollupOptions{Name: "r", Retain: time.Hour})
	wantError(t, "NewRollup", err, nil)
	for i := range 500 {
		mustAppend(t, s, i)
	}
	mustSync(t, s)
	if n := s.Len(); n != 64 {
		t.Errorf("%d visible, want 64", n)
	}
	c := s.Cut()
	var p *PanicError
	if _, err := c.Between(now, now).Count(); !errors.As(err, &p) || !errors.Is(err, errBoom) {
		t.Errorf("Count over the bad event: %v, want a PanicError of boom", err)
	}
	c.Close()
	if _, err := r.Query(now, now); err != nil && !errors.As(err, &p) {
		t.Errorf("rollup over the bad event: %v", err)
	}
	wantError(t, "Purge", s.Purge(now.Add(-time.Minute)), nil)
	mustSync(t, s)
	wantError(t, "Clear", s.Clear(), nil)
	wantPanics(t, s, 0)
}

// A clock that panics while the store is swept leaves no lock behind.
func TestPanickingClockIsContained(t *testing.T) {
	var bad atomic.Bool
	s := mustNew(t, Options[int]{Capacity: 64, Time: func(*int) time.Time { return time.Unix(1, 0) }, Clock: func() time.Time {
		if bad.Load() {
			panic(errBoom)
		}
		return time.Unix(2, 0)
	}})
	_, err := NewRollup(s, Counting[int](), RollupOptions{Name: "r", Retain: time.Hour})
	wantError(t, "NewRollup", err, nil)
	for i := range 500 {
		mustAppend(t, s, i)
	}
	mustSync(t, s) // something is kept
	bad.Store(true)
	finishes(t, "Settle beside a clock that panics", func() { mustSync(t, s) })
	bad.Store(false)
	finishes(t, "Ledger behind a clock that panicked", func() { wantPanics(t, s, 0) })
}

// A size selector that panics counts as size 0.
func TestPanickingSizeIsContained(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 64, MaxBytes: 20, Size: boom[*int]})
	for i := range 500 {
		mustAppend(t, s, i)
	}
	if n := s.Len(); n != 64 {
		t.Errorf("%d visible, want 64", n)
	}
	wantPanics(t, s, 0)
}

// Every query turns a panic of the caller's function into a PanicError, and gives its pins back.
func TestPanickingQueryFunctions(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 100})
	for i := range 300 {
		mustAppend(t, s, i)
	}
	bad := func(*int) bool { panic(errBoom) }
	queries := map[string]func(View[int]) error{
		"Sum":       func(v View[int]) error { _, err := Sum(v, boom[*int]); return err },
		"Average":   func(v View[int]) error { _, err := Average(v, boom[*int]); return err },
		"Min":       func(v View[int]) error { _, err := Min(v, boom[*int]); return err },
		"Max":       func(v View[int]) error { _, err := Max(v, boom[*int]); return err },
		"Summarize": func(v View[int]) error { _, err := Summarize(v, boom[*int]); return err },
		"TopK":      func(v View[int]) error { _, err := TopK(v, 3, boom[*int], nil); return err },
		"Fold": func(v View[int]) error {
			_, err := Fold(v, 0, func(int, *int) (int, bool) { panic(errBoom) })
			return err
		},
		"GroupBy": func(v View[int]) error {
			_, err := GroupBy(v, boom[*int], func() int { return 0 }, func(*int, *int) {})
			return err
		},
		"Count":     func(v View[int]) error { _, err := v.Where(bad).Count(); return err },
		"Copy":      func(v View[int]) error { _, err := v.Where(bad).Copy(); return err },
		"CopyTo":    func(v View[int]) error { _, err := v.Where(bad).CopyTo(make([]int, 5)); return err },
		"EachChunk": func(v View[int]) error { return v.EachChunk(3, func([]int) bool { panic(errBoom) }) },
	}
	for name, query := range queries {
		before := s.Stats().Panics
		c := s.Cut()
		err := query(c.View())
		var p *PanicError
		if !errors.As(err, &p) || !errors.Is(err, errBoom) {
			t.Errorf("%s: %v, want a PanicError of boom", name, err)
		}
		if n, err := c.View().Count(); n != 100 || err != nil {
			t.Errorf("%s: the cut shows %d, %v afterwards", name, n, err)
		}
		c.Close()
		wantPanics(t, s, before)
	}
}

// A panic inside an iterator goes to the caller, who can still close the cut.
func TestPanickingIteratorReachesTheCaller(t *testing.T) {
	s := mustNew(t, Options[int]{Capacity: 8, Key: func(int) string { panic(errBoom) }})
	_, err := s.AppendTo(0, 1)
	wantError(t, "AppendTo", err, nil)
	func() {
		defer func() {
			if recover() != errBoom {
				t.Error("the panic did not reach the caller")
			}
		}()
		c := s.Cut()
		defer c.Close()
		for range c.Key("k").All() {
			t.Error("an event whose key panics was shown")
		}
	}()
	if l := s.Ledger(); l.OpenCuts != 0 {
		t.Errorf("pins left: %+v", l)
	}
}

// Rollup functions that panic become a PanicError of the query, or uncounted folds; never a dead store.
func TestPanickingRollupFunctions(t *testing.T) {
	for name, m := range map[string]Monoid[int, int]{
		"Zero":  {Zero: func() int { panic(errBoom) }, Add: func(*int, *int) {}, Merge: func(*int, *int) {}},
		"Add":   {Zero: func() int { return 0 }, Add: func(*int, *int) { panic(errBoom) }, Merge: func(*int, *int) {}},
		"Merge": {Zero: func() int { return 0 }, Add: func(*int, *int) {}, Merge: func(*int, *int) { panic(errBoom) }},
	} {
		s := mustNew(t, Options[int]{Capacity: 100, Arrival: true})
		r, err := NewRollup(s, m, RollupOptions{Name: name, Retain: time.Hour})
		wantError(t, "NewRollup", err, nil)
		good, err := NewRollup(s, Counting[int](), RollupOptions{Name: "good"})
		wantError(t, "NewRollup", err, nil)
		for i := range 1000 {
			mustAppend(t, s, i)
		}
		mustSync(t, s)
		func() {
			defer func() {
				if x := recover(); x != nil {
					t.Errorf("%s: Query panics with %v", name, x)
				}
			}()
			var p *PanicError
			if _, err := r.Query(time.Time{}, time.Time{}); !errors.As(err, &p) {
				t.Errorf("%s: Query: %v, want a PanicError", name, err)
			}
		}()
		if a, err := good.Query(time.Time{}, time.Time{}); err != nil || a.Value != 100 {
			t.Errorf("%s: the other rollup says %+v, %v, want 100", name, a, err)
		}
		wantPanics(t, s, 0)
	}
}
