package s3store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

// Append implements sinks.SignalStore.
func (s *signalStore) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.alone(ctx, func() error {
		return s.settled(ctx, func() error { return s.append(ctx, batch) })
	})
}

func (s *signalStore) append(ctx context.Context, batch []sinks.Signal) error {
	var race contest
	for {
		v, err := s.writable(ctx)
		if err == nil {
			err = race.again(ctx, s.bucket.attempts, v.newest.ordinal)
		}
		if err != nil {
			return err
		}
		fresh, err := s.fresh(ctx, v, batch)
		if err = s.intact(ctx, v, err); err != nil {
			s.last = nil
			return err
		}
		if len(fresh) == 0 {
			return nil
		}
		if err = s.add(ctx, v, fresh); !errors.Is(err, errLost) {
			return err
		}
	}
}

// writable returns a view on which this handle may append. The one after its last append will do if nobody held the
// lease then, or this handle did: who takes the lease adds an object, and an append on an older view fails.
func (s *signalStore) writable(ctx context.Context) (*view, error) {
	if s.last != nil && s.allows(s.last.version) == nil {
		return s.last, nil
	}
	v, err := s.look(ctx)
	if err == nil {
		err = s.allows(v.version)
	}
	return v, err
}

// fresh returns the part of a batch that is not stored yet.
func (s *signalStore) fresh(ctx context.Context, v *view, batch []sinks.Signal) ([]sinks.Signal, error) {
	last, i := v.newest.last, 0
	for i < len(batch) && batch[i].Sequence <= v.Trimmed {
		i++
	}
	if i == len(batch) || batch[i].Sequence > last {
		return batch[i:], nil
	}
	err := s.visit(ctx, v, batch[i].Sequence-1, func(stored *sinks.Signal) bool {
		if stored.Sequence != batch[i].Sequence {
			return stored.Sequence < batch[i].Sequence
		}
		if !stored.Equal(batch[i]) {
			return false
		}
		i++
		return i < len(batch) && batch[i].Sequence <= last
	})
	if err != nil {
		return nil, err
	}
	if i < len(batch) && batch[i].Sequence <= last {
		return nil, fmt.Errorf("%w: sequence %d holds another signal, or nothing, and the log is at %d", sinks.ErrConflict, batch[i].Sequence, last)
	}
	return batch[i:], nil
}

// add writes the object behind the newest one of a view; errLost means that somebody else has.
func (s *signalStore) add(ctx context.Context, v *view, batch []sinks.Signal) error {
	n := &v.newest
	generation, _ := s.mine()
	h := header{
		ordinal: n.ordinal + 1, generation: max(n.generation, generation), previous: n.last, last: n.last,
		before: n.total(), count: uint64(len(batch)),
	}
	if n.ordinal > 0 {
		h.offset = n.offset + n.size()
	}
	if len(batch) > 0 {
		h.first, h.last = batch[0].Sequence, batch[len(batch)-1].Sequence
	}
	object, err := encodeObject(&h, batch)
	if err != nil {
		return err
	}
	s.last = nil
	if err := s.bucket.put(ctx, s.key(h.ordinal), bodyOf(object), ifAbsent, anytime); err != nil {
		return err
	}
	s.remember(h)
	err = s.confirm(ctx, h)
	if err == nil {
		s.excluded.Store(v.Since)
	}
	return err
}

// confirm makes sure that an object was not written where others have trimmed: a handle that was away for long may not
// know what is there now, and nobody reads there.
func (s *signalStore) confirm(ctx context.Context, h header) error {
	v, err := s.load(ctx)
	if err != nil {
		return inDoubt(err, err)
	}
	if v.first() <= h.ordinal {
		s.last = &view{newest: h, version: v}
		return nil
	}
	if err := s.bucket.remove(ctx, s.key(h.ordinal), anytime); err != nil {
		s.bucket.log.Warn("s3: an object that nobody reads stays behind until the next trim", "key", s.key(h.ordinal), "error", err)
	}
	s.forget(h.ordinal)
	return errLost
}

func (s *signalStore) forget(ordinal uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.headers, ordinal)
}

// Acquire implements sinks.Leaser.
func (s *signalStore) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	generation, since, err := s.acquire(ctx, c)
	if err == nil {
		err = s.exclude(ctx, since)
	}
	if err != nil {
		return 0, err
	}
	return generation, nil
}

// Renew implements sinks.Leaser.
func (s *signalStore) Renew(ctx context.Context) error {
	since, err := s.renew(ctx)
	if err == nil {
		err = s.exclude(ctx, since)
	}
	return err
}

// exclude makes sure that this handle has written to the log since it holds the lease, if only an object without signals.
// What others know about the log is of before then, so that what they append fails, and they look who holds the lease.
func (s *signalStore) exclude(ctx context.Context, since uint64) error {
	if s.excluded.Load() == since {
		return nil
	}
	return s.alone(ctx, func() error {
		var race contest
		for s.excluded.Load() != since {
			v, err := s.look(ctx)
			if err == nil {
				err = s.allows(v.version)
			}
			if err == nil {
				err = race.again(ctx, s.bucket.attempts, v.newest.ordinal)
			}
			if err == nil && v.Since != since {
				err = errors.New("the lease ran out before it was in force")
			}
			if err == nil {
				err = s.add(ctx, v, nil)
			}
			if err != nil && !errors.Is(err, errLost) {
				return err
			}
		}
		return nil
	})
}
