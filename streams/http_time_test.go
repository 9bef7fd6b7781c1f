package streams_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// TestHTTPSubscriptionsOutliveTimeouts: neither the handler's deadlines nor those of the server around it end a subscription
// whose reader reads.
func TestHTTPSubscriptionsOutliveTimeouts(t *testing.T) {
	const limit = 50 * time.Millisecond
	h, err := streams.NewHandler(openLocal(t, streams.Options{}), streams.HandlerOptions{Timeout: limit, Heartbeat: limit / 2})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	t.Cleanup(server.Close)
	s := site{server, t}
	tails := []*tail{
		s.follow("GET /streams/a", "Accept: text/event-stream"),
		s.followBody(`{"pattern":"a"}`, "POST /subscriptions"),
	}
	for _, x := range tails {
		x.wantFrame(t, "caughtup")
		for range 8 { // longer than any of the limits
			if f := x.next(t); len(f) != 1 || f[""] == "" {
				t.Fatal(f)
			}
		}
	}
	s.post(`1`).wantResult(t, 201, 1, 1)
	for _, x := range tails {
		f := x.next(t)
		for f[""] != "" {
			f = x.next(t)
		}
		if !strings.HasSuffix(f["id"], ":1") {
			t.Error(f)
		}
	}
}

// TestHTTPAppendOutlivesItsClient: an append whose request has come whole is done, although nobody waits for its reply.
func TestHTTPAppendOutlivesItsClient(t *testing.T) {
	local := openLocal(t, streams.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan bool)
	result := make(chan error, 1)
	h, err := streams.NewHandler(standIn{local, func(ctx context.Context, a streams.Append) (streams.Result, error) {
		cancel()
		<-gone
		r, err := local.Append(ctx, a)
		result <- err
		return r, err
	}}, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		go func() {
			<-r.Context().Done()
			close(gone)
		}()
		h.ServeHTTP(w, r)
	}))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/streams/a", strings.NewReader(`1`))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Client().Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("the request was not cut")
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if i, err := local.Info(t.Context(), "a"); err != nil || i.Version != 1 {
		t.Error(i, err)
	}
}

// TestHTTPBombIsBounded: of a body that unpacks to 32 MiB no more is unpacked than the limit.
func TestHTTPBombIsBounded(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	bomb := packed(t, `"`+strings.Repeat("x", 32<<20)+`"`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.post(bomb, "Content-Encoding: gzip").wantProblem(t, 413, problem{Code: "too_large"})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestHTTP2SilentSubscription: over HTTP/2 a deadline ends the stream on which it passes, so a subscription without anything to
// say has none.
func TestHTTP2SilentSubscription(t *testing.T) {
	t.Parallel()
	h, err := streams.NewHandler(openLocal(t, streams.Options{}), streams.HandlerOptions{
		Timeout: 500 * time.Millisecond, Heartbeat: 600 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/streams/s", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ProtoMajor != 2 {
		t.Fatal(resp.Proto)
	}
	lines := bufio.NewScanner(resp.Body)
	for beats := 0; beats < 2; {
		if !lines.Scan() {
			t.Fatalf("it ended after %d comments: %v", beats, lines.Err())
		}
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		}
	}
}
