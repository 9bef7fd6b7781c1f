package sinktest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// badLease spoils the lease of a store; what is nil stays sound.
type badLease struct {
	inner   io.Closer
	acquire func(context.Context, sinks.Claim) (uint64, error)
	renew   func(context.Context) error
	release func(context.Context) error
}

func (l badLease) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	if l.acquire != nil {
		return l.acquire(ctx, c)
	}
	return sinks.Acquire(ctx, l.inner, c)
}

func (l badLease) Renew(ctx context.Context) error {
	if l.renew != nil {
		return l.renew(ctx)
	}
	return sinks.Renew(ctx, l.inner)
}

func (l badLease) Release(ctx context.Context) error {
	if l.release != nil {
		return l.release(ctx)
	}
	return sinks.Release(ctx, l.inner)
}

func (l badLease) Verify(ctx context.Context) error { return sinks.Verify(ctx, l.inner) }

// A planter knows how to spoil the stores of one contract.
type planter[S io.Closer] struct {
	sound func(*memstore.Space) S
	wrap  func(s S, l badLease, closing func() error) S
}

type badSignals struct {
	sinks.SignalStore
	badLease
	closing func() error
}

func (s badSignals) Close() error { return s.closing() }

type badBlobs struct {
	sinks.BlobStore
	badLease
	closing func() error
}

func (s badBlobs) Close() error { return s.closing() }

var (
	signalPlanter = planter[sinks.SignalStore]{
		func(s *memstore.Space) sinks.SignalStore { return s.OpenSignals() },
		func(s sinks.SignalStore, l badLease, closing func() error) sinks.SignalStore {
			return badSignals{s, l, closing}
		},
	}
	blobPlanter = planter[sinks.BlobStore]{
		func(s *memstore.Space) sinks.BlobStore { return s.OpenBlobs() },
		func(s sinks.BlobStore, l badLease, closing func() error) sinks.BlobStore {
			return badBlobs{s, l, closing}
		},
	}
)

func done(context.Context) error { return nil }

// bugs are those that both contracts can have.
func (p planter[S]) bugs() []bug[S] {
	var holders sync.Map // by place
	spoiled := func(spoil func(at *plot, s S, l *badLease)) func(*plot) S {
		return func(at *plot) S {
			s := p.sound(at.space)
			l := badLease{inner: s}
			spoil(at, s, &l)
			return p.wrap(s, l, s.Close)
		}
	}
	closing := func(closing func(s S) func() error) func(*plot) S {
		return func(at *plot) S {
			s := p.sound(at.space)
			return p.wrap(s, badLease{inner: s}, closing(s))
		}
	}
	return []bug[S]{
		{name: "lease not kept from writers", want: "lease-exclusive lease-release lease-expiry", plant: spoiled(func(_ *plot, _ S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				return sinks.Acquire(ctx, p.sound(new(memstore.Space)), c)
			}
			l.renew, l.release = done, done
		})},
		{name: "generation begins anew", want: "lease-generation", plant: spoiled(func(_ *plot, s S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				_, err := sinks.Acquire(ctx, s, c)
				return 1, err
			}
		})},
		{waits: true, name: "lease never ends", want: "lease-expiry lease-late", plant: spoiled(func(_ *plot, s S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				return sinks.Acquire(ctx, s, sinks.Claim{Owner: c.Owner, TTL: sinks.MaxTTL})
			}
		})},
		{name: "lease that ran out is not renewed", want: "lease-late", plant: spoiled(func(_ *plot, s S, l *badLease) {
			var ends time.Time
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				if !ends.IsZero() && time.Now().After(ends) {
					return 0, &sinks.Error{Op: "acquire", Driver: "planted", Err: sinks.ErrFenced}
				}
				ends = time.Now().Add(c.TTL)
				return sinks.Acquire(ctx, s, c)
			}
		})},
		{name: "holder is not named", want: "lease-exclusive", plant: spoiled(func(_ *plot, s S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				return sinks.Acquire(ctx, s, sinks.Claim{TTL: c.TTL})
			}
		})},
		{name: "acquiring again makes a new holder", want: "lease-again", plant: spoiled(func(_ *plot, s S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				if err := sinks.Release(ctx, s); err != nil {
					return 0, err
				}
				return sinks.Acquire(ctx, s, c)
			}
		})},
		{name: "release frees the lease of others", want: "lease-misuse", plant: spoiled(func(at *plot, s S, l *badLease) {
			l.acquire = func(ctx context.Context, c sinks.Claim) (uint64, error) {
				holders.Store(at, s)
				return sinks.Acquire(ctx, s, c)
			}
			l.release = func(ctx context.Context) error {
				if holder, ok := holders.Load(at); ok {
					return sinks.Release(ctx, holder.(S))
				}
				return nil
			}
		})},
		{name: "close not idempotent", want: "close", plant: closing(func(s S) func() error {
			closed := false
			return func() error {
				if closed {
					return errClosedTwice
				}
				closed = true
				return s.Close()
			}
		})},
		{name: "usable after close", want: "close lease-close", plant: closing(func(S) func() error { return func() error { return nil } })},
	}
}

var errClosedTwice = errors.New("closed twice")

// laxSignals asks for the lease, which another store holds, when it appends, and forgets to when it trims.
type laxSignals struct {
	planted
	kept sinks.SignalStore
}

func (s laxSignals) Append(ctx context.Context, batch []sinks.Signal) error {
	if err := s.SignalStore.Trim(ctx, 1); err != nil {
		return err
	}
	return s.kept.Append(ctx, batch)
}

func (s laxSignals) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	return s.kept.Read(ctx, after, limit)
}

func (s laxSignals) Stat(ctx context.Context) (sinks.SignalStat, error) { return s.kept.Stat(ctx) }

func (s laxSignals) Trim(ctx context.Context, through uint64) error { return s.kept.Trim(ctx, through) }

// leasedBlobs keeps the optional interfaces of what it wraps.
type leasedBlobs struct{ sinks.BlobStore }

func (s leasedBlobs) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, s.BlobStore, c)
}

func (s leasedBlobs) Renew(ctx context.Context) error { return sinks.Renew(ctx, s.BlobStore) }

func (s leasedBlobs) Release(ctx context.Context) error { return sinks.Release(ctx, s.BlobStore) }

// laxBlobs is laxSignals for blobs.
type laxBlobs struct {
	leasedBlobs
	kept sinks.BlobStore
}

func (s laxBlobs) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if err := s.BlobStore.Delete(ctx, "x"); err != nil {
		return err
	}
	return s.kept.Put(ctx, name, size, r)
}

func (s laxBlobs) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	return s.kept.Open(ctx, name)
}

func (s laxBlobs) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	return s.kept.List(ctx, prefix, after, limit)
}

func (s laxBlobs) Delete(ctx context.Context, name string) error { return s.kept.Delete(ctx, name) }
