package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// crashed makes a database as a crash leaves it, with everything in the log, and returns its files.
func crashed(t *testing.T, want []sinks.Signal) map[string][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, quick)
	must(t, s.Append(t.Context(), want))
	files := contents(t, filepath.Dir(path))
	closeAll(t, s)
	delete(files, "x.db-shm")
	if len(files["x.db-wal"]) == 0 {
		t.Fatal("the log is empty")
	}
	return files
}

func writeFiles(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
}

// TestLinks: SQLite keeps the log beside the file, not beside a link to it.
func TestLinks(t *testing.T) {
	files := crashed(t, series(1, 10))
	dir, elsewhere := t.TempDir(), t.TempDir()
	link := filepath.Join(dir, "link.db")
	must(t, os.Symlink(filepath.Join(elsewhere, "x.db"), link))
	if _, err := sqlitestore.OpenSignals(t.Context(), link, nil); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("a link that leads nowhere: %v", err)
	}
	writeFiles(t, elsewhere, files)
	s := openSignals(t, link, sqlitestore.Options{ReadOnly: true})
	wantLog(t, s, series(1, 10))
	closeAll(t, s)

	s = openSignals(t, link, quick)
	must(t, s.Append(t.Context(), series(11, 20)))
	wantLog(t, s, series(1, 20))
	other := filepath.Join(dir, "other.db")
	closeAll(t, openSignals(t, other, quick))
	must(t, errors.Join(os.Remove(link), os.Symlink(other, link)))
	if err := s.Append(t.Context(), series(21, 30)); !errors.Is(err, sqlitestore.ErrReplaced) {
		t.Errorf("after the link was made to lead elsewhere: %v", err)
	}
	closeAll(t, s)
	s = openSignals(t, link, quick)
	wantLog(t, s, nil)
	closeAll(t, s)
	s = openSignals(t, filepath.Join(elsewhere, "x.db"), quick)
	wantLog(t, s, series(1, 20))
	closeAll(t, s)
	if diff := cmp.Diff([]string{"link.db", "other.db"}, entryNames(t, dir)); diff != "" {
		t.Errorf("beside the link: %s", diff)
	}
}

func entryNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestLogWithoutDatabase: SQLite takes the log of an empty or missing file for rubbish, and would remove what may be the
// only copy of the newest signals.
func TestLogWithoutDatabase(t *testing.T) {
	files := crashed(t, series(1, 10))
	for what, spoil := range map[string]func(files map[string][]byte){
		"emptied": func(files map[string][]byte) { files["x.db"] = nil },
		"missing": func(files map[string][]byte) { delete(files, "x.db") },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			left := map[string][]byte{"x.db": files["x.db"], "x.db-wal": files["x.db-wal"]}
			spoil(left)
			writeFiles(t, dir, left)
			before := contents(t, dir)
			path := filepath.Join(dir, "x.db")
			for _, o := range []sqlitestore.Options{{}, {ReadOnly: true}} {
				if _, err := sqlitestore.OpenSignals(t.Context(), path, &o); !errors.Is(err, sinks.ErrCorrupt) {
					t.Errorf("read-only %v: %v", o.ReadOnly, err)
				}
			}
			if _, err := sqlitestore.OpenWriter(t.Context(), path, nil); !errors.Is(err, sinks.ErrCorrupt) {
				t.Errorf("a writer: %v", err)
			}
			if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
				t.Errorf("something was touched:\n%s", diff)
			}
			writeFiles(t, dir, files)
			s := openSignals(t, path, quick)
			wantLog(t, s, series(1, 10))
			closeAll(t, s)
		})
	}
}

// TestRemovedLog: what is written into a log that was removed is found by nobody if the process ends.
func TestRemovedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, quick)
	must(t, s.Append(t.Context(), series(1, 10)))
	must(t, os.Remove(path+"-wal"))
	if err := s.Append(t.Context(), series(11, 20)); !errors.Is(err, sqlitestore.ErrReplaced) {
		t.Errorf("after the log was removed: %v", err)
	}
	must(t, os.WriteFile(path+"-wal", nil, 0o600))
	if err := s.Append(t.Context(), series(11, 20)); !errors.Is(err, sqlitestore.ErrReplaced) {
		t.Errorf("with another log in its place: %v", err)
	}
	wantLog(t, s, series(1, 10))
	must(t, os.Remove(path+"-wal"))
	closeAll(t, s)
	s = openSignals(t, path, quick)
	wantLog(t, s, series(1, 10)) // closing has saved them
	must(t, sinks.Verify(t.Context(), s))
	closeAll(t, s)
}

// TestClosingAMovedFileLeavesTheNewOneAlone: SQLite names the log by the path, where that of another file may stand now.
func TestClosingAMovedFileLeavesTheNewOneAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	moved := openSignals(t, path, quick)
	must(t, moved.Append(t.Context(), series(1, 10)))
	must(t, os.Rename(path, path+".old"))
	if _, err := sqlitestore.OpenSignals(t.Context(), path, nil); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("a new file beside the log of one that was moved: %v", err)
	}
	must(t, errors.Join(os.Rename(path+"-wal", path+".old-wal"), os.Rename(path+"-shm", path+".old-shm")))
	s := openSignals(t, path, quick)
	must(t, s.Append(t.Context(), series(1, 5)))
	for what, err := range map[string]error{
		"append": moved.Append(t.Context(), series(11, 12)), "trim": moved.Trim(t.Context(), 3),
		"read": readError(moved.Read(t.Context(), 0, 1)), "newest": readError(moved.ReadNewest(t.Context(), 0, 1)),
		"stat": statError(moved.Stat(t.Context())), "verify": sinks.Verify(t.Context(), moved),
	} {
		if !errors.Is(err, sqlitestore.ErrReplaced) {
			t.Errorf("%s on the moved file: %v", what, err)
		}
	}
	closeAll(t, moved)
	old := openSignals(t, path+".old", quick)
	wantLog(t, old, series(1, 10))
	closeAll(t, old)
	must(t, errors.Join(s.Append(t.Context(), series(6, 8)), sinks.Verify(t.Context(), s)))
	wantLog(t, s, series(1, 8))
	closeAll(t, s)
	s = openSignals(t, path, quick)
	wantLog(t, s, series(1, 8))
	closeAll(t, s)
}

func readError(_ []sinks.Signal, err error) error { return err }

func statError(_ sinks.SignalStat, err error) error { return err }

// TestCloseDoesNotWaitForALock: closing gives the lease up, for which it must write; but not for longer than the lease
// lasts.
func TestCloseDoesNotWaitForALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, sqlitestore.Options{BusyTimeout: time.Hour})
	_, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "a", TTL: 50 * time.Millisecond})
	must(t, err)
	locked := openWriter(t, path, quick)
	must(t, locked.Do(t.Context(), func(*sqlitestore.Tx) error {
		begin := time.Now()
		if err := s.Close(); !errors.Is(err, sqlitestore.ErrLocked) || time.Since(begin) > 30*time.Second {
			t.Errorf("closing beside a writer that does not end: %v after %v", err, time.Since(begin))
		}
		return nil
	}))
	other := openSignals(t, path, quick)
	for err = sinks.ErrLeased; errors.Is(err, sinks.ErrLeased); { // the TTL bounds this
		_, err = sinks.Acquire(context.WithoutCancel(t.Context()), other, sinks.Claim{Owner: "b"})
	}
	must(t, err)
}
