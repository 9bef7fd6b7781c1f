package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Lease is held and renewed in the background until Close. Its methods are safe for concurrent use.
type Lease struct {
	store      io.Closer
	ttl        time.Duration
	generation uint64
	stop       context.CancelFunc
	renewed    chan struct{} // closed when the renewing goroutine has ended
	done       chan struct{}
	cause      error // set before done is closed

	once     sync.Once
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
		renewed: make(chan struct{}), done: make(chan struct{}),
	}
	go l.renew(renewing, begin)
	return l, nil
}

// Generation returns the fencing generation: greater than that of every earlier holder.
func (l *Lease) Generation() uint64 { return l.generation }

// Done is closed when the lease is not held any more: given up by Close, taken over, the store closed, or not renewed for a
// whole TTL, in which case somebody may have taken over. The holder should stop writing; the store refuses writes once it
// was taken over. Err tells which.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Err returns nil until Done is closed, and then why: ErrClosed after Close or when the store was closed, ErrFenced when
// somebody took over, or else why it could not be renewed.
func (l *Lease) Err() error {
	select {
	case <-l.done:
		return l.cause
	default:
		return nil
	}
}

// Close stops renewing and releases the lease. Giving up a lease that was lost, or that of a closed store, is no error.
// It is idempotent. It waits no longer than a TTL, even for a store that hangs and does not care about contexts: by then
// the lease is over anyway.
func (l *Lease) Close() error {
	l.once.Do(func() {
		l.stop()
		<-l.renewed
		if l.Err() == nil {
			l.end(fmt.Errorf("sinks: lease given up: %w", ErrClosed))
		}
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

func (l *Lease) renew(ctx context.Context, last time.Time) {
	defer close(l.renewed)
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
		attempt, cancel := context.WithDeadline(ctx, last.Add(l.ttl))
		err := bounded(attempt, func() error { return Renew(attempt, l.store) })
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			last, failure = begin, nil
			continue
		case errors.Is(err, ErrFenced), errors.Is(err, ErrClosed), errors.Is(err, ErrInvalid):
			l.end(err)
			return
		}
		if failure == nil || !errors.Is(err, context.DeadlineExceeded) {
			failure = err
		}
		if time.Since(last) >= l.ttl {
			l.end(fmt.Errorf("sinks: lease not renewed for %v: %w", l.ttl, failure))
			return
		}
	}
}

func (l *Lease) end(cause error) {
	l.cause = cause
	close(l.done)
}
