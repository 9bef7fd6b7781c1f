package benchmarks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver that storage-sqlite uses

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// Flushed is how many signals one measured flush has: as many as a window writes at once.
const Flushed = window.DefaultMaxPerFlush

// Loaded is how many signals one measured load brings back.
const Loaded = 100_000

// ServiceSignals are n signals like those of a service: few names, many keys, neither path nor data.
func ServiceSignals(n int) []window.Signal {
	list := make([]window.Signal, n)
	for i := range list {
		list[i] = window.Signal{
			Time: time.Unix(1_700_000_000, int64(i)*1000).UTC(), Operation: uint64(i)/3 + 1,
			Name: []string{"order.completed", "error:Timeout", "cache.miss"}[i%3], Key: fmt.Sprintf("customer-%d", i%5000),
		}
	}
	return list
}

// A Kept is a window with a store in a SQLite file that it writes to only when it is told to.
type Kept struct {
	Window *window.Window
	store  sinks.SignalStore
	batch  []window.Signal
}

// OpenKept opens the file, which may hold signals already; synchronous is full or normal, as in the URL of a store.
func OpenKept(ctx context.Context, path, synchronous string, capacity int) (*Kept, error) {
	s, err := sinks.OpenSignals(ctx, "sqlite://"+path+"?synchronous="+synchronous)
	if err != nil {
		return nil, err
	}
	w, err := window.New(ctx, window.Options{
		Store: s, Capacity: capacity, MaxAge: window.Forever, FlushInterval: window.Forever,
		HighWater: capacity, // more than anybody raises between two flushes
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Kept{w, s, ServiceSignals(Flushed)}, nil
}

// Raise raises a batch, which then waits for Flush.
func (k *Kept) Raise() error {
	_, err := k.Window.RaiseBatch(k.batch)
	return err
}

// Flush writes what waits.
func (k *Kept) Flush(ctx context.Context) error { return k.Window.Flush(ctx) }

// Load brings back what the file holds, and returns how many signals that are.
func (k *Kept) Load(ctx context.Context) (int, error) {
	r, err := k.Window.Load(ctx, window.LoadOptions{})
	return r.Restored, err
}

// Close writes what waits and closes the file.
func (k *Kept) Close() error { return errors.Join(k.Window.Close(), k.store.Close()) }

// An SQLiteLoop is what a careful programmer writes by hand for the same table without checksums: one transaction for a
// batch, one prepared statement of many rows. It keeps no account and knows no lease.
type SQLiteLoop struct {
	db     *sql.DB
	insert *sql.Stmt
	next   int64
}

// loopRows is the number of rows in a statement for which the loop was fastest: 5, 20 and 50 were tried too.
const loopRows = 10

// OpenSQLiteLoop makes the file.
func OpenSQLiteLoop(ctx context.Context, path, synchronous string) (*SQLiteLoop, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_journal_mode=WAL&_synchronous="+synchronous)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `CREATE TABLE signals (id INTEGER PRIMARY KEY, operation_id INTEGER NOT NULL,
		signal TEXT NOT NULL, key TEXT, timestamp TEXT NOT NULL, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
		path TEXT, data BLOB) STRICT`)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO signals (id, operation_id, signal, key, timestamp) VALUES (?,?,?,?,?)"+
		strings.Repeat(",(?,?,?,?,?)", loopRows-1))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &SQLiteLoop{db: db, insert: insert}, nil
}

const loopTime = "2006-01-02T15:04:05.000000000Z"

// Insert stores a batch, which has a multiple of loopRows signals. Under a context that can end, the driver would start a
// goroutine for each statement.
func (l *SQLiteLoop) Insert(ctx context.Context, batch []window.Signal) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()                     //nolint:errcheck // after Commit it does nothing
	insert := tx.StmtContext(ctx, l.insert) //nolint:sqlclosecheck // the end of tx closes it
	args := make([]any, 0, 5*loopRows)
	for rest := batch; len(rest) > 0; rest = rest[loopRows:] {
		args = args[:0]
		for i := range rest[:loopRows] {
			s := &rest[i]
			l.next++
			args = append(args, l.next, int64(s.Operation), s.Name, s.Key, s.Time.UTC().Format(loopTime))
		}
		if _, err := insert.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Select returns the newest n signals, oldest first.
func (l *SQLiteLoop) Select(ctx context.Context, n int) ([]window.Signal, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT id, operation_id, signal, key, timestamp FROM signals
		WHERE id > (SELECT max(id) FROM signals) - ? ORDER BY id`, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []window.Signal
	for rows.Next() {
		var s window.Signal
		var at string
		if err := rows.Scan(&s.Sequence, &s.Operation, &s.Name, &s.Key, &at); err != nil {
			return nil, err
		}
		if s.Time, err = time.Parse(loopTime, at); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// Close closes the file.
func (l *SQLiteLoop) Close() error { return errors.Join(l.insert.Close(), l.db.Close()) }
