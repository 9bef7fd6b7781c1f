//go:build unix

package sqlitestore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestStoppedHolder stops the holder of a lease, takes over, and lets it go on: its next write is refused, every time.
func TestStoppedHolder(t *testing.T) {
	const rounds = 6
	path := filepath.Join(t.TempDir(), "x.db")
	c := start(t, "obey", path)
	order := func(text, want string) {
		t.Helper()
		_, err := fmt.Fprintln(c.stdin, text)
		must(t, err)
		if got := c.expect(t, ""); got != want {
			t.Fatalf("told to %s, the child says %q, want %q", text, got, want)
		}
	}
	s := openSignals(t, path, quick)
	for n := uint64(1); n <= rounds; n++ {
		order("acquire", fmt.Sprint("done ", 2*n-1))
		order(fmt.Sprint(2*n-1), fmt.Sprint("done ", 2*n-1))
		must(t, stop(c.cmd.Process.Pid))
		err := sinks.ErrLeased
		for errors.Is(err, sinks.ErrLeased) { // the TTL bounds this
			_, err = sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "the parent"})
		}
		must(t, errors.Join(err, s.Append(t.Context(), series(2*n, 2*n)), c.cmd.Process.Signal(syscall.SIGCONT)))
		order(fmt.Sprint(2*n+1), "fenced")
		must(t, sinks.Release(t.Context(), s))
	}
	wantLog(t, s, series(1, 2*rounds))
	c.end(t)
}

// stop returns when a process is stopped.
func stop(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	_, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil)
	if err == nil && !status.Stopped() {
		err = fmt.Errorf("it is not stopped: %v", status)
	}
	return err
}
