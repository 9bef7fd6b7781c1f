package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/examples/internal/program"
	"github.com/ephemera-go/ephemera/streams"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// newServer serves an empty log. front may do something before or behind its handler.
func newServer(t *testing.T, front func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	log, err := streams.New(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := streams.NewHandler(log, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = handler
	if front != nil {
		h = front(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		_ = log.Close()
	})
	return s
}

// startGateway serves a gateway in this process and returns its URL.
func startGateway(t *testing.T, id, server string, wait time.Duration) string {
	t.Helper()
	log, err := streams.NewClient(server, streams.ClientOptions{RetryTimeout: wait})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(newGateway(options{id: id, stream: "gateway/orders", wait: wait}, log))
	t.Cleanup(func() {
		s.Close()
		_ = log.Close()
	})
	return s.URL
}

// ask returns status and body of a reply; members whose text varies are left out of it.
func ask(t *testing.T, method, url, key, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: no Retry-After", method, url)
	}
	return resp.StatusCode, out
}

func want(t *testing.T, status int, body map[string]any, method, url, key, send string) {
	t.Helper()
	got, text := ask(t, method, url, key, send)
	if got != status {
		t.Errorf("%s %s: %d, want %d: %v", method, url, got, status, text)
	}
	if body == nil {
		return
	}
	if d := cmp.Diff(body, text); d != "" {
		t.Errorf("%s %s: %s", method, url, d)
	}
}

type object = map[string]any

// TestOrderAtTwoGateways sends the same orders to two gateways, as nginx does when the first one dies.
func TestOrderAtTwoGateways(t *testing.T) {
	s := newServer(t, nil)
	g1, g2 := startGateway(t, "g1", s.URL, time.Second), startGateway(t, "g2", s.URL, time.Second)
	order := object{"id": "o-1", "gatewayId": "g1", "valor": 12.}
	want(t, 201, order, "POST", g1+"/orders", "o-1", `{"valor":12}`)
	want(t, 200, order, "POST", g1+"/orders", "o-1", `{"valor":12}`)
	want(t, 200, order, "POST", g2+"/orders", "o-1", `{"valor":12}`)
	want(t, 422, nil, "POST", g2+"/orders", "o-1", `{"valor":13}`)
	want(t, 422, nil, "POST", g1+"/orders", "o-1", `{"valor":13}`)
	want(t, 422, nil, "POST", g2+"/orders/bulk?n=2", "o-1", "")
	// Without a body both make up the same valor.
	_, made := ask(t, "POST", g1+"/orders", "o-2", "")
	want(t, 200, made, "POST", g2+"/orders", "o-2", "")
	// A bulk is found as a whole, also behind many other orders.
	_, bulk := ask(t, "POST", g1+"/orders/bulk?n=50", "b-1", "")
	want(t, 201, nil, "POST", g2+"/orders/bulk?n=1000", "", "")
	want(t, 201, nil, "POST", g2+"/orders/bulk?n=1000", "", "")
	want(t, 200, bulk, "POST", g2+"/orders/bulk?n=50", "b-1", "")
	want(t, 200, bulk, "POST", g1+"/orders/bulk?n=50", "b-1", "")
	want(t, 422, nil, "POST", g2+"/orders/bulk?n=51", "b-1", "")

	_, global := ask(t, "GET", g2+"/stats/global", "", "")
	gateways, _ := global["gateways"].(object)
	for url, repeated := range map[string]float64{g1: 2, g2: 3} {
		_, local := ask(t, "GET", url+"/stats/local", "", "")
		id, _ := local["gatewayId"].(string)
		if d := cmp.Diff(gateways[id], any(object{"count": local["sent"], "sum": local["valor"]})); d != "" {
			t.Error(id, d)
		}
		if local["repeated"] != repeated || local["unknown"] != 0. {
			t.Errorf("%s: %v", id, local)
		}
	}
	if global["totalEvents"] != 2052. {
		t.Errorf("global %v", global)
	}
}

// TestBounds: what makes no sense is refused, and nothing of it is stored.
func TestBounds(t *testing.T) {
	s := newServer(t, nil)
	g := startGateway(t, "g1", s.URL, time.Second)
	for _, n := range []string{"", "-1", "1001", "99999999999999999999", "x", "1.5"} {
		want(t, 400, nil, "POST", g+"/orders/bulk?n="+n, "", "")
	}
	for _, body := range []string{"{", "[]", "{}", `{"valor":0}`, `{"valor":-1}`, `{"valor":1.5}`, `{"valor":1000001}`, `{"valor":"1"}`, `{"valor":1}x`} {
		want(t, 400, nil, "POST", g+"/orders", "", body)
	}
	want(t, 413, nil, "POST", g+"/orders", "", `{"valor":`+strings.Repeat(" ", maxBody)+`1}`)
	want(t, 400, nil, "POST", g+"/orders", strings.Repeat("k", 10_000), "")
	want(t, 200, object{"requested": 0., "succeeded": 0., "valor": 0., "gatewayId": "g1"}, "POST", g+"/orders/bulk?n=0", "", "")
	want(t, 200, object{"stream": "gateway/orders", "totalEvents": 0., "totalValor": 0., "gateways": object{}}, "GET", g+"/stats/global", "", "")
	want(t, 201, nil, "POST", g+"/orders/bulk?n=1000", "", "")
	want(t, 200, object{"gatewayId": "g1", "status": "OK"}, "GET", g+"/health", "", "")
}

// TestLostReplies loses every second reply of the server: each order is stored once, and counted by the gateway that sent it.
func TestLostReplies(t *testing.T) {
	var lost atomic.Int32
	turn := make(chan bool, 1)
	turn <- true
	s := newServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				h.ServeHTTP(w, r)
				return
			}
			lose := <-turn
			turn <- !lose
			if !lose {
				h.ServeHTTP(w, r)
				return
			}
			lost.Add(1)
			h.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		})
	})
	g := startGateway(t, "g1", s.URL, 10*time.Second)
	for i := range 10 {
		want(t, 201, nil, "POST", g+"/orders", "", fmt.Sprintf(`{"valor":%d}`, i+1))
	}
	_, bulk := ask(t, "POST", g+"/orders/bulk?n=7", "", "")
	sum, _ := bulk["valor"].(float64)
	want(t, 200, object{"gatewayId": "g1", "sent": 17., "valor": 55 + sum, "repeated": 0., "unknown": 0.}, "GET", g+"/stats/local", "", "")
	_, global := ask(t, "GET", g+"/stats/global", "", "")
	if global["totalEvents"] != 17. || global["totalValor"] != 55+sum || lost.Load() < 10 {
		t.Errorf("%d replies lost, global %v", lost.Load(), global)
	}
}

