package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/server/internal/web"
	"github.com/ephemera-go/ephemera/streams"
)

const token = "a-token-of-some-length"

func options() web.Options {
	return web.Options{
		MaxHeader: 16 << 10, MaxBody: 1 << 20, MaxInFlight: 10, MaxReaders: 10, BodyTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, Heartbeat: time.Second,
	}
}

func site(t *testing.T, o web.Options) *web.Site {
	t.Helper()
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, s *web.Site) *state.State {
	t.Helper()
	return openIn(t, s, t.TempDir())
}

func openIn(t *testing.T, s *web.Site, dir string) *state.State {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{
		Streams: streams.Options{Limits: streams.Limits{Events: 10_000}, MaxStreams: 1000, MaxKeys: 1000, KeyAge: time.Hour},
		Data:    dir, Signals: "file://" + filepath.ToSlash(filepath.Join(dir, "signals")), Owner: "a test", Restore: state.Newest, MetricEvents: 1000, SignalCount: 100, SignalAge: time.Hour, Keep: 3,
		FinalTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	if err := s.Open(st); err != nil {
		t.Fatal(err)
	}
	return st
}

// ask sends a request with "Name: value" headers. It comes from 127.0.0.1:7070.
func ask(s *web.Site, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:7070"+path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func want(t *testing.T, s *web.Site, status int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(s, method, path, body, headers...)
	if w.Code != status {
		t.Errorf("%s %s %v: %d, want %d: %s", method, path, headers, w.Code, status, w.Body)
	}
	return w
}

// TestServerH4_NotReady: before everything is restored and from the moment at which it stops the server says so.
func TestServerH4_NotReady(t *testing.T) {
	s := site(t, options())
	unready := func(why string) {
		t.Helper()
		for _, path := range []string{"/healthz", "/health"} {
			want(t, s, 200, "GET", path, "")
		}
		w := want(t, s, http.StatusServiceUnavailable, "GET", "/readyz", "")
		if !strings.Contains(w.Body.String(), why) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s", w.Body)
		}
	}
	unready("starting")
	s.NotReady("restoring, 1 of 2 bytes")
	unready("restoring, 1 of 2 bytes")
	for _, path := range []string{"/streams/a", "/metrics", "/signals", "/admin/snapshot"} {
		want(t, s, http.StatusServiceUnavailable, "POST", path, `{"data":1}`)
	}
	open(t, s)
	want(t, s, 200, "GET", "/readyz", "")
	want(t, s, http.StatusCreated, "POST", "/streams/a", `{"data":1}`)
	s.Drain()
	unready("stopping")
	want(t, s, http.StatusCreated, "POST", "/streams/a", `{"data":2}`) // came on a connection that is still open: a definite answer
	want(t, s, http.StatusServiceUnavailable, "GET", "/streams/a", "", "Accept: text/event-stream")
}

func TestWithoutTokenOnlyThisMachine(t *testing.T) {
	s := site(t, options())
	open(t, s)
	for _, host := range []string{"127.0.0.1:7070", "localhost:7070", "localhost", "LOCALHOST.", "[::1]:7070", "127.8.9.1"} {
		want(t, s, 200, "GET", "/streams", "", "Host: "+host)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example:7070", "10.0.0.1", "localhost.evil.example", "[::2]"} {
		want(t, s, http.StatusForbidden, "GET", "/streams", "", "Host: "+host)
		want(t, s, http.StatusForbidden, "POST", "/admin/clear", "", "Host: "+host)
	}
	want(t, s, 200, "POST", "/admin/clear", "", "Origin: http://127.0.0.1:7070")
	want(t, s, http.StatusForbidden, "POST", "/admin/clear", "", "Origin: http://evil.example")
	want(t, s, http.StatusForbidden, "POST", "/admin/clear", "", "Sec-Fetch-Site: cross-site")
	want(t, s, http.StatusForbidden, "DELETE", "/streams/a", "", "Origin: null")
	if w := want(t, s, 200, "GET", "/streams", "", "Origin: http://evil.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("pages of others may read replies")
	}

	o := options()
	o.Insecure = true
	s = site(t, o)
	open(t, s)
	want(t, s, 200, "GET", "/streams", "", "Host: events.internal")
	want(t, s, http.StatusForbidden, "POST", "/admin/clear", "", "Origin: http://evil.example")
}

