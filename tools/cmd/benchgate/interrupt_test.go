//go:build unix

package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The benchmark and a child of it hold a connection to the test, which ends when both are dead.
const stuckFile = `package scratch

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

func BenchmarkStuck(b *testing.B) {
	if b.N == 1 {
		return
	}
	c, err := net.Dial("tcp", os.Getenv("BENCHGATE_TEST"))
	if err != nil {
		b.Fatal(err)
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		b.Fatal(err)
	}
	child := exec.Command("sleep", "1000")
	child.ExtraFiles = []*os.File{f}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	c.Write([]byte("x"))
	child.Wait()
}
`

func TestInterruptedRun(t *testing.T) {
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
	t.Setenv("TMPDIR", temp)
	raw, report := r.write("raw.txt", "old raw output"), r.write("gate.md", "old report")
	budgets := r.write("budgets.txt", "BenchmarkStuck allocs/op <= +2%\n")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- command(ctx, []string{
			"run", "--head", r.dir, "--base", "HEAD", "--budgets", budgets, "--benchtime", "2x",
			"--out", raw, "--markdown", report, "--max-time", "1h", "--process-time", "1h",
		}, &stdout, &stderr)
		shut() // ends the wait below if the benchmark never came
	}()
	c, err := listener.Accept()
	if err != nil {
		t.Fatalf("the benchmark did not run: exit %d\n%s%s", <-code, stdout.String(), stderr.String())
	}
	defer func() { _ = c.Close() }()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, _ = io.ReadAll(c) // until the benchmark and its child are dead; an error means that too

	if got := <-code; got != 2 || stdout.String() != "" || !strings.HasSuffix(stderr.String(), "benchgate: interrupted, nothing was judged\n") {
		t.Errorf("exit %d\n%s%s", got, stdout.String(), stderr.String())
	}
	for path, want := range map[string]string{raw: "old raw output", report: "old report"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s is now %q, %v", path, text, err)
		}
	}
	if trees := r.git("worktree", "list"); strings.Contains(trees, "\n") {
		t.Errorf("a working tree stays:\n%s", trees)
	}
	for _, dir := range []string{temp, r.dir} {
		if left, err := filepath.Glob(filepath.Join(dir, "*benchgate-*")); err != nil || len(left) > 0 {
			t.Errorf("files stay: %q, %v", left, err)
		}
	}
}
