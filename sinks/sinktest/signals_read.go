package sinktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

var signalReadCases = []testCase[sinks.SignalStore]{
	{name: "read", rule: "Read gives the first signals above a sequence, ascending, at most limit", run: with(read)},
	{name: "read-newest", rule: "ReadNewest gives the last signals below a sequence, ascending, at most limit", run: with(readNewest)},
	{name: "read-limit", rule: "a limit below 1 is ErrInvalid", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		for _, limit := range []int{0, -1} {
			_, read := s.Read(ctx, 0, limit)
			_, newest := s.ReadNewest(ctx, 0, limit)
			err := all(
				wantErr(fmt.Sprintf("Read with limit %d", limit), read, sinks.ErrInvalid),
				wantErr(fmt.Sprintf("ReadNewest with limit %d", limit), newest, sinks.ErrInvalid),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})},
	{name: "read-empty", rule: "an empty log reads as nothing", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		got, err := s.Read(ctx, 0, 5)
		newest, errNewest := s.ReadNewest(ctx, 0, 5)
		return all(err, errNewest, same("read", got, nil), same("newest", newest, nil), log(ctx, s, nil), last(ctx, s, 0))
	})},
}

// gappy is a log with gaps and of several batches.
func gappy(ctx context.Context, s sinks.SignalStore) ([]sinks.Signal, error) {
	batches := [][]sinks.Signal{series(3, 5), series(6, 6), series(10, 30), series(40, 41), series(100, 130)}
	for _, batch := range batches {
		if err := s.Append(ctx, batch); err != nil {
			return nil, err
		}
	}
	return join(batches...), nil
}

func read(ctx context.Context, s sinks.SignalStore) error {
	stored, err := gappy(ctx, s)
	if err != nil {
		return err
	}
	for after := range uint64(135) {
		var above []sinks.Signal
		for _, one := range stored {
			if one.Sequence > after {
				above = append(above, one)
			}
		}
		for _, limit := range []int{1, 2, 7, len(stored), plenty} {
			got, err := s.Read(ctx, after, limit)
			if err := all(err, same(fmt.Sprintf("Read after %d, limit %d", after, limit), got, above[:min(limit, len(above))])); err != nil {
				return err
			}
		}
	}
	return nil
}

func readNewest(ctx context.Context, s sinks.SignalStore) error {
	stored, err := gappy(ctx, s)
	if err != nil {
		return err
	}
	for before := range uint64(135) {
		var below []sinks.Signal
		for _, one := range stored {
			if one.Sequence < before || before == 0 {
				below = append(below, one)
			}
		}
		for _, limit := range []int{1, 2, 7, len(stored), plenty} {
			got, err := s.ReadNewest(ctx, before, limit)
			want := below[max(0, len(below)-limit):]
			if err := all(err, same(fmt.Sprintf("ReadNewest before %d, limit %d", before, limit), got, want)); err != nil {
				return err
			}
		}
	}
	return nil
}

var signalTrimCases = []testCase[sinks.SignalStore]{
	{name: "trim", rule: "Trim removes up to a sequence; trimming less, again or beyond the end is no error", run: with(trim)},
	{name: "trim-gap", rule: "Trim within a gap removes what is below", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		stored, err := gappy(ctx, s)
		return all(
			err,
			s.Trim(ctx, 8), log(ctx, s, stored[4:]),
			s.Trim(ctx, 99), log(ctx, s, stored[27:]),
		)
	})},
	{name: "trim-retry", rule: "repeating a batch that was trimmed brings nothing back", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		return all(
			s.Append(ctx, series(1, 10)),
			s.Trim(ctx, 6),
			s.Append(ctx, series(1, 10)),
			log(ctx, s, series(7, 10)),
			s.Append(ctx, series(5, 12)),
			log(ctx, s, series(7, 12)),
			s.Trim(ctx, 12),
			s.Append(ctx, series(1, 12)),
			log(ctx, s, nil),
			last(ctx, s, 12),
		)
	})},
	{name: "trim-last", rule: "the last sequence survives Trim, and what is newer can be appended", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		return all(
			s.Append(ctx, series(1, 10)),
			s.Trim(ctx, 50),
			log(ctx, s, nil),
			last(ctx, s, 10),
			s.Append(ctx, series(11, 13)),
			log(ctx, s, series(11, 13)),
		)
	})},
	{name: "trim-readers", rule: "readers beside appends and a Trim see signals without holes, and never fewer at the new end", run: with(trimReaders)},
	{name: "trim-restart", rule: "trimmed signals stay away and the last sequence survives a restart", needs: restarts, run: trimRestart},
}

func trim(ctx context.Context, s sinks.SignalStore) error {
	return all(
		s.Trim(ctx, 5),
		last(ctx, s, 0),
		s.Append(ctx, series(1, 3)),
		s.Append(ctx, series(4, 20)),
		log(ctx, s, series(1, 20)),
		s.Trim(ctx, 0),
		log(ctx, s, series(1, 20)),
		s.Trim(ctx, 1),
		log(ctx, s, series(2, 20)),
		s.Trim(ctx, 11),
		log(ctx, s, series(12, 20)),
		s.Trim(ctx, 11),
		s.Trim(ctx, 4),
		log(ctx, s, series(12, 20)),
		s.Append(ctx, series(21, 22)),
		log(ctx, s, series(12, 22)),
		s.Trim(ctx, sinks.MaxSequence+1),
		log(ctx, s, nil),
		last(ctx, s, 22),
	)
}

