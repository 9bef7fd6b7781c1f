package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/streams/streamtest"
)

// A description compares every exchange of a handler with its openapi.yaml.
type description struct {
	spec *openapi3.T

	mu      sync.Mutex
	wrong   []string
	missing map[string]bool // of what is described: not seen yet
}

func newDescription(t *testing.T, h http.Handler) *description {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.yaml", nil))
	spec, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &description{spec: spec, missing: map[string]bool{}}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			for status, r := range op.Responses.Map() {
				d.missing[fmt.Sprint(method, " ", path, " ", status)] = true
				for kind := range r.Value.Content {
					d.missing[fmt.Sprint(method, " ", path, " ", status, " ", kind)] = true
				}
			}
			if op.RequestBody != nil {
				for kind := range op.RequestBody.Value.Content {
					d.missing[fmt.Sprint(method, " ", path, " takes ", kind)] = true
				}
			}
			for _, p := range op.Parameters {
				d.missing[fmt.Sprint(method, " ", path, " ", p.Value.In, " ", p.Value.Name)] = true
			}
		}
	}
	return d
}

// over returns h with every exchange compared. What goes on without end is compared when it ends.
func (d *description) over(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Clone(context.Background())
		var body bytes.Buffer
		r.Body = io.NopCloser(io.TeeReader(r.Body, &body))
		seen := &taped{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		asked.Body = io.NopCloser(&body)
		d.compare(asked, seen)
	})
}

// taped keeps what a handler writes.
type taped struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *taped) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *taped) Write(b []byte) (int, error) {
	c.body.Write(b)
	return c.ResponseWriter.Write(b)
}

