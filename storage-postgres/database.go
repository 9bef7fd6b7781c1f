package pgstore

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ephemera-go/ephemera/sinks"
)

// A database is the schema of one store and the connections to it.
type database struct {
	options   Options
	pool      *pgxpool.Pool
	prefix    string // of table names
	locks     int32  // the class of our advisory locks
	idleLimit time.Duration
	closed    atomic.Bool
}

// The advisory locks of a store, below database.locks.
const (
	lockMigration int32 = iota
	lockSignals
	lockBlobs
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openDatabase(ctx context.Context, u *url.URL, given *Options) (*database, error) {
	config, o, err := parse(u, given.withDefaults())
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, translate(ctx, err)
	}
	db := &database{
		options: o, pool: pool, prefix: pgx.Identifier{o.Schema}.Sanitize() + ".",
		locks:     int32(crc32.Checksum([]byte("ephemera "+o.Schema), castagnoli)),
		idleLimit: idleLimit,
	}
	if err := db.prepare(ctx); err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

func (db *database) close() {
	db.closed.Store(true)
	db.pool.Close()
}

// sql puts the schema before the names of tables, which are written @table.
func (db *database) sql(query string) string { return strings.ReplaceAll(query, "@", db.prefix) }

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// patiently repeats f while a new attempt may succeed, for the RetryTimeout at most.
func (db *database) patiently(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(db.options.RetryTimeout)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := f()
		if !again(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w, after: %w", ctx.Err(), err)
		case <-timer.C:
		}
	}
}

// read runs f, which only reads and may run several times.
func (db *database) read(ctx context.Context, f func(conn *pgx.Conn) error) error {
	return db.patiently(ctx, func() error {
		return db.borrow(ctx, func(conn *pgx.Conn) error { return translate(ctx, f(conn)) })
	})
}

// borrow lends f a connection of the pool. One that is not idle afterwards is closed by the pool, which undoes whatever
// stands open in it.
func (db *database) borrow(ctx context.Context, f func(conn *pgx.Conn) error) error {
	conn, err := db.pool.Acquire(ctx)
	switch {
	case err == nil:
		defer conn.Release()
		return f(conn.Conn())
	case db.closed.Load():
		return sinks.ErrClosed
	}
	var known *serverError
	if err = translate(ctx, err); !errors.As(err, &known) && ctx.Err() == nil {
		err = &serverError{meaning{ErrUnavailable, "no connection of the pool works", true}, err}
	}
	return err
}

// collect calls scan for every row of a query.
func collect(ctx context.Context, conn *pgx.Conn, scan func(rows pgx.Rows) error, query string, args ...any) error {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// snapshot runs f on one state of the database.
func (db *database) snapshot(ctx context.Context, f func(conn *pgx.Conn) error) error {
	return db.read(ctx, func(conn *pgx.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		if err := f(conn); err != nil {
			return err // the pool closes the connection
		}
		return tx.Commit(ctx)
	})
}
