package pgstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/process"
)

// A lease is what one handle knows of the lease on its destination, a row of the table leases.
//
// Whoever writes to the destination holds its advisory lock together with other writers, whoever acquires the lease holds
// it alone. So an acquirer waits for the writes that have begun, and every later one sees the new generation. A row lock
// (FOR SHARE) would do the same, but writers that overlap all the time would never let an acquirer in: row locks have no
// queue, advisory locks have one.
type lease struct {
	db          *database
	destination string
	lock        int32
	guardsLog   bool          // writers also lock the log
	handle      int64         // recognizes what this handle has written, even if the answer was lost
	turn        chan struct{} // holds the one who acquires, renews or releases
	generation  atomic.Uint64 // 0: this handle never acquired, or has released
	ttl         time.Duration // guarded by turn
}

func newLease(db *database, destination string, lock int32) *lease {
	return &lease{
		db: db, destination: destination, lock: lock, guardsLog: lock == lockSignals,
		handle: rand.Int64(), turn: make(chan struct{}, 1),
	}
}

// A leaseRow is the lease as everybody sees it.
type leaseRow struct {
	generation uint64
	held       bool
	running    bool // held, and the TTL is not over
	owner      string
	handle     int64
	holder     process.Process
}

// An end that lies beyond every TTL was written before the server's clock went back, and says nothing.
const selectLease = `SELECT generation, held, held AND clock_timestamp() < expires AND expires <= clock_timestamp() + interval '24 hours',
	owner, handle, host, process FROM @leases WHERE destination = $1`

func (r *leaseRow) scan(row pgx.Row) error {
	return damaged(row.Scan(&r.generation, &r.held, &r.running, &r.owner, &r.handle, &r.holder.Host, &r.holder.ID))
}

func (r *leaseRow) live() bool { return r.running && !r.holder.Gone() }

func (r *leaseRow) refusal() error {
	return fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, r.owner, r.generation)
}

func (l *lease) fenced(r leaseRow) error {
	return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, l.generation.Load(), r.generation)
}

// queueCheck adds the statements whose results check and the transaction read.
func (l *lease) queueCheck(batch *pgx.Batch) {
	batch.Queue("SELECT pg_advisory_xact_lock_shared($1::int, $2::int)", l.db.locks, l.lock)
	batch.Queue(l.db.sql(selectLease), l.destination)
	if l.guardsLog {
		batch.Queue(l.db.sql(lockLog))
	}
}

// check says whether this handle may write.
func (l *lease) check(results pgx.BatchResults) (refusal, err error) {
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	var r leaseRow
	if err := r.scan(results.QueryRow()); err != nil {
		return nil, err
	}
	switch mine := l.generation.Load(); {
	case mine == 0 && r.live():
		return r.refusal(), nil
	case mine != 0 && mine != r.generation:
		return l.fenced(r), nil
	}
	return nil, nil
}

// write changes the row, alone if asked. The fields of l change only after the transaction is known to have succeeded.
func (l *lease) write(ctx context.Context, alone bool, f func(t *tx, r leaseRow) error, then func()) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	err := l.db.write(ctx, nil, func(t *tx) error {
		if alone {
			if err := l.alone(t); err != nil {
				return err
			}
		}
		var r leaseRow
		if err := r.scan(t.conn.QueryRow(ctx, l.db.sql(selectLease+" FOR UPDATE"), l.destination)); err != nil {
			return err
		}
		return f(t, r)
	})
	if err == nil {
		then()
	}
	return err
}

// alone waits for the writers that have begun, and lets none begin until the transaction has ended.
func (l *lease) alone(t *tx) error {
	_, err := t.conn.Exec(t.ctx, "SELECT pg_advisory_xact_lock($1::int, $2::int)", l.db.locks, l.lock)
	return err
}

// mine reports whether this handle holds what r says.
func (l *lease) mine(r leaseRow) bool {
	return r.handle == l.handle && r.generation == l.generation.Load()
}

// Acquire implements sinks.Leaser.
func (l *lease) Acquire(ctx context.Context, c sinks.Claim) (generation uint64, err error) {
	err = l.write(ctx, true, func(t *tx, r leaseRow) error {
		generation = r.generation
		if !r.held || r.handle != l.handle {
			if r.live() {
				return r.refusal()
			}
			generation++
		}
		me := process.This()
		_, err := t.change(`UPDATE @leases SET generation = $1, held = true, owner = $2, handle = $3, host = $4, process = $5,
			expires = clock_timestamp() + $6::double precision * interval '1 microsecond' WHERE destination = $7`,
			int64(generation), c.Owner, l.handle, me.Host, me.ID, c.TTL.Microseconds(), l.destination)
		return err
	}, func() {
		l.generation.Store(generation)
		l.ttl = c.TTL
	})
	if err != nil {
		return 0, err
	}
	return generation, nil
}

// Renew implements sinks.Leaser.
func (l *lease) Renew(ctx context.Context) error {
	return l.write(ctx, false, func(t *tx, r leaseRow) error {
		if l.generation.Load() == 0 {
			return fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
		}
		if !l.mine(r) {
			return l.fenced(r)
		}
		_, err := t.change(`UPDATE @leases SET held = true, expires = clock_timestamp() + $1::double precision * interval '1 microsecond'
			WHERE destination = $2`, l.ttl.Microseconds(), l.destination)
		return err
	}, func() {})
}

// Release implements sinks.Leaser. It leaves a fenced handle fenced.
func (l *lease) Release(ctx context.Context) error {
	mine := false
	return l.write(ctx, false, func(t *tx, r leaseRow) error {
		if mine = l.mine(r); !mine {
			return nil
		}
		_, err := t.change("UPDATE @leases SET held = false WHERE destination = $1", l.destination)
		return err
	}, func() {
		if mine {
			l.generation.Store(0)
		}
	})
}

// giveUp releases when the store is closed. A server that does not answer must not keep a process from ending.
func (l *lease) giveUp() error {
	if l.generation.Load() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.db.options.RetryTimeout)
	defer cancel()
	return l.Release(ctx)
}
