package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/process"
)

// A lease is what one handle knows of the lease on its destination, a row of the table leases. Its fields belong to
// whoever is in the queue of the writer.
type lease struct {
	db          *database
	destination string
	generation  uint64 // 0: this handle never acquired, or has released
	ttl         time.Duration
}

// A leaseRow is the lease as everybody sees it.
type leaseRow struct {
	generation uint64
	held       bool
	owner      string
	holder     process.Process
	expires    int64
}

func (l *lease) load(tx *Tx) (r leaseRow, err error) {
	err = tx.Get([]any{&r.generation, &r.held, &r.owner, &r.holder.Host, &r.holder.ID, &r.expires},
		"SELECT generation, held, owner, host, process, expires FROM leases WHERE destination = ?", l.destination)
	return r, damaged(err)
}

func (r *leaseRow) live() bool {
	left := r.expires - time.Now().UnixMilli()
	if !r.held || left <= 0 || left > sinks.MaxTTL.Milliseconds()+1 { // the clock went back; a holder that lives renews
		return false
	}
	return !r.holder.Gone()
}

func (r *leaseRow) refusal() error {
	return fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, r.owner, r.generation)
}

func (l *lease) fenced(r leaseRow) error {
	return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, l.generation, r.generation)
}

// allow says whether this handle may write, in the transaction that writes.
func (l *lease) allow(tx *Tx) error {
	r, err := l.load(tx)
	switch {
	case err != nil:
		return err
	case l.generation == 0 && r.live():
		return r.refusal()
	case l.generation != 0 && l.generation != r.generation:
		return l.fenced(r)
	}
	return nil
}

// write changes the row. The fields of l change only after the transaction is known to have succeeded.
func (l *lease) write(ctx context.Context, f func(tx *Tx, r leaseRow) error, then func()) error {
	if l.db.writer == nil {
		return sinks.ErrReadOnly
	}
	w := l.db.writer
	if err := w.queue.enter(ctx); err != nil {
		return err
	}
	defer w.queue.leave()
	err := w.do(ctx, func(tx *Tx) error {
		r, err := l.load(tx)
		if err != nil {
			return err
		}
		return f(tx, r)
	})
	if err == nil {
		then()
	}
	return err
}

// Acquire implements sinks.Leaser.
func (l *lease) Acquire(ctx context.Context, c sinks.Claim) (generation uint64, err error) {
	err = l.write(ctx, func(tx *Tx, r leaseRow) error {
		generation = r.generation
		if l.generation == 0 || l.generation != r.generation {
			if r.live() {
				return r.refusal()
			}
			generation++
		}
		me := process.This()
		_, err := tx.Exec("UPDATE leases SET generation = ?, held = 1, owner = ?, host = ?, process = ?, expires = ? WHERE destination = ?",
			int64(generation), c.Owner, me.Host, me.ID, expiry(c.TTL), l.destination)
		return err
	}, func() {
		l.generation, l.ttl = generation, c.TTL
	})
	if err != nil {
		return 0, err
	}
	return generation, nil
}

// expiry is rounded up, so that a lease never ends early.
func expiry(ttl time.Duration) int64 { return time.Now().Add(ttl).UnixMilli() + 1 }

// Renew implements sinks.Leaser.
func (l *lease) Renew(ctx context.Context) error {
	return l.write(ctx, func(tx *Tx, r leaseRow) error {
		switch l.generation {
		case 0:
			return fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
		case r.generation:
		default:
			return l.fenced(r)
		}
		_, err := tx.Exec("UPDATE leases SET expires = ? WHERE destination = ?", expiry(l.ttl), l.destination)
		return err
	}, func() {})
}

// Release implements sinks.Leaser. It leaves a fenced handle fenced.
func (l *lease) Release(ctx context.Context) error {
	mine := false
	return l.write(ctx, func(tx *Tx, r leaseRow) error {
		if mine = l.generation != 0 && l.generation == r.generation; !mine {
			return nil
		}
		_, err := tx.Exec("UPDATE leases SET held = 0 WHERE destination = ?", l.destination)
		return err
	}, func() {
		if mine {
			l.generation = 0
		}
	})
}

// giveUp releases when the store is closed. It waits no longer than the lease lasts.
func (l *lease) giveUp() error {
	if l.generation == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl)
	defer cancel()
	err := l.Release(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: the lease was not given up", ErrLocked)
	}
	return err
}
