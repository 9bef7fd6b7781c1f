package streams_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// TestHTTPBadBodies: each is refused with its place, and nothing of it is stored.
func TestHTTPBadBodies(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	const lines = "Content-Type: application/x-ndjson"
	for _, x := range []struct {
		name, body, kind string
		want             problem
	}{
		{"empty", ``, "", problem{Line: 1}},
		{"white space", " \n ", "", problem{Line: 2}},
		{"empty array", `[]`, "", problem{Detail: "no event"}},
		{"no line", "\n\n", lines, problem{Detail: "no event"}},
		{"cut", "{\"data\":\n{\"n\":1", "", problem{Line: 2, Index: ptr(0), Field: "data"}},
		{"in the second event", "[{\"data\":1},\n {\"data\":{\"a\":[1,{\"b\":tru}]}}]", "", problem{Line: 2, Index: ptr(1), Field: "data.a[1].b"}},
		{"behind the end", "{\"data\":1}\n{\"data\":2}", "", problem{Line: 2}},
		{"second line", "{\"data\":1}\n{\"data\":}\n", lines, problem{Line: 2, Index: ptr(1), Field: "data"}},
		{"two on a line", "{\"data\":1} {\"data\":2}\n", lines, problem{Line: 1}},
		{"comma behind", `[{"data":1},]`, "", problem{Line: 1, Index: ptr(1)}},
		{"comment", "{\"data\":1 // one\n}", "", problem{Line: 1}},
		{"single quotes", `{'data':1}`, "", problem{Line: 1, Index: ptr(0)}},
		{"id is a number", `[{"data":1},` + "\n" + `{"id":7,"data":1}]`, "", problem{Line: 2, Index: ptr(1), Field: "id"}},
		{"type is a number", `{"type":7,"data":1}`, "", problem{Line: 1, Index: ptr(0), Field: "type"}},
		{"time is no time", `{"time":"yesterday","data":1}`, "", problem{Line: 1, Index: ptr(0), Field: "time"}},
		{"time is a number", `{"time":1.7e9,"data":1}`, "", problem{Field: "time"}},
		{"year 0", `{"time":"0000-01-01T00:00:00Z","data":1}`, "", problem{Line: 1, Index: ptr(0), Field: "time"}},
		{"meta is no object", `{"meta":[],"data":1}`, "", problem{Field: "meta"}},
		{"in meta and beside", `{"meta":{"x":1},"x":2,"data":1}`, "", problem{Field: "meta", Detail: "a member twice"}},
		{"too deep in meta", `{"x":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `,"data":1}`, "", problem{Field: "meta", Detail: "deeper"}},
		{"id with control character", "[1,\n{\"id\":\"a\\u0000b\",\"data\":1}]", "", problem{Line: 2, Index: ptr(1), Field: "id"}},
		{"long id", `{"id":"` + strings.Repeat("x", 257) + `","data":1}`, "", problem{Index: ptr(0), Field: "id"}},
		{"long type", `{"type":"` + strings.Repeat("x", 257) + `","data":1}`, "", problem{Index: ptr(0), Field: "type"}},
		{"an id twice", "[{\"id\":\"x\",\"data\":1},\n{\"id\":\"x\",\"data\":1}]", "", problem{Line: 2, Index: ptr(1), Field: "id"}},
		{"a member twice", `{"data":{"a":1,"b":2,"a":3}}`, "", problem{Line: 1, Field: "data.a"}},
		{"data twice", `{"data":1,"data":2}`, "", problem{Line: 1, Field: "data"}},
		{"twice by another spelling", `{"data":1,"d\u0061ta":2}`, "", problem{Line: 1, Field: "data"}},
		{"too deep", `{"data":` + strings.Repeat("[", 102) + strings.Repeat("]", 102) + `}`, "", problem{Index: ptr(0), Detail: "deeper"}},
		{"very deep", strings.Repeat("[", 500_000), "", problem{Index: ptr(0), Detail: "deeper"}},
		{"deep without array", `{"id":"x","a":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, "", problem{Detail: "deeper"}},
		{"number too large", `{"data":1e309}`, "", problem{Line: 1, Field: "data"}},
		{"number too small", `{"data":{"x":-1e309}}`, "", problem{Field: "data.x"}},
		{"number with 400 digits", `{"data":` + strings.Repeat("9", 400) + `}`, "", problem{Field: "data"}},
		{"leading zero", `{"data":01}`, "", problem{Field: ""}},
		{"plus", `{"data":+1}`, "", problem{Field: "data"}},
		{"hexadecimal", `{"data":0x10}`, "", problem{Line: 1}},
		{"point without digit", `{"data":1.}`, "", problem{Field: "data"}},
		{"control character", "{\"data\":\"a\nb\"}", "", problem{Field: "data"}},
		{"no UTF-8", "{\"data\":\"\xff\"}", "", problem{Field: "data"}},
		{"half a surrogate pair", `{"data":"\ud800"}`, "", problem{Field: "data"}},
		{"wrong half", `{"data":"\ud800\u0041"}`, "", problem{Field: "data"}},
		{"bad escape", `{"data":"\x41"}`, "", problem{Field: "data"}},
		{"byte order mark", "\ufeff{\"data\":1}", "", problem{Line: 1, Index: ptr(0)}},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.want.Code = "invalid"
			kind := x.kind
			if kind == "" {
				kind = "Content-Type: application/json"
			}
			s.ask(x.body, "POST /streams/a", kind).wantProblem(t, 400, x.want)
		})
	}
	for _, nan := range []string{"NaN", "nan", "-NaN", "Infinity", "-Infinity", "+Infinity", "inf", "-inf", "1.#QNAN", "1e", "0x7FF8", ".5", "5.", "--1", "1_000"} {
		s.post(`{"data":{"value":`+nan+`}}`).wantProblem(t, 400, problem{Index: ptr(0), Line: 1, Code: "invalid"})
	}
	s.wantVersion("0")
}

