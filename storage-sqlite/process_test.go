package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// childVariable makes the test binary another process that uses a database: what it does, and on which file.
const childVariable = "SQLITESTORE_CHILD"

func TestMain(m *testing.M) {
	job, path, isChild := strings.Cut(os.Getenv(childVariable), ":")
	if !isChild {
		os.Exit(m.Run())
	}
	if err := children[job](context.Background(), path); err != nil {
		fmt.Println("ERROR", err)
		os.Exit(3)
	}
}

var children = map[string]func(ctx context.Context, path string) error{
	"lock": childLock, "hold": childHold, "series": childSeries, "crash": childCrash, "broken disk": childBrokenDisk,
	"obey": childObey, "come and go": childComeAndGo,
}

type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// start runs a child; a wrapper is a command that runs it.
func start(t *testing.T, job, path string, wrapper ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	args := slices.Concat(wrapper, []string{exe})
	c := &child{cmd: exec.CommandContext(t.Context(), args[0], args[1:]...)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+job+":"+path)
	c.cmd.Stderr = os.Stderr
	c.stdin, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.lines = bufio.NewScanner(out)
	must(t, c.cmd.Start())
	return c
}

// expect reads one line, which must begin with word.
func (c *child) expect(t *testing.T, word string) string {
	t.Helper()
	if !c.lines.Scan() || !strings.HasPrefix(c.lines.Text(), word) {
		t.Fatalf("child says %q instead of %s", c.lines.Text(), word)
	}
	return c.lines.Text()
}

// end lets a waiting child go on and waits for its end.
func (c *child) end(t *testing.T) {
	t.Helper()
	must(t, c.stdin.Close())
	for c.lines.Scan() {
		t.Log(c.lines.Text())
	}
	must(t, c.cmd.Wait())
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	must(t, c.cmd.Process.Kill())
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("the child ended well in spite of SIGKILL")
	}
}

func untilParentSaysSo() { _, _ = io.Copy(io.Discard, os.Stdin) }

// childLock holds the write lock.
func childLock(ctx context.Context, path string) error {
	w, err := sqlitestore.OpenWriter(ctx, path, nil)
	if err != nil {
		return err
	}
	err = w.Do(ctx, func(*sqlitestore.Tx) error {
		fmt.Println("LOCKED")
		untilParentSaysSo()
		return nil
	})
	return errors.Join(err, w.Close())
}

// childHold holds the lease.
func childHold(ctx context.Context, path string) error {
	s, err := sqlitestore.OpenSignals(ctx, path, nil)
	if err != nil {
		return err
	}
	generation, err := sinks.Acquire(ctx, s, sinks.Claim{Owner: "the child", TTL: time.Hour})
	if err != nil {
		return err
	}
	fmt.Println("HELD", generation)
	untilParentSaysSo()
	return nil
}

const seriesEnd = 3000

// childSeries appends the series that everybody knows.
func childSeries(ctx context.Context, path string) error {
	s, err := sqlitestore.OpenSignals(ctx, path, &sqlitestore.Options{Synchronous: sqlitestore.Normal, BusyTimeout: time.Minute})
	if err != nil {
		return err
	}
	fmt.Println("READY")
	untilParentSaysSo()
	for n := uint64(1); n <= seriesEnd; n += 30 {
		if err := s.Append(ctx, series(n, n+29)); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// TestParity27_LockedByAnotherProcess: the busy timeout bounds waiting, nothing is lost, and the context ends it too.
func TestParity27_LockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	o := sqlitestore.Options{BusyTimeout: 100 * time.Millisecond}
	s := openSignals(t, path, o)
	must(t, s.Append(t.Context(), series(1, 10)))
	patient := openSignals(t, path, sqlitestore.Options{BusyTimeout: time.Hour})
	c := start(t, "lock", path)
	c.expect(t, "LOCKED")

	begin := time.Now()
	if err := s.Append(t.Context(), series(11, 20)); !errors.Is(err, sqlitestore.ErrLocked) {
		t.Errorf("append to a locked database: %v", err)
	}
	if waited := time.Since(begin); waited < o.BusyTimeout {
		t.Errorf("gave up after %v", waited)
	}
	if _, err := sqlitestore.OpenSignals(t.Context(), path, &o); !errors.Is(err, sqlitestore.ErrLocked) {
		t.Errorf("opening a locked database: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := patient.Append(ctx, series(11, 20)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a lock with a context that ended: %v", err)
	}
	wantLog(t, s, series(1, 10)) // reading goes on
	waiting := make(chan error)
	go func() { waiting <- patient.Append(t.Context(), series(11, 20)) }()
	c.end(t)
	must(t, <-waiting)
	must(t, s.Append(t.Context(), series(11, 20)))
	wantLog(t, s, series(1, 20))
}

// TestLeaseOfAKilledProcess is taken over at once, long before its TTL.
func TestLeaseOfAKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, b := openSignals(t, path, quick), openBlobs(t, path, quick)
	c := start(t, "hold", path)
	if got := c.expect(t, "HELD"); got != "HELD 1" {
		t.Errorf("the child has %s", got)
	}
	err := s.Append(t.Context(), series(1, 2))
	if !errors.Is(err, sinks.ErrLeased) || !strings.Contains(err.Error(), "the child") {
		t.Errorf("writing beside the holder: %v", err)
	}
	if _, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "the parent"}); !errors.Is(err, sinks.ErrLeased) {
		t.Errorf("acquiring what a living process holds: %v", err)
	}
	must(t, b.Put(t.Context(), "free", 1, strings.NewReader("x"))) // the blobs are another destination
	c.kill(t)
	must(t, s.Append(t.Context(), series(1, 2)))
	generation, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "the parent"})
	if err != nil || generation != 2 {
		t.Errorf("generation %d, %v", generation, err)
	}
}

// TestParity43_TwoProcesses append the same series to one file at the same time: everything is there, once.
func TestParity43_TwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a, b := start(t, "series", path), start(t, "series", path) // they also make the file at the same time
	a.expect(t, "READY")
	b.expect(t, "READY")
	must(t, a.stdin.Close())
	b.end(t)
	for a.lines.Scan() {
		t.Log(a.lines.Text())
	}
	must(t, a.cmd.Wait())
	s := openSignals(t, path, quick)
	wantLog(t, s, series(1, seriesEnd))
	must(t, sinks.Verify(t.Context(), s))
	must(t, s.Close())
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
