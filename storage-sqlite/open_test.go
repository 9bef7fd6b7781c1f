package sqlitestore_test

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

func TestURLs(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		url    string
		wrongs []string // what the error names; nothing: the URL is fine
	}{
		{url: "sqlite://" + dir + "/plain.db"},
		{url: "sqlite://" + dir + "/deep/er/x.db?synchronous=normal&busy_timeout=250ms&max_size=1MiB&read_only=false"},
		{url: "sqlite://" + dir + "/odd%20%3Fname%23.db"},
		{"sqlite:", []string{"no path"}},
		{"sqlite://", []string{"no path"}},
		{"sqlite://" + dir + "/", []string{"folder"}},
		{"sqlite::memory:", []string{"memstore"}},
		{"sqlite://host/x.db", []string{"sqlite:///"}},
		{"sqlite://user:hunter2@host/x.db", []string{"sqlite:///"}},
		{"sqlite://" + dir + "/x.db#hunter2", []string{"sqlite:///"}},
		{"sqlite:x%00.db", []string{"NUL"}},
		{
			"sqlite://" + dir + "/x.db?busy_timeout=hunter2&synchronous=off&max_size=1&read_only=1&_pragma=hunter2&cache=1",
			[]string{"busy_timeout", "synchronous", "max_size", "read_only", "_pragma", "cache"},
		},
		{"sqlite://" + dir + "/x.db?busy_timeout=0s", []string{"busy_timeout"}},
		{"sqlite://" + dir + "/x.db?busy_timeout=5s&busy_timeout=6s", []string{"busy_timeout"}},
	} {
		s, err := sinks.OpenSignals(t.Context(), c.url)
		if len(c.wrongs) == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.url, err)
				continue
			}
			closeAll(t, s)
			continue
		}
		if !errors.Is(err, sinks.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		for _, wrong := range c.wrongs {
			if !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v does not name %s", c.url, err, wrong)
			}
		}
	}
	for _, name := range []string{"plain.db", "deep/er/x.db", "odd ?name#.db"} {
		if fileSize(t, filepath.Join(dir, name)) == 0 {
			t.Errorf("%s was not made", name)
		}
	}
}

func TestRelativeURL(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := sinks.OpenBlobs(t.Context(), "sqlite:./data/b%20b.db")
	must(t, err)
	closeAll(t, s)
	if fileSize(t, "data/b b.db") == 0 {
		t.Error("the file is not where the URL says")
	}
}

func TestBadOptions(t *testing.T) {
	o := sqlitestore.Options{BusyTimeout: -1, Synchronous: 7, MaxBytes: 5}
	_, err := sqlitestore.OpenSignals(t.Context(), filepath.Join(t.TempDir(), "x.db"), &o)
	for _, name := range []string{"BusyTimeout", "Synchronous", "MaxBytes"} {
		if !errors.Is(err, sinks.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	opener := sqlitestore.Opener{Options: o}
	_, err = opener.OpenBlobs(t.Context(), &url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "x.db")})
	if !errors.Is(err, sinks.ErrInvalid) {
		t.Errorf("through an Opener: %v", err)
	}
}

// contents reads a folder, to see whether anything in it was touched.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	files := map[string][]byte{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
	}
	return files
}

// TestRefusedAndLeftAlone opens what is not ours, or not for us, for writing and for reading.
func TestRefusedAndLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"foreign", func(t *testing.T, path string) {
			execute(t, raw(t, path), "CREATE TABLE accounts (id INTEGER PRIMARY KEY)", "INSERT INTO accounts VALUES (1)")
		}, sinks.ErrForeign},
		{"foreign, in WAL mode", func(t *testing.T, path string) {
			db := raw(t, path)
			execute(t, db, "PRAGMA journal_mode=WAL", "CREATE TABLE accounts (id INTEGER PRIMARY KEY)")
			closeAll(t, db)
		}, sinks.ErrForeign},
		{"foreign, with a log that a crash left", func(t *testing.T, path string) {
			db := raw(t, path)
			execute(t, db, "PRAGMA journal_mode=WAL", "CREATE TABLE accounts (id INTEGER PRIMARY KEY)")
			files := contents(t, filepath.Dir(path))
			closeAll(t, db)
			for name, data := range files {
				must(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), data, 0o600))
			}
		}, sinks.ErrForeign},
		{"foreign, with an application id", func(t *testing.T, path string) {
			execute(t, raw(t, path), "PRAGMA application_id=7")
		}, sinks.ErrForeign},
		{"another encoding", func(t *testing.T, path string) {
			execute(t, raw(t, path), "PRAGMA encoding='UTF-16'", predecessorTable)
		}, sinks.ErrForeign},
		{"a table like ours beside another", func(t *testing.T, path string) {
			execute(t, raw(t, path), predecessorTable, "CREATE TABLE accounts (id INTEGER PRIMARY KEY)")
		}, sinks.ErrForeign},
		{"another table of the same name", func(t *testing.T, path string) {
			execute(t, raw(t, path), "CREATE TABLE signals (id INTEGER PRIMARY KEY, semaphore TEXT)")
		}, sinks.ErrForeign},
		{"text", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("this is no database\n"), 1000), 0o600))
		}, sinks.ErrForeign},
		{"newer schema", func(t *testing.T, path string) {
			closeAll(t, openSignals(t, path, quick))
			db := raw(t, path)
			execute(t, db, "INSERT INTO schema_versions (version, description) VALUES (99, 'from the future')")
			closeAll(t, db)
		}, sinks.ErrTooNew},
		{"without its schema version", func(t *testing.T, path string) {
			closeAll(t, openSignals(t, path, quick))
			db := raw(t, path)
			execute(t, db, "DELETE FROM schema_versions")
			closeAll(t, db)
		}, sinks.ErrCorrupt},
		{"ours, cut short", func(t *testing.T, path string) {
			s := openSignals(t, path, quick)
			must(t, s.Append(t.Context(), series(1, 500)))
			closeAll(t, s)
			must(t, os.Truncate(path, 100))
		}, sinks.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			c.make(t, path)
			before := contents(t, filepath.Dir(path))
			for _, o := range []sqlitestore.Options{{}, {ReadOnly: true}} {
				_, err := sqlitestore.OpenSignals(t.Context(), path, &o)
				var known *sinks.Error
				if !errors.Is(err, c.want) || !errors.As(err, &known) || known.Driver != "sqlite" {
					t.Errorf("read-only %v: %v, want %v", o.ReadOnly, err, c.want)
				}
			}
			after := contents(t, filepath.Dir(path))
			delete(before, "x.db-shm") // an index that SQLite makes anew from the log
			delete(after, "x.db-shm")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("something was touched:\n%s", diff)
			}
		})
	}
}

