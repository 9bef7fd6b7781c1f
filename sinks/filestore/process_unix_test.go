//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/filestore"
)

// TestStoppedHolder stops the holder of a lease, takes over, and lets it go on: its next write is refused, every time.
func TestStoppedHolder(t *testing.T) {
	const rounds = 8
	dir := t.TempDir()
	other, orders, answers := spawnToObey(t, "obey", dir)
	defer kill(t, other)
	order := func(text, want string) {
		t.Helper()
		if _, err := fmt.Fprintln(orders, text); err != nil {
			t.Fatal(err)
		}
		if !answers.Scan() || answers.Text() != want {
			t.Fatalf("told to %s, the other process says %q, want %q", text, answers.Text(), want)
		}
	}
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	for n := uint64(1); n <= rounds; n++ {
		order("acquire", fmt.Sprint("done ", 2*n-1))
		order(fmt.Sprint(2*n-1), fmt.Sprint("done ", 2*n-1))
		if err := other.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(other.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			t.Fatalf("the other process is not stopped: %v, %v", status, err)
		}
		for err = sinks.ErrLeased; errors.Is(err, sinks.ErrLeased); { // its TTL bounds this
			_, err = sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "this process"})
		}
		if err := errors.Join(err, s.Append(t.Context(), numbered(2*n, 2*n)), other.Process.Signal(syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		order(fmt.Sprint(2*n+1), "fenced")
		if err := sinks.Release(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if stat, err := s.Stat(t.Context()); err != nil || stat.Count != 2*rounds {
		t.Errorf("%+v, %v", stat, err)
	}
}
