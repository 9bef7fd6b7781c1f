//go:build !explore

package core

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// everything calls what a callback may call.
func everything(t *testing.T, s *Store[int], depth *atomic.Int64) {
	defer depth.Add(-1)
	if depth.Add(1) > 3 { // OnStats runs inside of its own appends
		return
	}
	_, err := s.Append(1)
	wantError(t, "Append in a callback", err, nil)
	_, err = s.AppendBatch([]int{1, 2, 3})
	wantError(t, "AppendBatch in a callback", err, nil)
	c := s.Cut()
	n, err := c.View().Count()
	if wantError(t, "Count in a callback", err, nil); n > 16 {
		t.Errorf("a cut in a callback shows %d events", n)
	}
	c.Close()
	_, _ = s.Len(), s.Full()
	if l := s.Ledger(); !l.Balanced() {
		t.Errorf("ledger in a callback: %+v", l)
	}
	_ = s.Stats()
	wantError(t, "Purge in a callback", s.Purge(time.Unix(0, 0)), nil)
	wantError(t, "Clear in a callback", s.Clear(), nil)
	i, err := s.AddPartition(PartitionOptions{Capacity: 4})
	wantError(t, "AddPartition in a callback", err, nil)
	wantError(t, "RemovePartition in a callback", s.RemovePartition(i), nil)
}

// callbacks returns options in which one callback runs f.
func callbacks(f func()) map[string]Options[int] {
	return map[string]Options[int]{
		"OnDiscard": {Capacity: 16, Arrival: true, OnDiscard: func(Position, *int) { f() }},
		"OnFull":    {Capacity: 16, Arrival: true, OnFull: f},
		"OnStats":   {Capacity: 16, Arrival: true, OnStats: func(Stats) { f() }, StatsInterval: 7},
	}
}

// Callbacks may use the store that calls them.
func TestCallbacksMayUseTheStore(t *testing.T) {
	t.Parallel()
	for name := range callbacks(nil) {
		var s *Store[int]
		var calls, depth atomic.Int64
		ready := make(chan struct{})
		s = mustNew(t, callbacks(func() {
			<-ready
			if calls.Add(1) <= 20 { // it makes its own work
				everything(t, s, &depth)
			}
		})[name])
		close(ready)
		finishes(t, name, func() {
			for i := range 200 {
				_, err := s.Append(i)
				wantError(t, "Append", err, nil)
			}
			mustSync(t, s)
			wantError(t, "Close", s.Close(), nil)
		})
		if calls.Load() == 0 {
			t.Errorf("%s was not called", name)
		}
	}
}

// A callback may close the store that calls it.
func TestCallbacksMayCloseTheStore(t *testing.T) {
	t.Parallel()
	for name := range callbacks(nil) {
		var s *Store[int]
		ready, closed := make(chan struct{}), make(chan struct{}, 1000)
		s = mustNew(t, callbacks(func() {
			<-ready
			wantError(t, "Close in a callback", s.Close(), nil)
			closed <- struct{}{}
		})[name])
		close(ready)
		finishes(t, name, func() {
			for i := range 100 {
				_, _ = s.Append(i)
			}
			<-closed
			wantError(t, "Close", s.Close(), nil)
		})
	}
}

// A callback that never returns stops neither appends nor readers, and Settle obeys its context.
func TestCallbackThatHangsStopsNobody(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	s := mustNew(t, Options[int]{Capacity: 16, OnDiscard: func(Position, *int) {
		if once.CompareAndSwap(false, true) {
			close(entered)
			<-leave
		}
	}})
	finishes(t, "a hanging OnDiscard", func() {
		for i := range 17 {
			mustAppend(t, s, i)
		}
		<-entered
		for i := range 10_000 {
			mustAppend(t, s, i)
		}
		l := s.Ledger()
		if checkLedger(t, l); l.Appended != 10_017 || s.Len() != 16 {
			t.Errorf("beside a hanging callback: %+v", l)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, "Settle", s.Settle(ctx), context.Canceled)
		wantError(t, "Close", s.Close(), nil)
		close(leave)
	})
}