func trimReaders(ctx context.Context, s sinks.SignalStore) error {
	const batches, size = 20, 50
	done := make(chan error, 1)
	go func() {
		for b := uint64(0); b < batches; b++ {
			err := s.Append(ctx, series(b*size+1, b*size+size))
			if b >= 2 && err == nil {
				err = s.Trim(ctx, (b-1)*size-7)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	newest := uint64(0)
	for {
		var writer error
		ended := false
		select {
		case writer = <-done:
			ended = true
		default:
		}
		got, err := s.Read(ctx, 0, plenty)
		if err := errors.Join(writer, err); err != nil {
			return err
		}
		if len(got) > 0 {
			first, last := got[0].Sequence, got[len(got)-1].Sequence
			if err := same("reading beside a Trim", got, series(first, last)); err != nil {
				return err
			}
			if last < newest || last%size != 0 {
				return fmt.Errorf("a reader saw the log end at %d, after %d", last, newest)
			}
			newest = last
		}
		if ended {
			return log(ctx, s, series((batches-2)*size-6, batches*size))
		}
	}
}

func trimRestart(p *place[sinks.SignalStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	if err := all(s.Append(p.ctx, series(1, 20)), s.Trim(p.ctx, 8), s.Close()); err != nil {
		return err
	}
	if s, err = p.open(); err != nil {
		return err
	}
	err = all(
		log(p.ctx, s, series(9, 20)),
		s.Append(p.ctx, series(1, 20)),
		log(p.ctx, s, series(9, 20)),
		s.Trim(p.ctx, 20),
		s.Close(),
	)
	if err != nil {
		return err
	}
	if s, err = p.open(); err != nil {
		return err
	}
	err = all(log(p.ctx, s, nil), last(p.ctx, s, 20), s.Append(p.ctx, series(18, 23)), s.Close())
	if err != nil {
		return err
	}
	if s, err = p.open(); err != nil {
		return err
	}
	return log(p.ctx, s, series(21, 23))
}

var signalPruneCases = []testCase[sinks.SignalStore]{
	{name: "prune", rule: "Prune removes from the low end, by number or by age, and at most what it may", run: with(prune)},
	{name: "prune-order", rule: "an old signal behind a young one stays", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		batch := series(1, 6)
		batch[2].Time = batch[5].Time.Add(time.Hour)
		return all(
			s.Append(ctx, batch),
			pruned(ctx, s, batch[5].Time, 0, 100, 2),
			log(ctx, s, batch[2:]),
			pruned(ctx, s, time.Time{}, 3, 100, 1),
			log(ctx, s, batch[3:]),
		)
	})},
	{name: "prune-both", rule: "behind what is too many, old signals go as well", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		batch := series(1, 8)
		batch[0].Time = batch[7].Time.Add(time.Hour)
		return all(
			s.Append(ctx, batch),
			pruned(ctx, s, batch[4].Time, 7, 100, 4),
			log(ctx, s, batch[4:]),
		)
	})},
}

func prune(ctx context.Context, s sinks.SignalStore) error {
	if err := all(pruned(ctx, s, time.Time{}, 1, 10, 0), s.Append(ctx, series(1, 50))); err != nil {
		return err
	}
	_, zero := sinks.Prune(ctx, s, time.Time{}, 1, 0)
	return all(
		wantInvalid("Prune of at most 0", zero),
		pruned(ctx, s, time.Time{}, 0, 100, 0),
		pruned(ctx, s, time.Time{}, 50, 100, 0),
		log(ctx, s, series(1, 50)),
		pruned(ctx, s, time.Time{}, 40, 100, 10),
		log(ctx, s, series(11, 50)),
		pruned(ctx, s, time.Time{}, 30, 4, 4),
		log(ctx, s, series(15, 50)),
		pruned(ctx, s, signal(20).Time, 0, 100, 5),
		log(ctx, s, series(20, 50)),
		pruned(ctx, s, signal(30).Time, 0, 7, 7),
		pruned(ctx, s, signal(29).Time, 20, 100, 4),
		log(ctx, s, series(31, 50)),
		s.Append(ctx, series(25, 51)),
		log(ctx, s, series(31, 51)),
		pruned(ctx, s, origin.AddDate(7000, 0, 0), 0, plenty, 21),
		log(ctx, s, nil),
		last(ctx, s, 51),
	)
}

func wantInvalid(what string, err error) error {
	if !errors.Is(err, sinks.ErrInvalid) {
		return fmt.Errorf("%s returned %s, want ErrInvalid", what, say(err))
	}
	return nil
}

func pruned(ctx context.Context, s sinks.SignalStore, before time.Time, keep uint64, atMost, want int) error {
	n, err := sinks.Prune(ctx, s, before, keep, atMost)
	if err == nil && n != want {
		err = fmt.Errorf("Prune before %v, keeping %d, at most %d, removed %d, want %d", before, keep, atMost, n, want)
	}
	return err
}
