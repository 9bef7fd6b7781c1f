package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Writer is the one connection through which a process writes to a SQLite file. Calls wait for each other in the order
// in which they came, so no statement of one program ever waits for a lock that another one of it holds. Each call is
// one transaction, begun with the write lock (BEGIN IMMEDIATE) and committed or undone whole. The file is in WAL mode.
//
// The context of a caller ends its waiting. A write that has started is finished, whatever becomes of the context.
//
// Errors of OpenWriter and of all methods are a *sinks.Error that names the driver, the method and the base name of the
// file, also around what a function given to Do returned, which errors.Is and errors.As find.
//
// No error shows SQL text or values: SQLite quotes them in its messages, so its errors show their code instead. The
// *sqlite.Error with the text can be had with errors.As. See ErrLocked, ErrFull, ErrReplaced, sinks.ErrReadOnly,
// sinks.ErrCorrupt, sinks.ErrClosed and sinks.ErrUnknownOutcome.
type Writer struct {
	at      location
	options Options
	db      *sql.DB
	queue   queue

	// Used only by whoever is in the queue.
	conn       *sql.Conn // nil after a failure that left it in doubt
	statements map[string]*sql.Stmt
	prepared   []string // keys of statements, oldest first
	bulk       inserter
	opened     os.FileInfo
	log        os.FileInfo // nil until the log was seen
	starved    bool        // the last look at the log found it too long
	nextLook   int64       // size of the log at which to look again

	once     sync.Once
	closeErr error
}

// OpenWriter opens a SQLite file of any content, makes it if it does not exist, and turns it to WAL mode. Options.ReadOnly
// is refused; nil means the default Options. The caller must close it.
func OpenWriter(ctx context.Context, path string, options *Options) (*Writer, error) {
	o, err := options.check()
	if err == nil && o.ReadOnly {
		err = fmt.Errorf("%w: option ReadOnly for a writer", sinks.ErrInvalid)
	}
	var at location
	if err == nil {
		at, err = locate(path)
	}
	if err == nil {
		_, err = at.exists()
	}
	var w *Writer
	if err == nil {
		w, err = openWriter(ctx, at, o, false)
	}
	if err != nil {
		return nil, wrap("open writer", path, err)
	}
	return w, nil
}

// openWriter also decides, for a file without content, whether free pages can be given back later.
func openWriter(ctx context.Context, at location, o Options, shrinkable bool) (*Writer, error) {
	if err := makeFolder(filepath.Dir(at.path), flushFolder); err != nil {
		return nil, err
	}
	db, err := sql.Open(driverName, writerDSN(at.path, o, shrinkable))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	w := &Writer{at: at, options: o, db: db, nextLook: longLog}
	if err := w.patiently(ctx, o.BusyTimeout, func() error { return w.connect(context.WithoutCancel(ctx)) }); err != nil {
		_ = db.Close()
		return nil, err
	}
	if w.opened, err = os.Stat(at.given); err != nil {
		_ = db.Close()
		return nil, err
	}
	return w, nil
}

// patiently repeats f while another connection is in its way. SQLite could wait by itself, but would not notice that ctx
// has ended.
func (w *Writer) patiently(ctx context.Context, timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	pause := time.Millisecond
	for {
		err := translate(f())
		if !errors.Is(err, ErrLocked) {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return err
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause = min(pause*2, 20*time.Millisecond)
	}
}

// Do runs f in a transaction, which is committed when f returns nil and undone when it returns an error or panics. f must
// not use w, nor tx after it has returned, nor begin or end transactions with SQL. Other writes wait for f.
func (w *Writer) Do(ctx context.Context, f func(tx *Tx) error) error {
	return wrap("do", w.at.given, w.run(ctx, f))
}

// wrap names what failed, unless a store given to the caller's function has done so.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*sinks.Error)(nil); errors.As(err, &known) {
		return err
	}
	return &sinks.Error{Op: op, Driver: scheme, Object: filepath.Base(path), Err: translate(err)}
}

// run is Do with errors as they are, for the stores, which name the operation themselves.
func (w *Writer) run(ctx context.Context, f func(tx *Tx) error) error {
	if err := w.queue.enter(ctx); err != nil {
		return err
	}
	defer w.queue.leave()
	return w.do(ctx, f)
}

// do is run for whoever is in the queue.
func (w *Writer) do(ctx context.Context, f func(tx *Tx) error) error {
	if err := w.sameFile(); err != nil {
		return err
	}
	if err := w.transaction(ctx, f); err != nil {
		return err
	}
	w.limitLog()
	return nil
}

