//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asNobody returns a folder that everybody reaches, and a command in it that has no rights but those of everybody: root may
// write everywhere.
func asNobody(t *testing.T, args ...string) (dir string, c *exec.Cmd) {
	t.Helper()
	dir = t.TempDir()
	bin := filepath.Join(dir, "ephemera")
	from, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(bin, os.O_WRONLY|os.O_CREATE, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{to.Close(), os.Chmod(bin, 0o755), os.Chmod(filepath.Dir(dir), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c = exec.CommandContext(t.Context(), bin, args...)
	c.Dir, c.Env = dir, append(os.Environ(), asProgram+"=1")
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return dir, c
}

// TestUnwritableData: a data directory that is there and cannot be written to is named, and so is the reason.
func TestUnwritableData(t *testing.T) {
	for name, args := range map[string][]string{
		"new": {"--data=new"}, "its own": {"--data=data"}, "for a token": {"--data=data", "--generate-token"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := asNobody(t, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)
			data := filepath.Join(dir, "data")
			serve(t, data).stop()
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(data, 0o555); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(data, 0o755); _ = os.Chmod(dir, 0o755) })
			text, _ := c.CombinedOutput()
			want := filepath.Join(dir, strings.TrimPrefix(args[0], "--data="))
			if code := c.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(text), want) || !strings.Contains(string(text), "permission denied") {
				t.Errorf("exit code %d: %s", code, text)
			}
		})
	}
}

// TestUnreadableKey: the file of TLS that may not be read is named.
func TestUnreadableKey(t *testing.T) {
	cert, key, _ := certificate(t)
	dir, c := asNobody(t, "serve", "--listen=127.0.0.1:0", "--data=data", "--tls-cert=cert.pem", "--tls-key=key.pem")
	for from, to := range map[string]string{cert: "cert.pem", key: "key.pem"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "key.pem"), 0); err != nil {
		t.Fatal(err)
	}
	text, _ := c.CombinedOutput()
	if code := c.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(text), "key.pem: permission denied") {
		t.Errorf("exit code %d: %s", code, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("the data directory was made")
	}
}
