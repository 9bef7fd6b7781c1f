package sinktest

import (
	"context"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

var origin = time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC)

// signal makes a signal whose content follows from its sequence.
func signal(n uint64) sinks.Signal {
	s := sinks.Signal{
		Sequence: n, Time: origin.Add(time.Duration(n) * 1_000_000_007), Name: fmt.Sprintf("order.%d", n%7), Operation: n * 3,
	}
	if n%2 == 0 {
		s.Key = fmt.Sprintf("key-%d", n)
	}
	if n%3 == 0 {
		s.Path = []string{"first", "second"}
	}
	if n%5 == 0 {
		s.Data = []byte{0, byte(n), 0xff}
	}
	return s
}

// series makes the signals from one sequence to another, both included.
func series(from, to uint64) []sinks.Signal {
	var list []sinks.Signal
	for n := from; n <= to; n++ {
		list = append(list, signal(n))
	}
	return list
}

func join(lists ...[]sinks.Signal) (all []sinks.Signal) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// same compares what a store gave with what it should hold.
func same(what string, got, want []sinks.Signal) error {
	for i := range min(len(got), len(want)) {
		if !got[i].Equal(want[i]) {
			return fmt.Errorf("%s: signal %d of %d is\n  %+v, want\n  %+v", what, i+1, len(got), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d signals (%s), want %d (%s)", what, len(got), span(got), len(want), span(want))
	}
	return nil
}

func span(list []sinks.Signal) string {
	if len(list) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d to %d", list[0].Sequence, list[len(list)-1].Sequence)
}

const plenty = 1 << 20

// log checks everything that a store holds, and that Stat says the same.
func log(ctx context.Context, s sinks.SignalStore, want []sinks.Signal) error {
	got, err := s.Read(ctx, 0, plenty)
	if err != nil {
		return fmt.Errorf("reading everything: %w", err)
	}
	if err := same("reading everything", got, want); err != nil {
		return err
	}
	stat, err := s.Stat(ctx)
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	first, last := uint64(0), stat.Last
	if len(want) > 0 {
		first, last = want[0].Sequence, want[len(want)-1].Sequence
	}
	if stat.First != first || stat.Last != last || stat.Count != uint64(len(want)) || stat.Bytes < 0 {
		return fmt.Errorf("stat says %+v for %d signals (%s)", stat, len(want), span(want))
	}
	return nil
}

// last checks the newest sequence ever stored.
func last(ctx context.Context, s sinks.SignalStore, want uint64) error {
	stat, err := s.Stat(ctx)
	if err == nil && stat.Last != want {
		err = fmt.Errorf("the last sequence is %d, want %d", stat.Last, want)
	}
	return err
}

var signalContract = contract[sinks.SignalStore]{
	write: func(ctx context.Context, s sinks.SignalStore, n uint64) error {
		return s.Append(ctx, []sinks.Signal{signal(n)})
	},
	holds: func(ctx context.Context, s sinks.SignalStore, numbers ...uint64) error {
		var want []sinks.Signal
		for _, n := range numbers {
			want = append(want, signal(n))
		}
		return log(ctx, s, want)
	},
	calls: append([]call[sinks.SignalStore]{
		{"Append", func(ctx context.Context, s sinks.SignalStore) error { return s.Append(ctx, series(1, 2)) }},
		{"Append of nothing", func(ctx context.Context, s sinks.SignalStore) error { return s.Append(ctx, nil) }},
		{"Read", func(ctx context.Context, s sinks.SignalStore) error { _, err := s.Read(ctx, 0, 1); return err }},
		{"ReadNewest", func(ctx context.Context, s sinks.SignalStore) error { _, err := s.ReadNewest(ctx, 0, 1); return err }},
		{"Stat", func(ctx context.Context, s sinks.SignalStore) error { _, err := s.Stat(ctx); return err }},
	}, signalRemovals...),
	removals: signalRemovals,
}

var signalRemovals = []call[sinks.SignalStore]{
	{"Trim", func(ctx context.Context, s sinks.SignalStore) error { return s.Trim(ctx, sinks.MaxSequence) }},
	{"Prune", func(ctx context.Context, s sinks.SignalStore) error {
		_, err := sinks.Prune(ctx, s, origin.AddDate(7000, 0, 0), 0, plenty)
		return err
	}},
}

// with opens a handle for a case that needs one.
func with(f func(context.Context, sinks.SignalStore) error) func(*place[sinks.SignalStore]) error {
	return func(p *place[sinks.SignalStore]) error {
		s, err := p.open()
		if err != nil {
			return err
		}
		return f(p.ctx, s)
	}
}
