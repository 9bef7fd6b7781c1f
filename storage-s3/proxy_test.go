package s3store_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A proxy stands between the driver and a server and does what rules say.
type proxy struct {
	*httptest.Server
	next http.Handler

	mu      sync.Mutex
	rule    *rule
	stalled func() // called when a request is stalled
}

type stalledKey struct{}

// A rule spoils requests of a method, or LIST, or of all, whose key has a part and an end as given.
type rule struct {
	method, begin, end string
	times              int // how many of them; 0 means all
	do                 action
	hits               int
}

// An action answers a request in place of the next handler, or spoils the answer of that.
type action func(w http.ResponseWriter, r *http.Request, next http.Handler)

// closer is what proxies need of a test.
type closer interface{ Cleanup(func()) }

func newProxy(t closer, next http.Handler) *proxy {
	p := &proxy{next: next, stalled: func() {}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// forward leads to a real server. It keeps the name of the host, which is signed.
func forward(t testing.TB, endpoint string) http.Handler {
	t.Helper()
	target, err := url.Parse(endpoint)
	must(t, err)
	return &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
	}
}

// arm sets the rule that holds from now on; nil lets everything pass.
func (p *proxy) arm(r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = r
}

func (p *proxy) hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rule.hits
}

func (p *proxy) match(r *http.Request) action {
	p.mu.Lock()
	defer p.mu.Unlock()
	method, key := r.Method, r.URL.Path
	if r.URL.Query().Has("list-type") {
		method, key = "LIST", ""
	}
	if p.rule == nil || p.rule.method != "" && p.rule.method != method || !strings.Contains(key, p.rule.begin) || !strings.HasSuffix(key, p.rule.end) ||
		p.rule.times > 0 && p.rule.hits == p.rule.times {
		return nil
	}
	p.rule.hits++
	return p.rule.do
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if do := p.match(r); do != nil {
		do(w, r.WithContext(context.WithValue(r.Context(), stalledKey{}, p.stalled)), p.next)
		return
	}
	p.next.ServeHTTP(w, r)
}

// answer refuses with an error as S3 sends it.
func answer(status int, code string) action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		fail(w, status, code)
	}
}

// page answers with a page for people, as load balancers do.
func page(status int) action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "<html><body>Sorry</body></html>")
		}
	}
}

// bare answers without a body.
func bare(status int) action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(status)
	}
}

// after lets the server do its work first, and drops its answer.
func after(do action) action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		do(w, r, next)
	}
}

// hangUp closes the connection.
func hangUp(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// stall waits until the client gives up.
func stall(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the end of the client is noticed
	r.Context().Value(stalledKey{}).(func())()
	<-r.Context().Done()
}

// twice passes a request on twice, as a proxy does that lost the first answer.
func twice(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, _ := io.ReadAll(r.Body)
	again := r.Clone(r.Context())
	r.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(httptest.NewRecorder(), r)
	next.ServeHTTP(w, again)
}

// rewrite changes the body on its way to the server.
func rewrite(f func([]byte) []byte) action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, _ := io.ReadAll(r.Body)
		body = f(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	}
}

// reply changes the answer of the server: f may change headers and body.
func reply(f func(h http.Header, body []byte) []byte) action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		body := f(w.Header(), recorder.Body.Bytes())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(body)
	}
}

// cutReply sends a part of the body, with the headers of the whole, and closes the connection.
func cutReply(part func(size int) int) action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		reply(func(h http.Header, body []byte) []byte {
			h.Set("Content-Length", itoa(len(body)))
			return body[:part(len(body))]
		})(w, r, next)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

// garbage answers with something that is not HTTP.
func garbage(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, "what?\n\n")
	_ = conn.Close()
}
