package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// quick is for tests that are not about power cuts.
var quick = sqlitestore.Options{Synchronous: sqlitestore.Normal}

func openSignals(t testing.TB, path string, o sqlitestore.Options) sinks.SignalStore {
	t.Helper()
	s, err := sqlitestore.OpenSignals(t.Context(), path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test that cares closes it itself
	return s
}

func openBlobs(t testing.TB, path string, o sqlitestore.Options) sinks.BlobStore {
	t.Helper()
	s, err := sqlitestore.OpenBlobs(t.Context(), path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw is a connection like that of any other program.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func closeAll(t testing.TB, closers ...interface{ Close() error }) {
	t.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signalAt is the signal that all tests store under a sequence.
func signalAt(n uint64) sinks.Signal {
	s := sinks.Signal{
		Sequence: n, Time: time.Unix(1_700_000_000+int64(n), int64(n*7919%1_000_000_000)).UTC(),
		Name: fmt.Sprintf("name.%d", n%17), Operation: n * 0x9e3779b97f4a7c15,
	}
	if n%3 != 0 {
		s.Key = fmt.Sprintf("key-%d", n%101)
	}
	if n%5 == 0 {
		s.Path = []string{"parent", fmt.Sprintf("<%d>", n)}
	}
	if n%7 == 0 {
		s.Data = []byte{0, byte(n), 0xff}
	}
	return s
}

func series(first, last uint64) (batch []sinks.Signal) {
	for n := first; n <= last; n++ {
		batch = append(batch, signalAt(n))
	}
	return batch
}

func readAll(ctx context.Context, s sinks.SignalStore) (all []sinks.Signal, err error) {
	for {
		after := uint64(0)
		if len(all) > 0 {
			after = all[len(all)-1].Sequence
		}
		page, err := s.Read(ctx, after, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < 1000 {
			return all, nil
		}
	}
}

func wantLog(t testing.TB, s sinks.SignalStore, want []sinks.Signal) {
	t.Helper()
	got, err := readAll(t.Context(), s)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("log differs (-want +got):\n%s", diff)
	}
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return 0
	}
	must(t, err)
	return info.Size()
}

// mount makes dir a file system of its own, in memory; it is left out where that is not allowed.
func mount(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mounted")
	must(t, os.Mkdir(dir, 0o777))
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput()
	if err != nil {
		t.Skipf("mounting a small file system is not allowed here: %s", strings.TrimSpace(string(out)))
	}
	t.Cleanup(func() {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", dir).CombinedOutput()
		if err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

func remount(t *testing.T, dir, option string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,"+option, dir).CombinedOutput(); err != nil {
		t.Fatalf("remount %s: %v: %s", option, err, out)
	}
}