// TestServerAway: without a server, or with one that never answers, a customer is told to come again, in bounded time.
func TestServerAway(t *testing.T) {
	nobody := httptest.NewServer(nil)
	nobody.Close()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	for _, url := range []string{nobody.URL, hangs.URL} {
		g := startGateway(t, "g1", url, 100*time.Millisecond)
		want(t, 503, nil, "POST", g+"/orders", "o-1", "")
		want(t, 503, nil, "GET", g+"/stats/global", "", "")
		want(t, 200, nil, "GET", g+"/health", "", "")
		_, local := ask(t, "GET", g+"/stats/local", "", "")
		if local["sent"] != 0. || url == hangs.URL && local["unknown"] != 1. {
			t.Errorf("%s: %v", url, local)
		}
	}
}

// TestTheProgram runs it as a process: ready, healthy, an order, SIGTERM.
func TestTheProgram(t *testing.T) {
	s := newServer(t, nil)
	p := program.Start(t, "--listen", "127.0.0.1:0", "--id", "g7", "--server", s.URL)
	url := p.Wait(t, `^ready: (http://\S+), gateway g7 of http`)
	want(t, 201, object{"id": "o-1", "gatewayId": "g7", "valor": 3.}, "POST", url+"/orders", "o-1", `{"valor":3}`)
	address := strings.TrimPrefix(url, "http://")
	if got := program.Run(t, "--health", "--listen", address); got.Code != exitOK {
		t.Errorf("health: %+v", got)
	}
	if got := program.Run(t, "--listen", address); got.Code != exitListen || !strings.Contains(got.Stderr, "address already in use; choose another address with --listen") {
		t.Errorf("address in use: %+v", got)
	}
	p.Signal(t, syscall.SIGTERM)
	if got := p.End(t); got.Code != exitOK || !strings.HasSuffix(got.Stdout, "stopped\n") {
		t.Errorf("%+v", got)
	}
	if got := program.Run(t, "--health", "--listen", address); got.Code != exitFailed {
		t.Errorf("health of nobody: %+v", got)
	}
}

// TestStopFinishesOrders: an order that was begun before SIGTERM is answered.
func TestStopFinishesOrders(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-release
			h.ServeHTTP(w, r)
		})
	})
	p := program.Start(t, "--listen", "127.0.0.1:0", "--id", "g1", "--server", s.URL, "--wait", "20s")
	url := p.Wait(t, `^ready: (http://\S+),`)
	answered := make(chan int)
	go func() {
		r, err := http.Post(url+"/orders", "application/json", nil) //nolint:noctx // a test that hangs is ended by its limit
		if err != nil {
			answered <- 0
			return
		}
		_ = r.Body.Close()
		answered <- r.StatusCode
	}()
	<-arrived
	p.Signal(t, syscall.SIGTERM)
	for { // until it takes no more connections
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(release)
	if status := <-answered; status != http.StatusCreated {
		t.Errorf("status %d", status)
	}
	if got := p.End(t); got.Code != exitOK {
		t.Errorf("%+v", got)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--port", "1"}, {"now"}, {"--wait", "0s"}, {"--server", "nowhere"}, {"--stream", "*"}} {
		if got := program.Run(t, args...); got.Code != exitUsage || !strings.HasSuffix(got.Stderr, "(--help shows how)\n") || got.Stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
}