func TestLogin(t *testing.T) {
	o := options()
	o.Token = token
	s := site(t, o)
	open(t, s)
	form := "Content-Type: application/x-www-form-urlencoded"
	html := "Accept: text/html,*/*"
	if w := want(t, s, http.StatusSeeOther, "GET", "/", "", html); w.Header().Get("Location") != "/login" {
		t.Errorf("a browser is sent to %q", w.Header().Get("Location"))
	}
	want(t, s, 200, "GET", "/login", "", html)
	want(t, s, http.StatusUnauthorized, "POST", "/login", "token=wrong", form)
	want(t, s, http.StatusForbidden, "POST", "/login", "token="+token, form, "Origin: http://evil.example")
	w := want(t, s, http.StatusSeeOther, "POST", "/login", "token="+token, form, html)
	set := w.Header().Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, part) {
			t.Errorf("no %s in %s", part, set)
		}
	}
	if strings.Contains(set, token) {
		t.Error("the token is in the cookie")
	}
	cookie, _, _ := strings.Cut(set, ";")
	want(t, s, 200, "GET", "/streams", "", "Cookie: "+cookie)
	want(t, s, 200, "POST", "/admin/clear", "", "Cookie: "+cookie)
	want(t, s, http.StatusForbidden, "POST", "/admin/clear", "", "Cookie: "+cookie, "Origin: http://evil.example")
	want(t, s, http.StatusUnauthorized, "GET", "/streams", "", "Cookie: "+cookie+"0")
	want(t, s, http.StatusUnauthorized, "GET", "/streams", "", "Cookie: "+strings.Replace(cookie, "=1", "=2", 1)) // a later end
	other := site(t, o)                                                                                           // signs with another key
	open(t, other)
	want(t, other, http.StatusUnauthorized, "GET", "/streams", "", "Cookie: "+cookie)
	w = want(t, s, http.StatusNoContent, "POST", "/logout", "", "Cookie: "+cookie)
	if set := w.Header().Get("Set-Cookie"); !strings.Contains(set, "Max-Age=0") {
		t.Errorf("logging out sets %q", set)
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	s := site(t, options())
	open(t, s)
	want(t, s, http.StatusCreated, "POST", "/streams/a", `[{"data":1},{"data":2}]`)
	want(t, s, http.StatusNotFound, "GET", "/some/path/of/a/scanner", "")
	w := want(t, s, 200, "GET", "/metrics", "")
	problems, err := promlint.New(strings.NewReader(w.Body.String())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, line := range []string{
		`ephemera_events_appended_total{store="streams"} 2`,
		`ephemera_snapshot_events_at_risk{store="streams"} 2`,
		`ephemera_http_requests_total{code="201",method="POST",route="/streams/{name}"} 1`,
		`ephemera_http_requests_total{code="404",method="GET",route="other"} 1`,
		`ephemera_limit_hits_total{limit="connections"} 0`,
		`ephemera_signals_pending 0`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

func TestMethods(t *testing.T) {
	s := site(t, options())
	open(t, s)
	for path, allow := range map[string]string{
		"/metrics": "GET, HEAD, POST", "/signals": "GET, HEAD, POST", "/admin/clear": "POST", "/readyz": "GET, HEAD",
	} {
		w := want(t, s, http.StatusMethodNotAllowed, "PATCH", path, "")
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("%s allows %q, want %q", path, got, allow)
		}
	}
	if w := want(t, s, 200, "HEAD", "/signals", ""); w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v", w.Header())
	}
}

func TestBadOptionsTogether(t *testing.T) {
	_, err := web.New(web.Options{Token: "short"})
	for _, text := range []string{"5 bytes", "MaxHeader", "MaxBody", "MaxInFlight", "MaxReaders", "BodyTimeout", "WriteTimeout", "Heartbeat"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("no %s in %v", text, err)
		}
	}
}
