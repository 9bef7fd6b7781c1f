package s3store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Trim implements sinks.SignalStore.
func (s *signalStore) Trim(ctx context.Context, through uint64) error {
	return s.cut(ctx, func(*view) (uint64, error) { return through, nil }, func() {})
}

// cut removes the signals up to a sequence that choose returns. done is called when that is certain.
func (s *signalStore) cut(ctx context.Context, choose func(v *view) (through uint64, err error), done func()) error {
	return s.alone(ctx, func() error {
		return s.settled(ctx, func() error {
			var race contest
			for {
				first, err := s.cutOnce(ctx, &race, choose, done)
				if err == nil {
					return s.clean(ctx, first)
				}
				if !errors.Is(err, errLost) {
					return err
				}
			}
		})
	})
}

// cutOnce moves the low end of the log. It returns the oldest object that is left; errLost means that others were first.
func (s *signalStore) cutOnce(ctx context.Context, race *contest, choose func(v *view) (uint64, error), done func()) (first uint64, err error) {
	v, err := s.look(ctx)
	if err == nil {
		err = s.allows(v.version)
	}
	if err == nil {
		err = race.again(ctx, s.bucket.attempts, v.Revision)
	}
	if err != nil {
		return 0, err
	}
	through, err := choose(v)
	if err != nil {
		return 0, err
	}
	through = min(through, v.newest.last)
	if through <= v.Trimmed {
		return v.first(), nil
	}
	next, err := s.without(ctx, v, through)
	if err != nil {
		return 0, err
	}
	if err := s.store(ctx, v.version, next); err != nil {
		return 0, err
	}
	s.last = nil
	done()
	return next.first(), nil
}

// without returns the state of a log that is trimmed through a sequence. The newest object stays: it carries the newest
// sequence.
func (s *signalStore) without(ctx context.Context, v *view, through uint64) (state, error) {
	next := v.state
	next.Trimmed = through
	next.Held = v.live // a lease that ran out must not begin anew
	h := v.newest
	next.Removed = h.total()
	ordinal, err := s.locate(ctx, v, through)
	if err == nil && ordinal != 0 {
		if h, err = s.header(ctx, ordinal); err == nil {
			next.Removed = h.before
		}
	}
	if err == nil && h.first <= through && through < h.last {
		var o *logObject
		if o, err = s.object(ctx, ordinal); err == nil {
			next.Removed += o.upTo(through)
		}
	}
	next.First, next.Freed = h.ordinal, h.offset
	return next, err
}

// upTo counts the signals of an object up to a sequence.
func (o *logObject) upTo(sequence uint64) (n uint64) {
	for n < o.count && o.signals[n].Sequence <= sequence {
		n++
	}
	return n
}

// clean removes the objects below an ordinal, which nobody reads any more.
func (s *signalStore) clean(ctx context.Context, first uint64) error {
	for {
		var keys []string
		err := s.bucket.list(ctx, s.dir, s.key(first), maxPage, func(key string, _ int64) bool {
			if _, ours := parseOrdinal(strings.TrimPrefix(key, s.dir)); ours {
				keys = append(keys, key)
			}
			return len(keys) < maxPage
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := s.bucket.removeAll(ctx, keys); err != nil {
			return err
		}
	}
}

// Prune implements sinks.Pruner.
func (s *signalStore) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	n := 0
	err = s.cut(ctx, func(v *view) (through uint64, err error) {
		n = 0
		count := v.newest.total() - v.Removed
		err = s.visit(ctx, v, 0, func(signal *sinks.Signal) bool {
			tooMany := keep > 0 && count-uint64(n) > keep
			if !tooMany && (before.IsZero() || !signal.Time.Before(before)) {
				return false
			}
			through = signal.Sequence
			n++
			return n < atMost
		})
		return through, err
	}, func() { removed = n })
	return removed, err
}