func TestNoRegularFile(t *testing.T) {
	_, err := sqlitestore.OpenSignals(t.Context(), t.TempDir(), nil)
	if !errors.Is(err, sinks.ErrForeign) {
		t.Errorf("a folder: %v", err)
	}
	_, err = sqlitestore.OpenSignals(t.Context(), os.DevNull, nil)
	if !errors.Is(err, sinks.ErrForeign) {
		t.Errorf("a device: %v", err)
	}
	_, err = sqlitestore.OpenSignals(t.Context(), filepath.Join(os.DevNull, "x.db"), nil)
	if err == nil {
		t.Error("a device as folder was accepted")
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	o := sqlitestore.Options{ReadOnly: true}
	if _, err := sqlitestore.OpenSignals(t.Context(), path, &o); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("an absent file: %v", err)
	}
	writer := openSignals(t, path, quick)
	must(t, writer.Append(t.Context(), series(1, 10)))
	s, b := openSignals(t, path, o), openBlobs(t, path, o)
	must(t, writer.Append(t.Context(), series(11, 20)))
	wantLog(t, s, series(1, 20))
	must(t, sinks.Verify(t.Context(), s))
	_, pruning := sinks.Prune(t.Context(), s, time.Time{}, 1, 1)
	_, leasing := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "reader"})
	for what, err := range map[string]error{
		"append": s.Append(t.Context(), series(21, 22)), "trim": s.Trim(t.Context(), 5), "prune": pruning, "acquire": leasing,
		"put": b.Put(t.Context(), "x", 1, strings.NewReader("x")), "delete": b.Delete(t.Context(), "x"),
	} {
		if !errors.Is(err, sinks.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	closeAll(t, s, b)
	wantLog(t, writer, series(1, 20))
}

// TestReadOnlyFileSystem covers a place that cannot be written, and one that comes back.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := mount(t, "4m")
	path := filepath.Join(dir, "x.db")
	o := sqlitestore.Options{BusyTimeout: 100 * time.Millisecond}
	s := openSignals(t, path, o)
	must(t, s.Append(t.Context(), series(1, 10)))
	closeAll(t, s)
	remount(t, dir, "ro")
	if _, err := sqlitestore.OpenSignals(t.Context(), path, &o); !errors.Is(err, sinks.ErrReadOnly) {
		t.Errorf("opening for writing: %v", err)
	}
	if _, err := sqlitestore.OpenSignals(t.Context(), path, &sqlitestore.Options{ReadOnly: true}); !errors.Is(err, sinks.ErrReadOnly) {
		t.Errorf("opening for reading: %v", err)
	}
	if _, err := sqlitestore.OpenSignals(t.Context(), filepath.Join(dir, "new.db"), &o); !errors.Is(err, sinks.ErrReadOnly) {
		t.Errorf("making a file: %v", err)
	}
	if _, err := sqlitestore.OpenSignals(t.Context(), filepath.Join(dir, "new", "x.db"), &o); !errors.Is(err, syscall.EROFS) {
		t.Errorf("making a folder: %v", err)
	}
	remount(t, dir, "rw")
	s = openSignals(t, path, o)
	must(t, s.Append(t.Context(), series(1, 12)))
	wantLog(t, s, series(1, 12))
	closeAll(t, s)
}

// TestReplacedFile: what is written after the file was removed would be lost without a trace.
func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, quick)
	must(t, s.Append(t.Context(), series(1, 3)))
	must(t, os.Rename(path, path+".old"))
	if err := s.Append(t.Context(), series(4, 6)); !errors.Is(err, sqlitestore.ErrReplaced) {
		t.Errorf("after the file was removed: %v", err)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if err := s.Trim(t.Context(), 1); !errors.Is(err, sqlitestore.ErrReplaced) {
		t.Errorf("with another file in its place: %v", err)
	}
	must(t, os.Rename(path+".old", path))
	must(t, s.Append(t.Context(), series(4, 6)))
	wantLog(t, s, series(1, 6))
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := sqlitestore.OpenSignals(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