func (w *Writer) transaction(ctx context.Context, f func(tx *Tx) error) error {
	inside := context.WithoutCancel(ctx)
	err := w.patiently(ctx, w.options.BusyTimeout, func() error {
		if err := w.connect(inside); err != nil {
			return err
		}
		_, err := w.conn.ExecContext(inside, "BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		return err
	}
	tx := &Tx{w: w, ctx: inside}
	committed := false
	defer func() {
		tx.end()
		if !committed {
			w.undo(inside)
		}
	}()
	if err := f(tx); err != nil {
		return translate(err)
	}
	tx.end()
	if _, err := w.conn.ExecContext(inside, "COMMIT"); err != nil {
		return unknownAfterCommit(err)
	}
	committed = true
	return nil
}

// undo ends a transaction. SQLite has done so already after some errors; a connection that does not know its state is
// thrown away, which undoes as well.
func (w *Writer) undo(ctx context.Context) {
	if _, err := w.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		w.disconnect()
	}
}

func (w *Writer) disconnect() {
	for _, stmt := range w.statements {
		_ = stmt.Close()
	}
	w.statements, w.prepared = nil, nil
	if w.conn != nil {
		// Returned as bad, it is closed instead of being kept for the next call of db.Conn.
		_ = w.conn.Raw(func(any) error {
			w.bulk.close()
			return driver.ErrBadConn
		})
		_ = w.conn.Close()
		w.conn, w.log = nil, nil
	}
}

// sameFile refuses to write into a file, or a log, that nobody will find again.
func (w *Writer) sameFile() error {
	if err := w.at.inPlace(w.opened); err != nil || w.log == nil {
		return err
	}
	now, err := os.Stat(w.at.log())
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, w.log) {
		return fmt.Errorf("%w: its write-ahead log", ErrReplaced)
	}
	return err
}

// Exec runs one statement as a transaction of its own and returns how many rows it changed.
func (w *Writer) Exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = w.run(ctx, func(tx *Tx) error {
		changed, err = tx.Exec(query, args...)
		return err
	})
	if err != nil {
		return 0, wrap("exec", w.at.given, err)
	}
	return changed, nil
}

// A Statement is SQL with the values of its placeholders.
type Statement struct {
	SQL  string
	Args []any
}

// Batch runs statements in one transaction: all of them or none.
func (w *Writer) Batch(ctx context.Context, statements []Statement) error {
	return wrap("batch", w.at.given, w.run(ctx, func(tx *Tx) error {
		for i, s := range statements {
			if _, err := tx.Exec(s.SQL, s.Args...); err != nil {
				return fmt.Errorf("statement %d: %w", i, err)
			}
		}
		return nil
	}))
}

// Flush returns when every write that was waiting before it has ended, well or not.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.queue.enter(ctx); err != nil {
		return wrap("flush", w.at.given, err)
	}
	w.queue.leave()
	return nil
}

// Checkpoint moves the whole write-ahead log into the file and empties it. While a reader of any process is in the way
// it waits, for the busy timeout at most, then returns ErrLocked; nothing is lost by that.
func (w *Writer) Checkpoint(ctx context.Context) error {
	return wrap("checkpoint", w.at.given, w.emptyLog(ctx))
}

func (w *Writer) emptyLog(ctx context.Context) error {
	if err := w.queue.enter(ctx); err != nil {
		return err
	}
	defer w.queue.leave()
	if err := w.sameFile(); err != nil {
		return err
	}
	inside := context.WithoutCancel(ctx)
	return w.patiently(ctx, w.options.BusyTimeout, func() error {
		if err := w.connect(inside); err != nil {
			return err
		}
		return w.checkpoint(inside)
	})
}

// Close waits for the writes in progress and waiting, empties the write-ahead log unless another connection needs it, and
// closes the connection. It is idempotent.
func (w *Writer) Close() error { return wrap("close", w.at.given, w.end()) }

func (w *Writer) end() error {
	w.once.Do(func() { w.closeErr = w.close() })
	return w.closeErr
}

func (w *Writer) close() (err error) {
	w.queue.close()
	defer w.queue.leave()
	if w.conn != nil && w.sameFile() == nil {
		if err = translate(w.checkpoint(context.Background())); errors.Is(err, ErrLocked) {
			err = nil
		}
	}
	w.disconnect()
	return errors.Join(err, translate(w.db.Close()))
}
