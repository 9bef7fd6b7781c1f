package s3store

import (
	"context"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

// Stat implements sinks.SignalStore. Bytes is the size of the objects.
func (s *signalStore) Stat(ctx context.Context) (stat sinks.SignalStat, err error) {
	var trimmed uint64
	err = s.reading(ctx, func(v *view) error {
		trimmed = v.Trimmed
		n := &v.newest
		stat = sinks.SignalStat{Last: n.last, Count: n.total() - v.Removed}
		if n.ordinal > 0 {
			stat.Bytes = int64(n.offset + n.size() - v.Freed)
		}
		var err error
		if stat.Count > 0 {
			stat.First, err = s.oldest(ctx, v)
		}
		return err
	})
	if err == nil {
		s.mu.Lock()
		s.low.trimmed, s.low.first = trimmed, stat.First
		s.mu.Unlock()
	}
	return stat, err
}

// oldest returns the oldest sequence that is stored.
func (s *signalStore) oldest(ctx context.Context, v *view) (uint64, error) {
	s.mu.Lock()
	low := s.low
	s.mu.Unlock()
	if low.first != 0 && low.trimmed == v.Trimmed {
		return low.first, nil
	}
	ordinal, err := s.locate(ctx, v, v.Trimmed)
	if err != nil {
		return 0, err
	}
	if ordinal == 0 {
		return 0, fmt.Errorf("%w: the log is trimmed through %d, its end, and yet should hold signals", sinks.ErrCorrupt, v.Trimmed)
	}
	v.touch(ordinal)
	h, err := s.header(ctx, ordinal)
	if err != nil {
		return 0, err
	}
	first := h.first
	if first <= v.Trimmed {
		o, err := s.object(ctx, ordinal)
		if err != nil {
			return 0, err
		}
		n := o.upTo(v.Trimmed)
		if n == o.count {
			return 0, fmt.Errorf("%w: object %d does not hold what its header says", sinks.ErrCorrupt, ordinal)
		}
		first = o.signals[n].Sequence
	}
	return first, nil
}

// Verify implements sinks.Verifier: it reads every object, and compares them with each other and with the state.
func (s *signalStore) Verify(ctx context.Context) error {
	return s.reading(ctx, func(v *view) error {
		if v.newest.ordinal == 0 {
			return nil
		}
		begin := true
		var account error
		err := s.walk(ctx, v, run{v.first(), v.newest.ordinal}, func(o *logObject) bool {
			if begin {
				account = s.balances(v, o)
				begin = false
			}
			return account == nil
		})
		if err == nil {
			err = account
		}
		return err
	})
}

// balances compares the state with the oldest object.
func (s *signalStore) balances(v *view, o *logObject) error {
	removed := o.before + o.upTo(v.Trimmed)
	if v.Removed != removed || v.Freed != o.offset || o.previous > v.Trimmed {
		return fmt.Errorf("%w: the state says that %d signals and %d bytes are gone; by the oldest object they are %d and %d",
			sinks.ErrCorrupt, v.Removed, v.Freed, removed, o.offset)
	}
	return nil
}
