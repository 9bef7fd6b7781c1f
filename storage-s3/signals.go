package s3store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	signalDir = "signals/"
	// maxHeaders bounds what a handle remembers of the objects of a log.
	maxHeaders = 8192
)

// signalStore is a log of objects that are never changed. It is used through sinks.CheckedSignals.
type signalStore struct {
	*control
	dir string // of the keys

	turn chan struct{} // holds one token, for who writes; a channel, so that waiting ends with the context
	// It belongs to who has the turn.
	last *view // the log after this handle's last append; nil when that does not help the next one

	excluded atomic.Uint64 // the Since of the state before this handle's last append

	mu      sync.Mutex
	headers map[uint64]header // by ordinal
	low     struct{ trimmed, first uint64 }
}

// A view is the log at one moment: its newest object was looked up before its state was.
type view struct {
	newest header // of ordinal 0 when there is no object
	*version
	lowest uint64 // of the objects that were read since; 0 when there are none
}

func (v *view) touch(ordinal uint64) {
	if v.lowest == 0 || ordinal < v.lowest {
		v.lowest = ordinal
	}
}

// A missingError is about an object that must be there, unless it was trimmed meanwhile.
type missingError struct{ ordinal uint64 }

func (e *missingError) Error() string {
	return fmt.Sprintf("%v: object %d is missing", sinks.ErrCorrupt, e.ordinal)
}

func (e *missingError) Unwrap() error { return sinks.ErrCorrupt }

func openSignals(ctx context.Context, name, prefix string, o *Options) (*signalStore, error) {
	b, err := newBucket(name, prefix, o)
	if err != nil {
		return nil, err
	}
	s := &signalStore{
		control: newControl(b, "signals.state"), dir: b.key(signalDir),
		turn: make(chan struct{}, 1), headers: make(map[uint64]header),
	}
	s.turn <- struct{}{}
	if err := s.start(ctx); err != nil {
		s.discard()
		return nil, b.explain(err)
	}
	return s, nil
}

// start makes sure that the bucket can be listed and, unless the store is read-only, written to as it must be.
func (s *signalStore) start(ctx context.Context) error {
	v, err := s.look(ctx)
	if err != nil || s.bucket.readOnly {
		return err
	}
	if v.etag == "" && v.newest.ordinal > 0 {
		return fmt.Errorf("%w: the state object of the log is missing", sinks.ErrCorrupt)
	}
	if err := s.bucket.probe(ctx); err != nil {
		return err
	}
	return s.create(ctx)
}

func (s *signalStore) key(ordinal uint64) string { return s.dir + ordinalName(ordinal) }

// alone runs f when nobody else writes through this handle.
func (s *signalStore) alone(ctx context.Context, f func() error) error {
	if s.bucket.readOnly {
		return errReadOnly
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	return f()
}

// look returns the log as it is now.
func (s *signalStore) look(ctx context.Context) (*view, error) {
	for before := (*header)(nil); ; {
		newest, err := s.newest(ctx)
		if err != nil {
			return nil, err
		}
		v, err := s.load(ctx)
		if err != nil {
			return nil, err
		}
		if v.first() <= max(newest.ordinal, 1) && v.Trimmed <= newest.last && v.Removed <= newest.total() {
			return &view{newest: newest, version: v}, nil
		}
		if before != nil && newest == *before {
			return nil, &missingError{max(v.first(), newest.ordinal+1)}
		}
		before = &newest // others have appended and trimmed since
	}
}

// newest returns the header of the newest object.
func (s *signalStore) newest(ctx context.Context) (header, error) {
	var race contest
	for {
		var ordinal uint64
		err := s.bucket.list(ctx, s.dir, "", 10, func(key string, _ int64) bool {
			found, ours := parseOrdinal(strings.TrimPrefix(key, s.dir))
			if ours {
				ordinal = found
			}
			return !ours
		})
		if err == nil {
			err = race.again(ctx, s.bucket.attempts, ordinal)
		}
		if err != nil || ordinal == 0 {
			return header{}, err
		}
		h, err := s.header(ctx, ordinal)
		var missing *missingError
		if !errors.As(err, &missing) {
			return h, err
		}
		// Trimmed since, so there is a newer one.
	}
}

// header returns the header of an object.
func (s *signalStore) header(ctx context.Context, ordinal uint64) (header, error) {
	s.mu.Lock()
	h, known := s.headers[ordinal]
	s.mu.Unlock()
	if known {
		return h, nil
	}
	b, err := s.bucket.readStart(ctx, s.key(ordinal), headerSize)
	if err == nil {
		h, err = decodeHeader(b, ordinal)
	}
	if err != nil {
		return h, objectError(ordinal, err)
	}
	s.remember(h)
	return h, nil
}

func (s *signalStore) remember(h header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.headers) >= maxHeaders {
		clear(s.headers)
	}
	s.headers[h.ordinal] = h
}

// objectError says which object err is about.
func objectError(ordinal uint64, err error) error {
	if errors.Is(err, sinks.ErrNotFound) && !noBucket(err) {
		return &missingError{ordinal}
	}
	return fmt.Errorf("object %d: %w", ordinal, err)
}

// settled runs f, and again as long as f misses an object that has been trimmed meanwhile.
func (s *signalStore) settled(ctx context.Context, f func() error) error {
	for {
		err := f()
		var missing *missingError
		if !errors.As(err, &missing) {
			return err
		}
		v, errLoad := s.load(ctx)
		if errLoad != nil {
			return errLoad
		}
		if v.first() <= missing.ordinal {
			return err
		}
	}
}

// reading runs f on the log as it is now.
func (s *signalStore) reading(ctx context.Context, f func(v *view) error) error {
	return s.settled(ctx, func() error {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		return s.intact(ctx, v, f(v))
	})
}

// intact returns err, which came of reading objects, unless one of them was trimmed meanwhile. Then it may have been
// another one: a writer that was away for long may put an object there, for a moment, until it notices.
func (s *signalStore) intact(ctx context.Context, v *view, err error) error {
	if v.lowest == 0 || ctx.Err() != nil {
		return err
	}
	now, errLoad := s.load(ctx)
	if errLoad != nil {
		return errLoad
	}
	if now.first() > v.lowest {
		return &missingError{v.lowest}
	}
	return err
}

// Close implements sinks.SignalStore.
func (s *signalStore) Close() error { return s.close() }