func (c *taped) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (d *description) compare(r *http.Request, got *taped) {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, "/streams/") {
		path = "/streams/{stream}"
	}
	kind, _, _ := mime.ParseMediaType(got.Header().Get("Content-Type"))
	item := d.spec.Paths.Find(path)
	if item == nil || item.GetOperation(r.Method) == nil {
		if !(got.status == 404 || got.status == 405) || kind != "application/problem+json" {
			d.complain("%s %s is not described and %d %s", r.Method, path, got.status, kind)
		}
		return
	}
	op := item.GetOperation(r.Method)
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: map[string]string{"stream": "x"},
		Route:   &routers.Route{Spec: d.spec, Path: path, PathItem: item, Method: r.Method, Operation: op},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeRequestBody: r.Header.Get("Content-Encoding") != ""},
	}
	status := fmt.Sprint(got.status)
	if op.Responses.Status(got.status) == nil {
		status = "default"
	}
	d.saw(r, op, path, status, kind)
	beyond := strings.Contains(r.URL.RawQuery, "from=18446744073709551615") // more than the library can read
	if got.status < 300 && !beyond {                                        // what was accepted must be described
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			d.complain("%s %s: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.status, Header: got.Header(), Options: in.Options}
	if err := openapi3filter.ValidateResponse(context.Background(), out.SetBodyBytes(got.body.Bytes())); err != nil {
		d.complain("%s %s: %d %.300s: %v", r.Method, r.URL, got.status, got.body.String(), err)
	}
}

// saw strikes off what an exchange has shown.
func (d *description) saw(r *http.Request, op *openapi3.Operation, path, status, kind string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of := r.Method + " " + path + " "
	delete(d.missing, of+status)
	delete(d.missing, of+status+" "+kind)
	if status != "200" && status != "201" && status != "204" {
		return
	}
	takes, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	delete(d.missing, of+"takes "+takes)
	for _, p := range op.Parameters {
		if p := p.Value; p.In == "query" && r.URL.Query().Has(p.Name) || p.In == "header" && r.Header.Get(p.Name) != "" {
			delete(d.missing, of+p.In+" "+p.Name)
		}
	}
}

func (d *description) complain(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

// TestClientsOpenAPI: every exchange of the conformance suite and of the table below is as openapi.yaml describes it, and
// all of what it describes is seen.
func TestClientsOpenAPI(t *testing.T) {
	text := func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		b, err := io.ReadAll(body)
		return string(b), err
	}
	for _, kind := range []string{"application/x-ndjson", "text/event-stream", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(kind, text)
	}
	h, _ := newHandler(t, streams.Options{}, streams.HandlerOptions{})
	d := newDescription(t, h)
	t.Run("suite", func(t *testing.T) {
		streamtest.Run(t, func(t testing.TB, o streams.Options) streams.Log {
			h, _ := newHandler(t, o, streams.HandlerOptions{MaxBody: 4 << 20})
			s := httptest.NewServer(d.over(h))
			t.Cleanup(s.Close)
			c, err := streams.NewClient(s.URL, streams.ClientOptions{RetryTimeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
	t.Run("table", func(t *testing.T) { describedTable(t, d) })
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.wrong {
		t.Error(w)
	}
	if !t.Failed() { // else something may be missing because it was not reached
		for _, m := range slices.Sorted(maps.Keys(d.missing)) {
			t.Error("described, but never seen:", m)
		}
	}
}

func newHandler(t testing.TB, o streams.Options, ho streams.HandlerOptions) (*streams.Handler, *streams.Local) {
	t.Helper()
	log, err := streams.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	h, err := streams.NewHandler(log, ho)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

// failingLog fails with an error that nobody expects.
type failingLog struct{ streams.Log }

var errOnFire = errors.New("on fire")

func (failingLog) Append(context.Context, streams.Append) (streams.Result, error) {
	return streams.Result{}, errOnFire
}

func (failingLog) Read(context.Context, streams.Read) (streams.Page, error) {
	return streams.Page{}, errOnFire
}

func (failingLog) List(context.Context, string, string, int) ([]streams.Info, error) {
	return nil, errOnFire
}
func (failingLog) SetLimits(context.Context, string, streams.Limits) error { return errOnFire }
func (failingLog) Delete(context.Context, string) error                    { return errOnFire }
func (failingLog) Subscribe(context.Context, streams.Subscription) iter.Seq2[streams.Message, error] {
	return func(yield func(streams.Message, error) bool) { yield(streams.Message{}, errOnFire) }
}

// A described exchange: method and target, headers, body, and the status that it gets.
type oneExchange struct {
	status int
	target string
	head   string // "Name: value", divided by line breaks
	body   string
}

const (
	asJSON  = "Content-Type: application/json"
	asTail  = "Accept: text/event-stream"
	unpack  = "\nContent-Encoding: br"
	tooLong = "2 MiB of white space"
)

func describedTable(t *testing.T, d *description) {
	h, log := newHandler(t, streams.Options{MaxStreams: 2}, streams.HandlerOptions{})
	s := httptest.NewServer(d.over(h))
	defer s.Close()
	one := "POST /streams/a"
	for _, x := range []oneExchange{
		{200, "GET /openapi.yaml", "", ""},
		{201, one, asJSON, `{"id":"1","data":{"valor":1e308}}`},
		{200, one, asJSON + "\nIf-None-Match: *\nIdempotency-Key: ", `{"id":"1","data":{"valor":1e308}}`},
		{201, one, asJSON + "\nIf-Match: \"1\"\nIdempotency-Key: k\nEphemera-Epoch: " + log.Epoch().String(), `[{"valor":1e308,"gatewayId":"g"},{}]`},
		{201, one, asJSON + "\nContent-Encoding: identity", `1`},
		{201, one, "Content-Type: application/x-ndjson", "1\n2\n"},
		{201, one, "Content-Type: application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`},
		{201, one, "Content-Type: application/cloudevents-batch+json", `[{"specversion":"1.0","id":"2","source":"/s","type":"t","data":{}}]`},
		{422, one, asJSON, `{"id":"1","data":2}`},
		{412, one, asJSON + "\nIf-Match: \"0\"", `1`},
		{400, one, asJSON, `{`},
		{413, one, asJSON, tooLong},
		{415, one, "Content-Type: text/plain", `1`},
		{204, "PUT /streams/b?limits=true", asJSON, `{"events":1,"bytes":1000000,"age":"1h","full":"refuseNew"}`},
		{204, "PUT /streams/c?limits=true", asJSON, `{}`},
		{429, "PUT /streams/d?limits=true", asJSON, `{}`},
		{400, "PUT /streams/b?limits=true", asJSON, `[]`},
		{413, "PUT /streams/b?limits=true", asJSON, tooLong},
		{415, "PUT /streams/b?limits=true", asJSON + unpack, `{}`},
		{201, "POST /streams/b", asJSON, `1`},
		{429, "POST /streams/b", asJSON, `1`},
		{200, "GET /streams/a?from=1&limit=2&backward=false", "", ""},
		{200, "GET /streams/a?aggregate=true&field=valor&by=gatewayId", "", ""},
		{200, "GET /streams/none?aggregate=true", "", ""},
		{200, "GET /streams/a?info=true", "", ""},
		{200, "GET /streams/a", "Accept: application/x-ndjson", ""},
		{200, "GET /streams/a", asTail + "\nLast-Event-ID: " + log.Epoch().String() + ":1", ""},
		{400, "GET /streams/a?limit=0", "", ""},
		{200, "HEAD /streams/a", "", ""},
		{400, "HEAD /streams/a?limit=0", "", ""},
		{200, "GET /streams?pattern=*&after=%21&limit=1", "", ""},
		{400, "GET /streams?limit=0", "", ""},
		{200, "POST /subscriptions", asJSON, `{"pattern":"*","after":{"a":"` + log.Epoch().String() + `:1"},"start":"now","endOnGap":false}`},
		{400, "POST /subscriptions", asJSON, `[]`},
		{413, "POST /subscriptions", asJSON, tooLong},
		{415, "POST /subscriptions", asJSON + unpack, `{}`},
		{400, "DELETE /streams/a//b", "", ""},
		{204, "DELETE /streams/a", "", ""},
		{404, "GET /nothing", "", ""},
		{405, "PATCH /streams/a", "", ""},
	} {
		send(t, s, x)
	}
	impatient, _ := newHandler(t, streams.Options{}, streams.HandlerOptions{Timeout: 10 * time.Millisecond})
	i := httptest.NewServer(d.over(impatient))
	defer i.Close()
	for _, target := range []string{one, "PUT /streams/a?limits=true", "POST /subscriptions"} {
		slowly(t, i, target)
	}
	keyInFlight(t, d)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	failing, err := streams.NewHandler(failingLog{log}, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := httptest.NewServer(d.over(failing))
	defer f.Close()
	for _, target := range []string{one, "GET /streams/a", "GET /streams", "PUT /streams/a?limits=true", "DELETE /streams/a", "POST /subscriptions"} {
		body := map[bool]string{true: "{}"}[!strings.HasPrefix(target, "GET") && !strings.HasPrefix(target, "DELETE")]
		send(t, s, oneExchange{503, target, asJSON, body})
		send(t, f, oneExchange{500, target, asJSON, body})
	}
}

// send makes an exchange and reads the reply, of one without end the first bytes.
func send(t *testing.T, s *httptest.Server, x oneExchange) {
	t.Helper()
	if x.body == tooLong {
		x.body = strings.Repeat(" ", 2<<20)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	method, path, _ := strings.Cut(x.target, " ")
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(x.head, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		_, err = resp.Body.Read(make([]byte, 1))
	} else {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil || resp.StatusCode != x.status {
		t.Errorf("%+v: status %d, %v", x, resp.StatusCode, err)
	}
}

// slowly sends half of a body and waits for 408.
func slowly(t *testing.T, s *httptest.Server, target string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, target+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(b), " 408 ") {
		t.Errorf("%s: %q, %v", target, b, err)
	}
}

// waitingLog holds appends up.
type waitingLog struct {
	streams.Log
	arrived, release chan struct{}
}

func (l waitingLog) Append(ctx context.Context, a streams.Append) (streams.Result, error) {
	l.arrived <- struct{}{}
	<-l.release
	return l.Log.Append(ctx, a)
}

func keyInFlight(t *testing.T, d *description) {
	t.Helper()
	_, log := newHandler(t, streams.Options{}, streams.HandlerOptions{})
	waiting := waitingLog{log, make(chan struct{}), make(chan struct{})}
	h, err := streams.NewHandler(waiting, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(d.over(h))
	defer s.Close()
	var wg sync.WaitGroup
	x := oneExchange{201, "POST /streams/a", asJSON + "\nIdempotency-Key: k", `1`}
	wg.Go(func() { send(t, s, x) })
	<-waiting.arrived
	x.status = 409
	send(t, s, x)
	close(waiting.release)
	wg.Wait()
}
