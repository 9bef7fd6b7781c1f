//go:build unix

package serve

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotifyTheStuck: a service manager that takes nothing any more keeps the server neither from starting nor from saving.
func TestNotifyTheStuck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	w, err := net.DialUnix("unixgram", nil, c.LocalAddr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for err == nil { // until nothing more has room
		if err := w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, 1024))
	}
	var log bytes.Buffer
	s := &server{o: &Options{NotifySocket: path, Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	told := make(chan struct{})
	go func() {
		s.notify("READY=1")
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for ever")
	}
	if !strings.Contains(log.String(), "the service manager was not told") {
		t.Errorf("%s", log.String())
	}
}
