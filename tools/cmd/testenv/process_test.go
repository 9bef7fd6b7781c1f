//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// roleVariable lets the test program be testenv itself, or the command that uses real servers.
const roleVariable = "TESTENV_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "testenv":
		main()
	case "user":
		if err := useServers(); err != nil {
			_, _ = io.WriteString(os.Stdout, err.Error()+"\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is testenv as a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"=testenv", "TMPDIR="+shortDir(t))
	return cmd
}

func tempDir(cmd *exec.Cmd) string {
	return strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], "TMPDIR=")
}

// watchedServer puts a fake server into PATH that holds the write end of a pipe while it lives, and returns the read end.
func watchedServer(t *testing.T) *os.File {
	t.Helper()
	callersServers(t)
	dir := shortDir(t)
	pipe := filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(pipe, 0o666); err != nil { // the server may be another user
		t.Fatal(err)
	}
	fakePostgres(t, dir, "exec 3>"+pipe+"\necho >&3\necho >up\nexec sleep 1000\n")
	script(t, dir, "pg_isready", "test -e up\n") // not ready before it holds the pipe
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	alive, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = alive.Close() })
	return alive
}

func TestStatusOfTheCommand(t *testing.T) {
	watchedServer(t)
	tests := map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 128 + 9}
	for text, want := range tests {
		cmd := program(t, "-need", "postgres", "--", "sh", "-c", text)
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
			t.Errorf("%s: %v, want status %d", text, err, want)
		}
	}
}

// The command, a child that ignores the signal, and the server are gone when testenv has ended, and so are its files.
func TestTerminated(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			server := watchedServer(t)
			cmd := program(t, "-need", "postgres", "--", "sh", "-c", `(trap "" INT TERM HUP; echo child; exec sleep 1000) & wait`)
			command := begun(t, cmd)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			untilEnd(t, command)
			if n := untilEnd(t, server); n == 0 {
				t.Error("the server never ran")
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(signal) {
				t.Errorf("it ended with %v, want status %d", err, 128+int(signal))
			}
			if left, err := filepath.Glob(filepath.Join(tempDir(cmd), "*")); err != nil || len(left) > 0 {
				t.Errorf("files stay: %q, %v", left, err)
			}
		})
	}
}

// begun starts a testenv and returns the output of its command after the first line.
func begun(t *testing.T, cmd *exec.Cmd) io.Reader {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(pipe)
	if line, err := output.ReadString('\n'); err != nil || line != "child\n" {
		t.Fatalf("the command said %q, %v", line, err)
	}
	return output
}

// untilEnd returns when no process holds the other end, and says how much came.
func untilEnd(t *testing.T, r io.Reader) int64 {
	t.Helper()
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	ci := os.Getenv("EPHEMERA_CI")
	callersServers(t)
	for _, kind := range []string{"versitygw", "minio"} {
		t.Run(kind, func(t *testing.T) {
			s := newSession(config{}, thisHost(), io.Discard, io.Discard)
			_, s3Err := s.builtTool(t.Context(), kind)
			if _, ok := s.host.findPostgres(); (ci == "" || kind == "minio") && (!ok || s3Err != nil) {
				t.Skipf("PostgreSQL found: %v; %s: %v", ok, kind, s3Err)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := program(t, "-need", "postgres,s3", "-s3", kind, "--", "env", roleVariable+"=user", self)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), "testenv: started ") != 2 {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
