package pgstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// childVariable makes the test binary another process that uses a store: what it does, and the URL.
const childVariable = "PGSTORE_CHILD"

func runChild(job, address string) int {
	if err := children[job](context.Background(), address); err != nil {
		fmt.Println("ERROR", err)
		return 3
	}
	return 0
}

var children = map[string]func(ctx context.Context, address string) error{
	"hold": childHold, "series": childSeries, "upload": childUpload,
}

type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, job, address string) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	c := &child{cmd: exec.CommandContext(t.Context(), exe)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+job+"|"+address)
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

// childHold holds the lease.
func childHold(ctx context.Context, address string) error {
	s, err := pgstore.OpenSignals(ctx, address, nil)
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

const seriesEnd = 900

// childSeries appends the series that everybody knows.
func childSeries(ctx context.Context, address string) error {
	s, err := pgstore.OpenSignals(ctx, address, nil)
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

// childUpload is killed in the middle of a Put.
func childUpload(ctx context.Context, address string) error {
	b, err := pgstore.OpenBlobs(ctx, address, nil)
	if err != nil {
		return err
	}
	return b.Put(ctx, "half", 5<<20, io.MultiReader(strings.NewReader(strings.Repeat("x", 3<<20)), blocking{}))
}

// blocking says that it was reached and never returns anything.
type blocking struct{}

func (blocking) Read([]byte) (int, error) {
	fmt.Println("HALFWAY")
	untilParentSaysSo()
	return 0, io.ErrUnexpectedEOF
}

// TestLeaseOfAKilledProcess is taken over at once, long before its TTL.
func TestLeaseOfAKilledProcess(t *testing.T) {
	place := place(t)
	s, b := openSignals(t, place, nil), openBlobs(t, place, nil)
	c := start(t, "hold", place)
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

// TestTwoProcesses make one schema at the same time and append the same series: everything is there, once.
func TestTwoProcesses(t *testing.T) {
	place := place(t)
	a, b := start(t, "series", place), start(t, "series", place)
	a.expect(t, "READY")
	b.expect(t, "READY")
	must(t, a.stdin.Close()) // now both write
	b.end(t)
	for a.lines.Scan() {
		t.Log(a.lines.Text())
	}
	must(t, a.cmd.Wait())
	s := openSignals(t, place, nil)
	wantLog(t, s, series(1, seriesEnd))
	wantRows(t, place, series(1, seriesEnd))
	must(t, sinks.Verify(t.Context(), s))
}

// TestHalfABlob of a process that was killed is visible to nobody and goes when the blobs are opened again.
func TestHalfABlob(t *testing.T) {
	place := place(t)
	b := openBlobs(t, place, nil)
	c := start(t, "upload", place)
	c.expect(t, "HALFWAY")
	list, err := b.List(t.Context(), "", "", 0)
	if err != nil || len(list) != 0 {
		t.Errorf("half a blob is listed: %v, %v", list, err)
	}
	conn := raw(t, place)
	closeAll(t, openBlobs(t, place, nil)) // it lives: nothing is swept
	if n := value[int](t, conn, "SELECT count(*) FROM blob_chunks"); n != 3 {
		t.Errorf("%d parts of a living upload", n)
	}
	c.kill(t)
	closeAll(t, openBlobs(t, place, nil))
	if n := value[int](t, conn, "SELECT (SELECT count(*) FROM blob_chunks) + (SELECT count(*) FROM blobs)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	must(t, b.Put(t.Context(), "half", 1, strings.NewReader("x")))
}
