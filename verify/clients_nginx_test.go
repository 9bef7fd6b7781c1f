package verify

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// nginxConf is what docs/http.md leaves out: nginx as a process of its own in a folder.
const nginxConf = `
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server {
		listen %s;
		%s
	}
}
`

// startNginx puts nginx before a server and returns its URL.
func startNginx(t *testing.T, upstream string) string {
	t.Helper()
	nginx := program(t, "nginx", "/usr/sbin/nginx")
	address := freeAddress(t)
	dir := t.TempDir()
	location := strings.ReplaceAll(httpDocs(t, "nginx")[0], "127.0.0.1:7070", upstream)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, address, location), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*clientTimeout)
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	waitFor(t, func() bool {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, func() string {
		log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		return "nginx does not listen: " + string(log)
	})
	return "http://" + address
}

// waitFor asks until the answer is yes.
func waitFor(t *testing.T, yes func() bool, otherwise func() string) {
	t.Helper()
	deadline := time.Now().Add(clientTimeout)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
		time.Sleep(5 * time.Millisecond) // between questions to another process
	}
}

// TestClientsNginx: through a reverse proxy appends, preconditions and pages are what they are without, and each event of a
// tail arrives before the next one is appended.
func TestClientsNginx(t *testing.T) {
	s, log := clientServer(t, nil)
	url := startNginx(t, s.Listener.Addr().String())
	c, err := streams.NewClient(url, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	const stream, events = "a b/ä&%/c+d", 20
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/streams/a%20b/%C3%A4&%25/c+d", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	next := func(want string) {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("no line %q: %v", want, lines.Err())
	}
	next("event: caughtup")
	for i := range uint64(events) {
		e := streams.Event{ID: fmt.Sprint(i), Data: []byte(`{"n":1}`)}
		if _, err := c.Append(ctx, streams.Append{Stream: stream, Expect: streams.ExpectVersion(i), Events: []streams.Event{e}}); err != nil {
			t.Fatal(err)
		}
		next(fmt.Sprintf("id: %s:%d", log.Epoch(), i+1))
	}
	page, err := c.Read(ctx, streams.Read{Stream: stream})
	if err != nil || len(page.Events) != events || page.Version != events {
		t.Error(len(page.Events), page.Version, err)
	}
	next(": alive")
	http.DefaultClient.CloseIdleConnections()
}
