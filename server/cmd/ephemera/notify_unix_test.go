//go:build unix

package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotify: the service manager is told when the server is ready, and when it stops.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	heard := func(want string) string {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1024)
		for {
			n, err := c.Read(b)
			if err != nil {
				t.Fatalf("not told %s: %v", want, err)
			}
			if text := string(b[:n]); strings.HasPrefix(text, want+"\n") {
				return text
			}
		}
	}
	dir := t.TempDir()
	t.Setenv("NOTIFY_SOCKET", path)
	r := serve(t, dir)
	if text := heard("READY=1"); !strings.Contains(text, "STATUS=serving "+r.url) {
		t.Errorf("%q", text)
	}
	r.stop()
	heard("STOPPING=1")

	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody-listens"))
	r = serve(t, dir) // is served all the same
	if code := r.stop(); code != 0 || !strings.Contains(r.err.String(), "the service manager was not told") {
		t.Errorf("exit code %d: %s", code, r.err)
	}
}
