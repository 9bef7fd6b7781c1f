package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// A server is the program on a port of its own.
type server struct {
	*program.Process
	url string
}

func start(t *testing.T, dir string, flags ...string) server {
	t.Helper()
	p := program.Start(t, append([]string{"--listen", "127.0.0.1:0", "--data", dir}, flags...)...)
	return server{p, p.Wait(t, `(?m)^ready: (\S+), `)}
}

// post reports whether an order was acknowledged.
func (s server) post(t *testing.T, c *http.Client, order string) bool {
	return s.send(t, c, fmt.Sprintf(`{"order":%q,"cents":1250}`, order)) == http.StatusAccepted
}

// send returns the status, 0 if there is no answer.
func (s server) send(t *testing.T, c *http.Client, body string) int {
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/orders", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// orders returns what the server lists: whether each order is charged.
func (s server) orders(t *testing.T) map[string]bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list []event
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, e := range list {
		if _, twice := all[e.Order]; twice {
			t.Errorf("order %s is listed twice", e.Order)
		}
		all[e.Order] = e.Charged
	}
	return all
}

// ends wants an exit code, and texts in their order.
func (s server) ends(t *testing.T, code int, texts ...string) {
	t.Helper()
	r := s.End(t)
	rest, ok := r.Stdout, r.Code == code
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		rest, ok = after, ok && found
	}
	if !ok {
		t.Fatalf("exit %d, want %d with %q:\n%s%s", r.Code, code, texts, r.Stdout, r.Stderr)
	}
}

// crowd posts orders from several clients until the server takes no more, and signals that after so many acknowledgements.
func (s server) crowd(t *testing.T, enough int, signal func()) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	taken := map[string]bool{}
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			c := &http.Client{Transport: new(http.Transport)}
			defer c.CloseIdleConnections()
			for n := 0; ; n++ {
				order := fmt.Sprintf("%d-%d", client, n)
				if !s.post(t, c, order) {
					return
				}
				mu.Lock()
				taken[order] = true
				if len(taken) == enough {
					signal()
				}
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	return taken
}

// SIGTERM under load: whatever was acknowledged is charged and saved, and the program says so.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--charge", "1ms", "--drain", "1m")
	taken := s.crowd(t, 200, func() { s.Signal(t, syscall.SIGTERM) })
	s.ends(t, 0, "1 stopped taking: ", "2 drained: ", " 0 left", "3 flushed: ", " 0 not", "4 saved: ")
	again := start(t, dir)
	found := again.orders(t)
	for order := range taken {
		if !found[order] {
			t.Errorf("order %s was acknowledged; charged afterwards: %t of %d orders", order, found[order], len(found))
		}
	}
	if len(taken) < 200 {
		t.Errorf("the test proves nothing: %d orders taken", len(taken))
	}
	again.Signal(t, os.Interrupt)
	again.ends(t, 0, fmt.Sprintf("%d orders restored, 0 of them to be charged", len(found)), "4 saved: ")
}

// A second signal does not wait for charges that take an hour, and loses nothing either. The next run goes on with them.
func TestSecondSignalHurries(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--charge", "1h", "--drain", "2h")
	for n := range 5 {
		if !s.post(t, http.DefaultClient, fmt.Sprint("slow-", n)) {
			t.Fatal("not taken")
		}
	}
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t, "1 stopped taking")
	s.Signal(t, syscall.SIGTERM)
	s.ends(t, 3, "2 drained: 0 orders charged in this run, 5 left\n", "3 flushed: 5 signals written, 0 not\n", "4 saved: 5 events")
	again := start(t, dir, "--charge", "1ms")
	if n := len(again.orders(t)); n != 5 {
		t.Errorf("%d orders", n)
	}
	again.Signal(t, syscall.SIGTERM)
	again.ends(t, 0, "5 orders restored, 5 of them to be charged\n", "2 drained: 5 orders charged in this run, 0 left\n", "4 saved: 10 events")
}

// So does the limit of --drain.
func TestDrainHasALimit(t *testing.T) {
	s := start(t, t.TempDir(), "--charge", "1h", "--drain", "10ms")
	if !s.post(t, http.DefaultClient, "slow") {
		t.Fatal("not taken")
	}
	s.Signal(t, syscall.SIGTERM)
	s.ends(t, 3, "2 drained: 0 orders charged in this run, 1 left\n", "4 saved: 1 events")
}

// A request that is under way when the signal comes is answered.
func TestRequestUnderWay(t *testing.T) {
	s := start(t, t.TempDir(), "--charge", "1ms")
	c := s.dial(t)
	defer func() { _ = c.Close() }()
	const body = `{"order":"slow","cents":1}`
	fmt.Fprintf(c, "POST /orders HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	answers := bufio.NewReader(c)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the handler reads the body
		t.Fatalf("%q, %v", line, err)
	}
	s.Signal(t, syscall.SIGTERM)
	for { // until the port is closed
		other := s.dial(t)
		if other == nil {
			break
		}
		_ = other.Close()
	}
	fmt.Fprint(c, body)
	if _, err := answers.ReadString('\n'); err != nil { // the empty line behind 100 Continue
		t.Fatal(err)
	}
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "202 Accepted") {
		t.Errorf("%q, %v", line, err)
	}
	s.ends(t, 0, "2 drained: 1 orders charged in this run, 0 left\n", "4 saved: 2 events")
}

// dial returns nil if nobody listens.
func (s server) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return nil
	}
	return c
}

// What cannot be saved is told, with exit code 1.
func TestSavingFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, dir, "--charge", "1ms")
	if !s.post(t, http.DefaultClient, "a") {
		t.Fatal("not taken")
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	s.Signal(t, syscall.SIGTERM)
	r := s.End(t)
	if r.Code != 1 || strings.Contains(r.Stdout, "4 saved") || !strings.Contains(r.Stderr, "not saved") {
		t.Errorf("%+v", r)
	}
}

func TestWhatGoesWrong(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	port := strings.TrimPrefix(s.url, "http://")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--nonsense", 2, "-nonsense (--help shows how)"},
		{"--charge soon", 2, `invalid value "soon"`},
		{"--charge -1s", 2, "must be at least 0"},
		{"orders", 2, `"orders" is no flag`},
		{"--listen " + port, 1, "address already in use"},
		{"--listen nowhere", 1, "missing port"},
		{"--listen 127.0.0.1:0 --data " + dir, 1, "leased to another writer"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(strings.Fields(c.args), &stdout, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: exit %d, %s", c.args, code, &stderr)
		}
	}
	if r := program.Run(t, "--help"); r.Code != 0 || r.Stdout != usage {
		t.Errorf("%+v", r)
	}
	for body, want := range map[string]int{`{"order":"a"}`: 202, `{"order":""}`: 400, `order`: 400} {
		if got := s.send(t, http.DefaultClient, body); got != want {
			t.Errorf("%s: %d", body, got)
		}
	}
	if again := s.post(t, http.DefaultClient, "a"); !again || len(s.orders(t)) != 1 {
		t.Errorf("order a twice: %t, %v", again, s.orders(t))
	}
}
