package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A Lease is held and renewed in the background until Close. Its methods are safe for concurrent use.
type Lease struct {
	store      io.Closer
	ttl        time.Duration
	generation uint64
	stop       context.CancelFunc
	done       chan struct{} // closed when the renewing goroutine has ended
	lost       chan struct{}
	cause      error // set before lost is closed

	once     sync.Once
	closed   atomic.Bool
	closeErr error
}

// Hold acquires the lease of a store and renews it every third of its TTL. ctx is for acquiring only. The caller must
// close the Lease, before the store.
func Hold(ctx context.Context, store io.Closer, c Claim) (*Lease, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	generation, err := Acquire(ctx, store, c)
	if err != nil {
		return nil, err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lease{
		store: store, ttl: c.TTL, generation: generation, stop: stop,
		done: make(chan struct{}), lost: make(chan struct{}),
	}
	go l.renew(renewing, begin)
	return l, nil
}

// Generation returns the fencing generation: greater than that of every earlier holder.
func (l *Lease) Generation() uint64 { return l.generation }

// Lost is closed when the lease is gone: taken over, the store closed, or not renewed for a whole TTL, in which case
// somebody may have taken over. The holder should stop writing; the store refuses writes once it was taken over.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Err returns why the lease is not held any more: why it was lost, or ErrClosed after Close; nil as long as it is held.
func (l *Lease) Err() error {
	select {
	case <-l.lost:
		return l.cause
	default:
	}
	if l.closed.Load() {
		return fmt.Errorf("sinks: lease given up: %w", ErrClosed)
	}
	return nil
}

// Close stops renewing and releases the lease. Giving up a lease that was lost, or that of a closed store, is no error.
// It is idempotent. It waits no longer than a TTL, even for a store that hangs and does not care about contexts: by then
// the lease is over anyway.
func (l *Lease) Close() error {
	l.once.Do(func() {
		l.closed.Store(true)
		l.stop()
		<-l.done
		// The renewing context is over.
		ctx, cancel := context.WithTimeout(context.Background(), l.ttl)
		defer cancel()
		err := bounded(ctx, func() error { return Release(ctx, l.store) })
		if !errors.Is(err, ErrFenced) && !errors.Is(err, ErrClosed) {
			l.closeErr = err
		}
	})
	return l.closeErr
}

// bounded returns when call does or when its context ends, whatever comes first: a system call that hangs, on a disk that
// does not answer, cannot be called off.
func bounded(ctx context.Context, call func() error) error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lease) renew(ctx context.Context, renewed time.Time) {
	defer close(l.done)
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	var failure error // of the attempts since the last success, the one that says most
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begin := time.Now()
		attempt, cancel := context.WithDeadline(ctx, renewed.Add(l.ttl))
		err := bounded(attempt, func() error { return Renew(attempt, l.store) })
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			renewed, failure = begin, nil
			continue
		case errors.Is(err, ErrFenced), errors.Is(err, ErrClosed), errors.Is(err, ErrInvalid):
			l.lose(err)
			return
		}
		if failure == nil || !errors.Is(err, context.DeadlineExceeded) {
			failure = err
		}
		if time.Since(renewed) >= l.ttl {
			l.lose(fmt.Errorf("sinks: lease not renewed for %v: %w", l.ttl, failure))
			return
		}
	}
}

func (l *Lease) lose(cause error) {
	l.cause = cause
	close(l.lost)
}
