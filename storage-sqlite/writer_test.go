package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

func openWriter(t *testing.T, path string, o sqlitestore.Options) *sqlitestore.Writer {
	t.Helper()
	w, err := sqlitestore.OpenWriter(t.Context(), path, &o)
	must(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func newWriter(t *testing.T) (w *sqlitestore.Writer, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "w.db")
	w = openWriter(t, path, quick)
	_, err := w.Exec(t.Context(), "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
	must(t, err)
	return w, path
}

func countNotes(t *testing.T, path string) (n int) {
	t.Helper()
	must(t, raw(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM notes").Scan(&n))
	return n
}

func TestWriterTransactions(t *testing.T) {
	w, path := newWriter(t)
	ctx := t.Context()
	must(t, w.Batch(ctx, []sqlitestore.Statement{
		{SQL: "INSERT INTO notes (text) VALUES (?)", Args: []any{"a"}},
		{SQL: "INSERT INTO notes (text) VALUES (?)", Args: []any{"b"}},
	}))
	err := w.Batch(ctx, []sqlitestore.Statement{
		{SQL: "INSERT INTO notes (text) VALUES (?)", Args: []any{"c"}},
		{SQL: "INSERT INTO notes (text) VALUES (?)", Args: []any{"a"}},
	})
	if err == nil || countNotes(t, path) != 2 {
		t.Errorf("a batch that fails in its second statement: %v, %d rows", err, countNotes(t, path))
	}
	cause := errors.New("changed my mind")
	err = w.Do(ctx, func(tx *sqlitestore.Tx) error {
		if _, err := tx.Exec("DELETE FROM notes"); err != nil {
			return err
		}
		return cause
	})
	if !errors.Is(err, cause) || countNotes(t, path) != 2 {
		t.Errorf("a function that fails: %v, %d rows", err, countNotes(t, path))
	}
	var late *sqlitestore.Tx
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = w.Do(ctx, func(tx *sqlitestore.Tx) error {
			late = tx
			_, _ = tx.Exec("DELETE FROM notes")
			panic("bug")
		})
	}()
	if _, err := late.Exec("DELETE FROM notes"); err == nil {
		t.Error("a transaction that is over was used")
	}
	changed, err := w.Exec(ctx, "UPDATE notes SET text = text || '!'")
	if err != nil || changed != 2 {
		t.Errorf("after all that: %d, %v", changed, err)
	}
	var text string
	err = w.Do(ctx, func(tx *sqlitestore.Tx) error {
		if err := tx.Get([]any{&text}, "SELECT text FROM notes WHERE id = ?", 99); !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("no row: %w", err)
		}
		return tx.Get([]any{&text}, "SELECT text FROM notes WHERE id = ?", 1)
	})
	if err != nil || text != "a!" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestWriterErrors: every error says who, what and where, once, and keeps its cause.
func TestWriterErrors(t *testing.T) {
	w, path := newWriter(t)
	ctx := t.Context()
	over, cancel := context.WithCancel(ctx)
	cancel()
	cause := errors.New("changed my mind")
	inner := &sinks.Error{Op: "append", Driver: "mem", Object: "signals", Err: cause}
	_, noFile := sqlitestore.OpenWriter(ctx, filepath.Join(path, "w.db"), nil)
	_, full := openWriter(t, filepath.Join(t.TempDir(), "full.db"), sqlitestore.Options{MaxBytes: 1 << 20}).
		Exec(ctx, "CREATE TABLE big AS SELECT randomblob(2000000)")
	_, wrong := w.Exec(ctx, "nonsense")
	errs := map[string]error{
		"open writer w.db": noFile,
		"exec full.db":     full,
		"exec w.db":        wrong,
		"do w.db":          w.Do(ctx, func(*sqlitestore.Tx) error { return cause }),
		"batch w.db":       w.Batch(ctx, []sqlitestore.Statement{{SQL: "nonsense"}}),
		"flush w.db":       w.Flush(over),
		"checkpoint w.db":  w.Checkpoint(over),
	}
	for what, err := range errs {
		var typed *sinks.Error
		if !errors.As(err, &typed) || typed.Driver+" "+typed.Op+" "+typed.Object != "sqlite "+what {
			t.Errorf("%s: %v", what, err)
		} else if errors.As(typed.Err, &typed) {
			t.Errorf("%s is wrapped twice: %v", what, err)
		}
	}
	if err := w.Do(ctx, func(*sqlitestore.Tx) error { return inner }); err != inner {
		t.Errorf("an error of a store became %v", err)
	}
	if !errors.Is(errs["do w.db"], cause) || !errors.Is(full, sinks.ErrFull) || !errors.Is(errs["flush w.db"], context.Canceled) {
		t.Errorf("causes are lost: %v", errs)
	}
	must(t, w.Close())
	if _, err := w.Exec(ctx, "SELECT 1"); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestWriterHidesSQL: SQLite's messages quote statements and values.
func TestWriterHidesSQL(t *testing.T) {
	w, _ := newWriter(t)
	for _, query := range []string{
		"INSERT INTO secret_table VALUES ('hunter2')",
		"SELECT 'hunter2",
		"hunter2",
		"INSERT INTO notes (hunter2) VALUES (1)",
		"SELECT hunter2()",
		"INSERT INTO notes (text) VALUES ('hunter2'), ('hunter2')",
		"CREATE TABLE hunter2 (a, a)",
	} {
		_, err := w.Exec(t.Context(), query)
		var text *sqlite.Error
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", query, err)
		} else if !errors.As(err, &text) {
			t.Errorf("%s: the cause cannot be had: %v", query, err)
		}
	}
}

func TestWriterKeepsManyStatements(t *testing.T) {
	w, path := newWriter(t)
	for round := range 3 {
		for i := range 100 {
			_, err := w.Exec(t.Context(), fmt.Sprintf("INSERT INTO notes (text) VALUES (? || '-%d')", i), round)
			must(t, err)
		}
	}
	if n := countNotes(t, path); n != 300 {
		t.Errorf("%d rows", n)
	}
}

func TestWriterSerializes(t *testing.T) {
	w, path := newWriter(t)
	const writers, each = 8, 50
	inside := 0 // guarded by w alone: the race detector watches
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			for k := range each {
				err := w.Do(t.Context(), func(tx *sqlitestore.Tx) error {
					inside++
					_, err := tx.Exec("INSERT INTO notes (text) VALUES (?)", fmt.Sprint(i, "-", k))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := countNotes(t, path); n != writers*each || inside != n {
		t.Errorf("%d rows, %d calls", n, inside)
	}
}

// TestWriterCancel: waiting ends with the context, writing does not.
func TestWriterCancel(t *testing.T) {
	w, path := newWriter(t)
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan error)
	writing, cancelWriting := context.WithCancel(t.Context())
	go func() {
		done <- w.Do(writing, func(tx *sqlitestore.Tx) error {
			close(entered)
			<-leave
			_, err := tx.Exec("INSERT INTO notes (text) VALUES ('first')")
			return err
		})
	}()
	<-entered
	waiting, cancelWaiting := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() {
		_, err := w.Exec(waiting, "INSERT INTO notes (text) VALUES ('never')")
		waited <- err
	}()
	flushed := make(chan error)
	go func() { flushed <- w.Flush(waiting) }()
	cancelWaiting()
	for _, c := range []chan error{waited, flushed} {
		if err := <-c; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting with a context that ended: %v", err)
		}
	}
	cancelWriting()
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("writing with a context that ended: %v", err)
	}
	must(t, w.Flush(t.Context()))
	if n := countNotes(t, path); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestWriterClose: Close waits for who is in, refuses who comes later, and empties the log.
func TestWriterClose(t *testing.T) {
	w, path := newWriter(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	done, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		done <- w.Do(t.Context(), func(tx *sqlitestore.Tx) error {
			close(entered)
			<-leave
			_, err := tx.Exec("INSERT INTO notes (text) VALUES ('last')")
			return err
		})
	}()
	<-entered
	go func() { closed <- w.Close() }()
	close(leave)
	if err := errors.Join(<-done, <-closed, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Exec(t.Context(), "DELETE FROM notes"); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	for _, err := range []error{w.Flush(t.Context()), w.Checkpoint(t.Context())} {
		if !errors.Is(err, sinks.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if n := fileSize(t, path+"-wal"); n != 0 {
		t.Errorf("a log of %d bytes is left", n)
	}
	if n := countNotes(t, path); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestCheckpointResults: SQLite reports a reader in the way without an error.
func TestCheckpointResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.db")
	w := openWriter(t, path, sqlitestore.Options{BusyTimeout: 20 * time.Millisecond})
	_, err := w.Exec(t.Context(), "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
	must(t, err)
	reader := raw(t, path)
	execute(t, reader, "BEGIN")
	var n int
	must(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM notes").Scan(&n))
	_, err = w.Exec(t.Context(), "INSERT INTO notes (text) VALUES ('x')")
	must(t, err)
	begin := time.Now()
	if err := w.Checkpoint(t.Context()); !errors.Is(err, sqlitestore.ErrLocked) || time.Since(begin) < 20*time.Millisecond {
		t.Errorf("with a reader in the way: %v after %v", err, time.Since(begin))
	}
	patient := openWriter(t, path, sqlitestore.Options{BusyTimeout: time.Minute})
	done := make(chan error)
	go func() { done <- patient.Checkpoint(t.Context()) }()
	execute(t, reader, "COMMIT")
	must(t, <-done)
	must(t, w.Checkpoint(t.Context()))
	if size := fileSize(t, path+"-wal"); size != 0 {
		t.Errorf("a log of %d bytes is left", size)
	}
}

func TestWriterRefusesReadOnly(t *testing.T) {
	_, err := sqlitestore.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "w.db"), &sqlitestore.Options{ReadOnly: true})
	if !errors.Is(err, sinks.ErrInvalid) {
		t.Error(err)
	}
}
