package sqlitestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestVersionGate(t *testing.T) {
	for version, good := range map[string]bool{
		"3.51.3": true, "3.51.4": true, "3.52.0": true, "3.60": true, "4.0.0": true, "3.51.3.1": true,
		"3.51.2": false, "3.50.9": false, "2.99.99": false, "3.51": false, "3.7.0": false, "": false, "three": false,
	} {
		if err := checkVersion(version); (err == nil) != good || err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestTimesAreFixedWidth(t *testing.T) {
	before := ""
	var one timeText // for all, as for a batch
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1999, 12, 31, 19, 30, 0, 0, time.FixedZone("", -5*3600)),
		time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		got := formatTime(at)
		if want := at.UTC().Format(timeLayout); got != want || len(got) != len(timeLayout) || got <= before {
			t.Errorf("%v: %s after %s, want %s", at, got, before, want)
		}
		for _, near := range []time.Time{at, at.Add(1), at.Add(-time.Second), at.Local()} {
			if want := near.UTC().Format(timeLayout); near.Year() > 0 && near.UTC().Year() < 10_000 && one.format(near) != want {
				t.Errorf("%v in a batch: %s, want %s", near, one.format(near), want)
			}
		}
		before = got
	}
}

// TestQueueIsFair: who comes first is let in first, and a place that was given up goes to the next one.
func TestQueueIsFair(t *testing.T) {
	var q queue
	if err := q.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := func(n int) {
		for {
			q.mu.Lock()
			length := len(q.waiting)
			q.mu.Unlock()
			if length == n {
				return
			}
			runtime.Gosched()
		}
	}
	var order []int // guarded by q
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			if err := q.enter(t.Context()); err != nil {
				t.Error(err)
				return
			}
			order = append(order, i)
			q.leave()
		})
		waiting(i + 1)
		ctx, cancel := context.WithCancel(t.Context())
		group.Go(func() {
			if err := q.enter(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		waiting(i + 2)
		cancel()
		waiting(i + 1)
	}
	q.leave()
	group.Wait()
	if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("order %v", order)
	}
}

