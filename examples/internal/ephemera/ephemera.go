// Package ephemera lets tests run the server, as a process of its own.
package ephemera

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const command = "github.com/ephemera-go/ephemera/server/cmd/ephemera"

// build makes the program in a folder. Only the workspace knows it: without, the test is skipped.
func build(t *testing.T, folder string) (path string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "go", "list", command).Run(); err != nil && os.Getenv("EPHEMERA_CI") == "" {
		t.Skip("the server is not in this workspace")
	}
	path = filepath.Join(folder, "ephemera")
	// Unlike build, run keeps what it has linked, for all tests.
	if out, err := exec.CommandContext(t.Context(), "go", "run", "-exec", "cp", command, path).CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	return path
}

// Serve starts a server on a free port and returns its URL. It ends with the test.
func Serve(t *testing.T, flags ...string) (url string) {
	t.Helper()
	folder := t.TempDir()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data")}, flags...)
	var complaints bytes.Buffer
	server := exec.CommandContext(context.Background(), build(t, folder), args...)
	server.Stderr = &complaints
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
			return url // what it says later fits the pipe
		}
	}
	_ = server.Wait()
	t.Fatalf("the server does not start:\n%s", &complaints)
	return ""
}
