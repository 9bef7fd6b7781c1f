//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const asProgram = "BENCHGATE_TEST_AS_PROGRAM"

// TestMain lets the test program be benchgate itself, for tests that send signals.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		if err := os.Unsetenv(asProgram); err != nil {
			panic(err)
		}
		main()
	}
	os.Exit(m.Run())
}

// program runs benchgate as a process of its own, with the temporary folder given.
func (r *repository) program(temp string, args ...string) *exec.Cmd {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+temp)
	return cmd
}

// leftNothing checks what an interrupted process must not leave, and its exit status.
func (r *repository) leftNothing(temp string, ended error) {
	r.t.Helper()
	var exit *exec.ExitError
	if !errors.As(ended, &exit) || exit.ExitCode() != 2 {
		r.t.Errorf("it ended with %v, want exit status 2", ended)
	}
	if trees := r.git("worktree", "list"); strings.Contains(trees, "\n") {
		r.t.Errorf("a working tree stays:\n%s", trees)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*benchgate*")); err != nil || len(left) > 0 {
		r.t.Errorf("files stay: %q, %v", left, err)
	}
}

// The terminal goes away, which may be told more than once.
func TestHangUp(t *testing.T) {
	r := newRepository(t, "")
	r.write("scratch_test.go", stuckFile)
	r.git("add", ".")
	r.git("commit", "-q", "-m", "stuck")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut := func() { _ = listener.Close() }
	defer shut()
	t.Setenv("BENCHGATE_TEST", listener.Addr().String())
	temp := t.TempDir()
	cmd := r.program(temp, "run", "--head", r.dir, "--base", "HEAD", "--benchtime", "2x", "--max-time", "1h", "--process-time", "1h",
		"--budgets", r.write("budgets.txt", "BenchmarkStuck allocs/op <= +2%\n"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		shut() // ends the wait below if the benchmark never came
	}()
	c, err := listener.Accept()
	if err != nil {
		t.Fatalf("the benchmark did not run: %v", <-ended)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGHUP), cmd.Process.Signal(syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(c) // until the benchmark and its child are dead; an error means that too
	r.leftNothing(temp, <-ended)
}

// Nobody reads what the run prints any more, as when the other end of a pipe ends.
func TestBrokenPipe(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	temp := t.TempDir()
	cmd := r.program(temp, "run", "--head", r.dir, "--base", "HEAD", "--benchtime", "2ms",
		"--budgets", r.write("budgets.txt", "BenchmarkWork allocs/op <= +2%\n"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "building . of base") {
		continue
	}
	if err := stderr.Close(); err != nil {
		t.Fatal(err)
	}
	r.leftNothing(temp, cmd.Wait())
}
