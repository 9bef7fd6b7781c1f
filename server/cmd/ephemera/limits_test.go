package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/storage-sqlite"
)

// TestServerH1_WhatIsAcknowledged: 2xx is in memory at the epoch and version of the reply, and more only if it says so.
func TestServerH1_WhatIsAcknowledged(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir)
	var stored struct {
		FirstVersion, LastVersion uint64
		Epoch, Durability         string
	}
	got := r.want(http.StatusCreated, &stored, "POST", "/streams/a", `[{"data":1},{"data":2}]`)
	if stored.FirstVersion != 1 || stored.LastVersion != 2 || stored.Durability != "memory" || got.header.Get("ETag") != `"2"` {
		t.Errorf("%+v, ETag %s", stored, got.header.Get("ETag"))
	}
	read := r.want(200, nil, "GET", "/streams/a", "")
	if read.header.Get("Ephemera-Epoch") != stored.Epoch || read.header.Get("ETag") != `"2"` {
		t.Errorf("read in epoch %s, stored in %s", read.header.Get("Ephemera-Epoch"), stored.Epoch)
	}
	var raised struct{ Durability string }
	if r.want(http.StatusCreated, &raised, "POST", "/signals", `{"name":"a"}`); raised.Durability != "memory" {
		t.Errorf("durability %q", raised.Durability)
	}
	if r.want(http.StatusCreated, &raised, "POST", "/signals?flush=true", `{"name":"b"}`); raised.Durability != "flush" {
		t.Errorf("durability %q", raised.Durability)
	}
	beside, err := sinks.OpenSignals(t.Context(), "sqlite:"+filepath.Join(dir, "signals.db")+"?read_only=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close() }()
	there, err := beside.Read(t.Context(), 0, 10)
	if err != nil || len(there) != 2 || there[1].Name != "b" {
		t.Fatalf("in the file: %v, %v", there, err)
	}
}

// dial opens a connection and writes the beginning of a request.
func (r *running) dial(text string) net.Conn {
	r.t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", u.Host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// answer reads one reply from a connection.
func answer(t testing.TB, c net.Conn) (status int, body io.Reader) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close() // first, for closing the body reads what is still to come
		_ = resp.Body.Close()
	})
	return resp.StatusCode, resp.Body
}

const half = "POST /streams/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"dat"

// inFlight starts requests until the server is busy with n: the reply to a probe tells.
func (r *running) inFlight() net.Conn {
	r.t.Helper()
	c := r.dial(half)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if r.do("GET", "/streams", "").status == http.StatusServiceUnavailable {
			return c
		}
	}
	r.t.Fatal("a request is in flight, and the limit of one does not hold")
	return nil
}

// TestServerH2_Limits: each limit has its status.
func TestServerH2_Limits(t *testing.T) {
	t.Run("sizes", func(t *testing.T) {
		r := serve(t, t.TempDir())
		large := `"` + strings.Repeat("x", 1<<20) + `"`
		for _, path := range []string{"/streams/a", "/metrics", "/signals"} {
			r.want(http.StatusRequestEntityTooLarge, nil, "POST", path, large)
		}
		one := map[string]string{"/streams/a": `{"data":1}`, "/metrics": `{"label":"a","value":1}`, "/signals": `{"name":"a"}`}
		for path, item := range one {
			list := func(n int) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
			r.want(http.StatusCreated, nil, "POST", path, list(1000))
			r.want(http.StatusRequestEntityTooLarge, nil, "POST", path, list(1001))
		}
		r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":1}`, with("Idempotency-Key", strings.Repeat("k", 256)))
		r.want(http.StatusBadRequest, nil, "POST", "/streams/a", `{"data":1}`, with("Idempotency-Key", strings.Repeat("k", 257)))
		r.want(http.StatusOK, nil, "GET", "/streams", "", with("X-Long", strings.Repeat("h", 15<<10)))
		r.want(http.StatusRequestHeaderFieldsTooLarge, nil, "GET", "/streams", "", with("X-Long", strings.Repeat("h", 16<<10)))
	})
	t.Run("requests at once", func(t *testing.T) {
		r := serve(t, t.TempDir(), "--max-in-flight", "1")
		c := r.inFlight()
		got := r.do("GET", "/streams", "")
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%+v", got)
		}
		r.want(200, nil, "GET", "/healthz", "") // is not work
		if _, err := io.WriteString(c, "a\":1}"); err != nil {
			t.Fatal(err)
		}
		if status, _ := answer(t, c); status != http.StatusCreated {
			t.Errorf("the one in flight got %d", status)
		}
	})
	t.Run("connections at once", func(t *testing.T) {
		r := serve(t, t.TempDir(), "--max-connections", "1")
		r.dial("")
		if status, _ := answer(t, r.dial("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")); status != http.StatusServiceUnavailable {
			t.Errorf("the second connection got %d", status)
		}
	})
	t.Run("subscriptions at once", func(t *testing.T) {
		r := serve(t, t.TempDir(), "--max-readers", "1")
		status, _ := answer(t, r.dial("GET /signals HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"))
		if status != http.StatusOK {
			t.Fatal(status)
		}
		r.want(http.StatusServiceUnavailable, nil, "GET", "/signals", "", with("Accept", "text/event-stream"))
		r.want(http.StatusOK, nil, "GET", "/signals", "")
		// What stores is none, whatever it accepts: it would end when the server stops, and not be answered.
		r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":1}`, with("Accept", "text/event-stream"))
	})
}

