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
	for {
		v, err := s.writable(ctx)
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
	return s.confirm(ctx, h)
}

// confirm makes sure that an object was not written where others have trimmed: a handle that was away for long may not
// know what is there now, and nobody reads there.
func (s *signalStore) confirm(ctx context.Context, h header) error {
	v, err := s.load(ctx)
	if err != nil {
		return inDoubt(err, err)
	}
	if v.first() <= h.ordinal {
		s.last, s.fence = &view{newest: h, version: v}, false
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
func (s *signalStore) Acquire(ctx context.Context, c sinks.Claim) (generation uint64, err error) {
	err = s.alone(ctx, func() error {
		var revived bool
		generation, revived, err = s.acquire(ctx, c)
		if err != nil {
			return err
		}
		return s.exclude(ctx, revived)
	})
	if err != nil {
		return 0, err
	}
	return generation, nil
}

// Renew implements sinks.Leaser.
func (s *signalStore) Renew(ctx context.Context) error {
	revived, err := s.renew(ctx)
	if err != nil || !revived {
		return err
	}
	return s.alone(ctx, func() error { return s.exclude(ctx, true) })
}

// exclude takes the next place in the log when this handle has taken the lease, so that appends which others began before
// fail from now on.
func (s *signalStore) exclude(ctx context.Context, revived bool) error {
	s.fence = s.fence || revived
	for s.fence {
		v, err := s.look(ctx)
		if err == nil {
			err = s.allows(v.version)
		}
		if err == nil {
			err = s.add(ctx, v, nil)
		}
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
	}
	return nil
}