func TestHTTPSizes(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	many := func(n int) string { return "[1" + strings.Repeat(",1", n-1) + "]" }
	s.post(text(streams.MaxDataBytes)).wantResult(t, 201, 1, 1)
	s.post(many(streams.MaxAppend)).wantResult(t, 201, 2, 1001)
	s.post(packed(t, text(streams.MaxDataBytes)), "Content-Encoding: gzip").wantResult(t, 201, 1002, 1002)
	for name, x := range map[string]struct {
		body string
		head []string
	}{
		"one byte too many":       {text(streams.MaxDataBytes + 1), nil},
		"3 MiB":                   {text(3 << 20), nil},
		"too many events":         {many(streams.MaxAppend + 1), nil},
		"too many lines":          {strings.Repeat("1\n", streams.MaxAppend+1), []string{"Content-Type: application/x-ndjson"}},
		"packed":                  {packed(t, text(streams.MaxDataBytes+1)), []string{"Content-Encoding: gzip"}},
		"bomb of members":         {packed(t, packed(t, text(1<<20))+text(3<<20)), []string{"Content-Encoding: gzip"}},
		"packed above the limit":  {packed(t, noise(3<<20)), []string{"Content-Encoding: gzip"}},
		"data and meta too large": {`{"data":` + text(1<<19) + `,"meta":{"x":` + text(1<<19-20) + `}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.ask(x.body, append([]string{"POST /streams/a"}, x.head...)...).wantProblem(t, 413, problem{Code: "too_large"})
		})
	}
	for name, body := range map[string]string{
		"not packed": `1`, "cut": packed(t, text(1000))[:20], "damaged": strings.Replace(packed(t, "12345"), "\x1f", "\x1e", 1),
		"something behind": packed(t, "1") + "x", "wrong sum": packed(t, "1")[:len(packed(t, "1"))-8] + "12345678",
	} {
		t.Run(name, func(t *testing.T) {
			s.post(body, "Content-Encoding: gzip").wantProblem(t, 400, problem{Code: "invalid"})
		})
	}
	for _, head := range []string{"Content-Encoding: br", "Content-Encoding: gzip, gzip", "Content-Type: text/plain", "Content-Type: ;", "Content-Type: application/x-www-form-urlencoded"} {
		s.ask("1", "POST /streams/a", head).wantProblem(t, 415, problem{Code: "media_type"})
	}
	s.wantVersion("1002")
}

// noise is what gzip cannot make smaller.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func TestHTTPNames(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	for _, name := range []string{
		"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "%2E%2E", "a%2F%2Fb", "%00", "a%0Ab", "%7F", "%C2%85", "%FF", "a*", "a%3Fb", "a,b", "%2A",
		strings.Repeat("x", streams.MaxNameBytes+1), strings.Repeat("%C3%A4", streams.MaxNameBytes/2+1),
	} {
		for _, method := range []string{"POST", "GET", "PUT", "DELETE"} {
			s.ask("1", method+" /streams/"+name).wantProblem(t, 400, problem{Code: "invalid"})
		}
	}
	for name, want := range map[string]string{
		"a%2Fb": "a/b", "a/c": "a/c", "%C3%A4%20%26": "ä &", "a+b": "a+b", "a%252Fb": "a%2Fb", "..a/b..": "..a/b..",
		"%3Cscript%3E": "<script>", strings.Repeat("x", streams.MaxNameBytes): strings.Repeat("x", streams.MaxNameBytes),
	} {
		if a := s.ask("1", "POST /streams/"+name); a.status != 201 {
			t.Error(name, a)
		}
		if i, err := openStream(t, s, want); err != nil || i.Version != 1 {
			t.Error(want, i, err)
		}
	}
	for _, path := range []string{"/", "/stream/a", "/healthz", "/streamsa"} {
		s.ask("", "GET "+path).wantProblem(t, 404, problem{})
	}
	for path, allow := range map[string]string{"/streams": "GET, HEAD", "/subscriptions": "POST", "/streams/a": "DELETE, GET, POST, PUT, HEAD", "/openapi.yaml": "GET, HEAD"} {
		a := s.ask("", "PATCH "+path)
		if a.wantProblem(t, 405, problem{}); a.header.Get("Allow") != allow {
			t.Errorf("%s allows %q", path, a.header.Get("Allow"))
		}
	}
	// A client would not send these.
	for _, line := range []string{"GET /streams/%zz HTTP/1.1", "GET /streams/a\x01b HTTP/1.1", "GET  HTTP/1.1"} {
		if got := s.raw(line + "\r\nHost: x\r\n\r\n"); !strings.Contains(got, " 400 ") {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func openStream(t *testing.T, s site, name string) (streams.Info, error) {
	t.Helper()
	c, err := streams.NewClient(s.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.Info(t.Context(), name)
}

// raw sends bytes and returns the first line of the reply.
func (s site) raw(text string) string {
	s.t.Helper()
	c, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return line
}

// TestHTTPVanishingClient: whoever goes away in the middle of a body has stored nothing, and holds nothing up.
func TestHTTPVanishingClient(t *testing.T) {
	log := openLocal(t, streams.Options{})
	served := make(chan bool, 1)
	h, err := streams.NewHandler(log, streams.HandlerOptions{MaxInFlight: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if r.Method == http.MethodPost {
			served <- true
		}
	}))
	for _, half := range []string{
		"Content-Length: 100\r\n\r\n{\"data\":1}\n{\"data\":2}\n",
		"Transfer-Encoding: chunked\r\n\r\na\r\n{\"data\":1}\r\n",
	} {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(c, "POST /streams/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: k\r\n"+half)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		<-served
		s.wantVersion("0")
	}
	s.post(`1`, "Idempotency-Key: k").wantResult(t, 201, 1, 1)
}

// TestHTTPSlowBody: a body that does not come is 408, in the handler's time, and the slot is free again.
func TestHTTPSlowBody(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{Timeout: 500 * time.Millisecond, MaxInFlight: 1})
	if got := s.raw("POST /streams/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); !strings.Contains(got, " 408 ") {
		t.Error(got)
	}
	s.post(`1`).wantResult(t, 201, 1, 1)
}

// TestHTTPTooMany: requests above the limit are 503 at once, and subscriptions do not count among them.
func TestHTTPTooMany(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	local := openLocal(t, streams.Options{})
	s := serve(t, standIn{local, func(ctx context.Context, a streams.Append) (streams.Result, error) {
		arrived <- true
		<-release
		return local.Append(ctx, a)
	}}, streams.HandlerOptions{MaxInFlight: 2, MaxReaders: 1})
	for range 2 { // they end at once
		if a := s.ask("", "HEAD /streams/a", "Accept: text/event-stream"); a.status != 200 {
			t.Fatal(a)
		}
	}
	done := make(chan answer)
	for range 2 {
		go func() { done <- s.post(`1`) }()
		<-arrived
	}
	for _, head := range []string{"POST /streams/a", "GET /streams/a", "GET /streams", "DELETE /streams/a", "PUT /streams/a?limits=true"} {
		s.ask("1", head).wantProblem(t, 503, problem{Code: "busy"})
	}
	tail := s.follow("GET /streams/a", "Accept: text/event-stream")
	tail.wantFrame(t, "caughtup")
	s.ask("", "GET /streams/a", "Accept: text/event-stream").wantProblem(t, 503, problem{Code: "busy"})
	s.ask(`{}`, "POST /subscriptions").wantProblem(t, 503, problem{Code: "busy"})
	close(release)
	for range 2 {
		if a := <-done; a.status != 201 {
			t.Error(a)
		}
	}
}

// TestHTTPHeaders: what net/http limits, with a server as docs/http.md wants it.
func TestHTTPHeaders(t *testing.T) {
	h, err := streams.NewHandler(openLocal(t, streams.Options{}), streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.MaxHeaderBytes = 16 << 10
	server.Start()
	defer server.Close()
	s := site{server, t}
	got := s.raw(fmt.Sprintf("GET /streams/a HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 64<<10)))
	if !strings.Contains(got, " 431 ") {
		t.Error(got)
	}
}