// TestServerH3_Tokens: a token is needed beyond loopback, and stands in no log, reply or figure.
func TestServerH3_Tokens(t *testing.T) {
	const token, wrong = "correct-horse-battery", "wrong-horse-battery-0"
	file := write(t, "token", token+"\n")
	code, _, text := once(t, "serve", "--listen", "0.0.0.0:0", "--data", t.TempDir())
	if code != 2 || !strings.Contains(text, "--insecure-no-token") {
		t.Errorf("beyond loopback without a token: %d, %s", code, text)
	}
	serve(t, t.TempDir(), "--listen", "0.0.0.0:0", "--insecure-no-token")

	r := serve(t, t.TempDir(), "--listen", "0.0.0.0:0", "--token-file", file, "--log-level", "debug")
	r.url = strings.Replace(r.url, "[::]", "127.0.0.1", 1)
	bearer := with("Authorization", "Bearer "+token)
	var replies strings.Builder
	ask := func(status int, method, path, body string, options ...option) {
		t.Helper()
		got := r.want(status, nil, method, path, body, options...)
		fmt.Fprint(&replies, got.header, got.body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/health"} {
		ask(200, "GET", path, "")
	}
	for _, path := range []string{"/streams", "/streams/a", "/signals", "/signals/stats", "/metrics", "/metrics/top", "/admin/stats", "/none"} {
		ask(http.StatusUnauthorized, "GET", path, "")
		ask(http.StatusUnauthorized, "GET", path, "", with("Authorization", "Bearer "+wrong))
		ask(http.StatusUnauthorized, "GET", path+"?token="+token, "")
	}
	for _, other := range []string{token + "x", token[1:], "", "Basic " + token} {
		ask(http.StatusUnauthorized, "GET", "/streams", "", with("Authorization", "Bearer "+other))
	}
	ask(200, "GET", "/streams", "", bearer)
	ask(200, "GET", "/metrics", "", bearer)
	ask(http.StatusBadRequest, "GET", "/signals?token="+token, "", bearer)
	login := with("Content-Type", "application/x-www-form-urlencoded")
	ask(http.StatusUnauthorized, "POST", "/login", "token="+wrong, login)
	ask(http.StatusNoContent, "POST", "/login", "token="+token, login)
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for what, text := range map[string]string{"replies": replies.String(), "stdout": r.out.String(), "log": r.err.String()} {
		if strings.Contains(text, token) || strings.Contains(text, wrong) {
			t.Errorf("a token stands in %s", what)
		}
	}
	if !strings.Contains(r.err.String(), "msg=request") {
		t.Error("the log is empty, so it proves nothing")
	}
}

// TestServerH4_RequestsInFlight: a request that was begun is answered although the server stops, and what it stored is saved.
func TestServerH4_RequestsInFlight(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir, "--max-in-flight", "1")
	c := r.inFlight()
	r.signals <- syscall.SIGTERM
	for { // until it listens no more
		extra, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		_ = extra.Close()
	}
	if _, err := io.WriteString(c, "a\":1}"); err != nil {
		t.Fatal(err)
	}
	status, body := answer(t, c)
	var stored struct{ LastVersion uint64 }
	if err := json.NewDecoder(body).Decode(&stored); err != nil || status != http.StatusCreated || stored.LastVersion != 1 {
		t.Fatalf("%d, %+v, %v", status, stored, err)
	}
	if code := r.end(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.err)
	}
	r = serve(t, dir)
	if got := r.want(200, nil, "GET", "/streams/slow", ""); !strings.Contains(got.body, `"data":1`) {
		t.Errorf("after the restart: %s", got.body)
	}
}