// TestForwardMigration: a newer version adds to the schema, one that fails changes nothing.
func TestForwardMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	ctx := t.Context()
	open := func() (*signalStore, error) {
		db, err := openDatabase(ctx, path, nil)
		if err != nil {
			return nil, err
		}
		return newSignalStore(db), nil
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	want := sinks.Signal{Sequence: 1, Time: time.Unix(0, 0).UTC(), Name: "kept"}
	if err := errors.Join(s.Append(ctx, []sinks.Signal{want}), s.Close()); err != nil {
		t.Fatal(err)
	}
	released := migrations
	defer func() { migrations = released }()

	migrations = slices.Concat(released, migrationList{{2, "bad", "CREATE TABLE extra (a) STRICT; CREATE TABLE half (a TEXT"}})
	if _, err := open(); err == nil {
		t.Fatal("a broken migration was applied")
	}
	migrations = slices.Concat(released, migrationList{
		{2, "extra", "CREATE TABLE extra (a TEXT) STRICT"},
		{3, "more", "ALTER TABLE extra ADD COLUMN b TEXT; CREATE INDEX by_b ON extra (b)"},
	})
	for range 2 {
		if s, err = open(); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read(ctx, 0, 10)
		if err != nil || len(got) != 1 || !got[0].Equal(want) {
			t.Fatalf("%v, %v", got, err)
		}
		var versions, columns int
		err = s.db.readers.QueryRowContext(ctx,
			"SELECT (SELECT count(*) FROM schema_versions), (SELECT count(*) FROM pragma_table_info('extra'))").Scan(&versions, &columns)
		if err != nil || versions != 3 || columns != 2 {
			t.Fatalf("%d versions, %d columns, %v", versions, columns, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	migrations = released
	if _, err := open(); !errors.Is(err, sinks.ErrTooNew) {
		t.Fatalf("an older program: %v", err)
	}
}

// TestParity19_InsertFailure: a batch of which one row fails is not stored at all, and can be repeated.
func TestParity19_InsertFailure(t *testing.T) {
	ctx := t.Context()
	db, err := openDatabase(ctx, filepath.Join(t.TempDir(), "x.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSignalStore(db)
	defer func() { _ = s.Close() }()
	batch := make([]sinks.Signal, 700)
	for i := range batch {
		batch[i] = sinks.Signal{Sequence: uint64(i + 1), Time: time.Unix(int64(i), 0), Name: "n"}
	}
	for _, row := range []string{"1", "57", "200", "201", "640", "700"} {
		_, err := db.writer.Exec(ctx, "CREATE TRIGGER fail BEFORE INSERT ON signals WHEN new.id = "+row+" BEGIN SELECT RAISE(ABORT, 'no'); END")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(ctx, batch); err == nil || strings.Contains(err.Error(), "no") {
			t.Fatalf("row %s: %v", row, err)
		}
		if stat, err := s.Stat(ctx); err != nil || stat != (sinks.SignalStat{}) {
			t.Fatalf("row %s: %+v, %v", row, stat, err)
		}
		if _, err := db.writer.Exec(ctx, "DROP TRIGGER fail"); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Append(ctx, batch), s.Append(ctx, batch), s.Verify(ctx)); err != nil {
		t.Fatal(err)
	}
	if stat, err := s.Stat(ctx); err != nil || stat.Count != 700 {
		t.Fatalf("%+v, %v", stat, err)
	}
}

// TestDeletingByHand is trimming: the account stays right, and what was deleted does not come back.
func TestDeletingByHand(t *testing.T) {
	ctx := t.Context()
	db, err := openDatabase(ctx, filepath.Join(t.TempDir(), "x.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSignalStore(db)
	defer func() { _ = s.Close() }()
	batch := make([]sinks.Signal, 10)
	for i := range batch {
		batch[i] = sinks.Signal{Sequence: uint64(i + 1), Time: time.Unix(int64(i), 0), Name: "ünï", Key: "k", Path: []string{"ä"}, Data: []byte("x")}
	}
	if err := s.Append(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if _, err := db.writer.Exec(ctx, "DELETE FROM signals WHERE id > 7"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Verify(ctx), s.Append(ctx, batch)); err != nil {
		t.Fatal(err)
	}
	if stat, err := s.Stat(ctx); err != nil || stat.Count != 7 || stat.Last != 10 {
		t.Fatalf("%+v, %v", stat, err)
	}
}

// TestAbandonedUpload: what a process that ended has left of a blob is removed, what a living one brings is not.
func TestAbandonedUpload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	ctx := t.Context()
	db, err := openDatabase(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newBlobStore(db)
	defer func() { _ = s.Close() }()
	const size = 3 * chunkBytes
	u, err := s.beginUpload(ctx, size)
	if err == nil {
		err = u.copy(ctx, size, strings.NewReader(strings.Repeat("x", size)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	rows := func() (n int) {
		if err := db.readers.QueryRowContext(ctx, "SELECT count(*) FROM blob_chunks").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := rows(); n != 3 {
		t.Fatalf("%d parts of a blob on its way", n)
	}
	if _, err := db.writer.Exec(ctx, "UPDATE blobs SET touched = touched - ?", staleUpload.Milliseconds()+1); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if n := rows(); n != 0 {
		t.Fatalf("%d parts of an abandoned blob", n)
	}
	if err := u.publish(ctx, "late"); !errors.Is(err, sinks.ErrFenced) {
		t.Fatalf("a blob that was given up was published: %v", err)
	}
}

// TestMakeFolder: what exists may have been made by a process that ended before it flushed it.
func TestMakeFolder(t *testing.T) {
	base := t.TempDir()
	var flushed []string
	flush := func(dir string) error {
		flushed = append(flushed, dir)
		return nil
	}
	dir := filepath.Join(base, "a", "b")
	want := []string{filepath.Dir(base), base, filepath.Join(base, "a")}
	if err := makeFolder(dir, flush); err != nil || !slices.Equal(flushed, want) {
		t.Errorf("flushed %q, error %v; want %q", flushed, err, want)
	}
	flushed = nil
	if err := makeFolder(dir, flush); err != nil || !slices.Equal(flushed, want[2:]) {
		t.Errorf("flushed %q, error %v; want %q", flushed, err, want[2:])
	}
	failing := func(dir string) error {
		if dir == filepath.Join(base, "a") {
			return errors.ErrUnsupported
		}
		return nil
	}
	if err := makeFolder(filepath.Join(dir, "c"), failing); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a flush that fails: %v", err)
	}
}

// TestClockWentBack: a holder that lives but does not renew wrote its lease when the clock was years ahead.
func TestClockWentBack(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	var stores [2]*signalStore
	for i := range stores {
		db, err := openDatabase(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		stores[i] = newSignalStore(db)
		defer func() { _ = stores[i].Close() }()
	}
	a, b := stores[0], stores[1]
	if _, err := a.Acquire(ctx, sinks.Claim{Owner: "a", TTL: sinks.MaxTTL}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Acquire(ctx, sinks.Claim{Owner: "b", TTL: time.Hour}); !errors.Is(err, sinks.ErrLeased) {
		t.Fatalf("acquiring beside the longest lease: %v", err)
	}
	if _, err := a.db.writer.Exec(ctx, "UPDATE leases SET expires = ?", time.Now().AddDate(10, 0, 0).UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if generation, err := b.Acquire(ctx, sinks.Claim{Owner: "b", TTL: time.Hour}); err != nil || generation != 2 {
		t.Fatalf("generation %d, %v", generation, err)
	}
	if err := a.Trim(ctx, 1); !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("a write of the former holder: %v", err)
	}
}

// TestOpenRows: rows that a function left open must not keep the connection from being closed, or the log from being
// emptied, for ever.
func TestOpenRows(t *testing.T) {
	ctx := t.Context()
	w, err := OpenWriter(ctx, filepath.Join(t.TempDir(), "w.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Exec(ctx, "CREATE TABLE notes (text TEXT)"); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("changed my mind")
	for i, end := range []func() error{
		func() error { return nil }, func() error { return cause }, func() error { panic("bug") }, func() error { return nil },
	} {
		err := func() (err error) {
			defer func() {
				if recover() != nil {
					err = cause
				}
			}()
			return w.Do(ctx, func(tx *Tx) error {
				if _, err := tx.Exec("INSERT INTO notes VALUES ('a'), ('b'), ('c')"); err != nil {
					return err
				}
				for _, query := range []string{"SELECT text FROM notes", "UPDATE notes SET text = text || '!' RETURNING text"} {
					rows, err := tx.Query(query) //nolint:rowserrcheck,sqlclosecheck // that is what this is about
					if err != nil || !rows.Next() {
						return errors.Join(err, errors.New("no row"))
					}
				}
				return end()
			})
		}()
		if want := i == 1 || i == 2; errors.Is(err, cause) != want {
			t.Fatalf("function %d: %v", i, err)
		}
		if err := w.Checkpoint(ctx); err != nil {
			t.Errorf("function %d: checkpoint: %v", i, err)
		}
	}
	var n int
	err = w.Do(ctx, func(tx *Tx) error { return tx.Get([]any{&n}, "SELECT count(*) FROM notes") })
	if err := errors.Join(err, w.Close()); err != nil || n != 6 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestChanging: a file that others may be writing to is told from one that stands still.
func TestChanging(t *testing.T) {
	at := location{path: filepath.Join(t.TempDir(), "x.db")}
	write := func(path, text string, age time.Duration) {
		t.Helper()
		when := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	write(at.path, "a", time.Hour)
	since, err := os.Stat(at.path)
	if err != nil {
		t.Fatal(err)
	}
	if at.changing(since) {
		t.Error("an old file changes")
	}
	for what, change := range map[string]func(){
		"another time": func() { write(at.path, "a", time.Minute) },
		"another size": func() { write(at.path, "ab", time.Hour) },
		"a log":        func() { write(at.log(), "a", time.Hour) },
		"a journal":    func() { write(at.path+"-journal", "a", time.Hour) },
		"another file": func() { _ = os.Rename(at.path, at.path+".old"); write(at.path, "a", time.Hour) },
		"no file":      func() { _ = os.Remove(at.path) },
	} {
		write(at.path, "a", time.Hour)
		if since, err = os.Stat(at.path); err != nil {
			t.Fatal(err)
		}
		if change(); !at.changing(since) {
			t.Errorf("not noticed: %s", what)
		}
		_ = os.Remove(at.log())
		_ = os.Remove(at.path + "-journal")
	}
	write(at.path, "a", 0)
	if since, err = os.Stat(at.path); err != nil || !at.changing(since) {
		t.Errorf("a file that was written just now stands still: %v", err)
	}
}
