//go:build unix

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestNoRoomForSnapshots: when what is stored does not fit any more, the server goes on, says so, and ends with the code that
// tells that not everything was saved. The limit of the size of files stands for a full disk.
func TestNoRoomForSnapshots(t *testing.T) {
	t.Parallel() // it waits for time limits
	dir := t.TempDir()
	p := startCommand(t, "/bin/sh", "-c", `ulimit -f 400 && exec "$0" serve --listen=127.0.0.1:0 --data="$1" --snapshot-interval=1h --final-timeout=2s`,
		os.Args[0], dir)
	r := &running{t: t, url: p.url}
	r.want(http.StatusCreated, nil, "POST", "/streams/small", `{"data":1}`)
	r.want(http.StatusOK, nil, "POST", "/admin/snapshot", "")
	noise := make([]byte, 300<<10) // does not pack
	_, _ = rand.Read(noise)
	large := fmt.Sprintf(`{"data":%q}`, hex.EncodeToString(noise))
	r.want(http.StatusCreated, nil, "POST", "/streams/large", large)
	got := r.want(http.StatusInternalServerError, nil, "POST", "/admin/snapshot", "")
	if !strings.Contains(got.body, "file too large") {
		t.Errorf("%s", got.body)
	}
	if got := r.want(200, nil, "GET", "/streams/large", ""); !bytes.Contains([]byte(got.body), []byte(hex.EncodeToString(noise[:100]))) {
		t.Error("the event is not served any more")
	}
	r.want(http.StatusCreated, nil, "POST", "/streams/small", `{"data":2}`)
	if got := r.want(200, nil, "GET", "/metrics", ""); !strings.Contains(got.body, "\nephemera_snapshot_events_at_risk{store=\"streams\"} 2\n") {
		t.Error("the figures do not tell of the events at risk")
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.over
	if code := p.command.ProcessState.ExitCode(); code != 6 || !strings.Contains(p.out.String(), "not everything was saved") {
		t.Errorf("exit code %d: %.2000s", code, p.out)
	}
	again := startProcess(t, dir) // with room: what was saved is there
	r = &running{t: t, url: again.url}
	if got := r.want(200, nil, "GET", "/streams/small", ""); !strings.Contains(got.body, `"data":1`) || strings.Contains(got.body, `"data":2`) {
		t.Errorf("%s", got.body)
	}
}
