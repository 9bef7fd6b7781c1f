package filestore_test

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
	"github.com/ephemera-go/ephemera/sinks/filestore"
)

// childVariable makes the test binary play the other process: it says what to do, and where.
const childVariable = "EPHEMERA_FILESTORE_CHILD"

func TestMain(m *testing.M) {
	if job, dir, found := strings.Cut(os.Getenv(childVariable), ":"); found {
		if err := child(context.Background(), job, dir); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(ctx context.Context, job, dir string) error {
	s, err := filestore.OpenSignals(ctx, dir, small)
	if err != nil {
		return err
	}
	switch job {
	case "hold":
		generation, err := sinks.Acquire(ctx, s, sinks.Claim{Owner: "the other process", TTL: time.Hour})
		if err != nil {
			return err
		}
		fmt.Println("holding", generation)
		// Until the parent closes the pipe or kills this process.
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		return nil
	case "append":
		for n := uint64(1); n <= appended; n++ {
			if err := s.Append(ctx, numbered(n, n)); err != nil {
				return err
			}
			fmt.Println(n)
		}
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		return nil
	case "obey":
		return obey(ctx, s)
	}
	return errors.New("unknown job")
}

// obey acquires or writes whenever it is told to, and says what came of it.
func obey(ctx context.Context, s sinks.SignalStore) error {
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var n uint64
		var err error
		if order := orders.Text(); order == "acquire" {
			n, err = sinks.Acquire(ctx, s, sinks.Claim{Owner: "the other process", TTL: shortTTL})
		} else if _, err = fmt.Sscan(order, &n); err == nil {
			err = s.Append(ctx, numbered(n, n))
		}
		switch {
		case err == nil:
			fmt.Println("done", n)
		case errors.Is(err, sinks.ErrFenced):
			fmt.Println("fenced")
		default:
			fmt.Println(err)
		}
	}
	return orders.Err()
}

const shortTTL = 100 * time.Millisecond

const appended = 60

// spawn starts the other process. Its input stays open until the test ends.
func spawn(t *testing.T, job, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd, _, lines := spawnToObey(t, job, dir)
	return cmd, lines
}

func spawnToObey(t *testing.T, job, dir string) (*exec.Cmd, io.Writer, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+job+":"+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(out)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

func TestLeaseOfADeadProcess(t *testing.T) {
	needLocks(t)
	dir := t.TempDir()
	other, lines := spawn(t, "hold", dir)
	if !lines.Scan() || lines.Text() != "holding 1" {
		t.Fatalf("the other process says %q", lines.Text())
	}
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	_, err = sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "this process"})
	if !errors.Is(err, sinks.ErrLeased) || !strings.Contains(err.Error(), "the other process") {
		t.Errorf("Acquire beside a living holder returned %v", err)
	}
	if err := s.Append(t.Context(), numbered(1, 1)); !errors.Is(err, sinks.ErrLeased) {
		t.Errorf("Append beside a living holder returned %v", err)
	}
	kill(t, other)
	generation, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "this process"})
	if err != nil || generation != 2 {
		t.Fatalf("taking over from a dead holder: generation %d, error %v", generation, err)
	}
	if err := s.Append(t.Context(), numbered(1, 1)); err != nil {
		t.Error(err)
	}
}

// TestKilledWriter kills the other process while it appends and reads beside it all the time.
func TestKilledWriter(t *testing.T) {
	needLocks(t)
	for round := range 6 {
		dir := t.TempDir()
		s, err := filestore.OpenSignals(t.Context(), dir, small)
		if err != nil {
			t.Fatal(err)
		}
		other, lines := spawn(t, "append", dir)
		acknowledged := 0
		for acknowledged < 5+round*10 && lines.Scan() {
			acknowledged++
			signals, err := s.Read(t.Context(), 0, 1000)
			if err != nil || len(signals) < acknowledged {
				t.Fatalf("%d signals after %d were acknowledged, error %v", len(signals), acknowledged, err)
			}
		}
		kill(t, other)
		if err := s.Append(t.Context(), numbered(1, appended)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := sequences(t, dir); err != nil || len(got) != appended {
			t.Fatalf("%d signals, error %v", len(got), err)
		}
	}
}

// TestTwoProcessesAppend appends the same signals from two processes at once.
func TestTwoProcessesAppend(t *testing.T) {
	needLocks(t)
	dir := t.TempDir()
	other, lines := spawn(t, "append", dir)
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	for n := uint64(1); n <= appended; n++ {
		if err := s.Append(t.Context(), numbered(n, n)); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for seen < appended && lines.Scan() {
		seen++
	}
	if seen != appended {
		t.Errorf("the other process acknowledged %d: %s", seen, lines.Text())
	}
	kill(t, other)
	if got, err := sequences(t, dir); err != nil || len(got) != appended {
		t.Fatalf("%d signals, error %v", len(got), err)
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	needLocks(t)
	dir := t.TempDir()
	a, err := filestore.OpenBlobs(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, a)
	unlock, err := filestore.Hinder(dir + "/blobs")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := a.Delete(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Delete behind a lock returned %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

func needLocks(t *testing.T) {
	t.Helper()
	if !filestore.LocksCross {
		t.Skip("no file locks on this system")
	}
}
