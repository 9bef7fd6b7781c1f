package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/cli"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// output is what a command wrote so far.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{}
}

func newOutput() *output { return &output{grown: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// wait returns the first group of the first match, as soon as there is one.
func (o *output) wait(t testing.TB, expression string, over <-chan struct{}) string {
	t.Helper()
	r := regexp.MustCompile(expression)
	timeout := time.After(patience)
	for {
		o.mu.Lock()
		text, grown := o.b.String(), o.grown
		o.mu.Unlock()
		if m := r.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-grown:
		case <-over:
			if m := r.FindStringSubmatch(o.String()); m != nil {
				return m[len(m)-1]
			}
			t.Fatalf("the command ended without %q:\n%s", expression, o.String())
		case <-timeout:
			t.Fatalf("no %q in time:\n%s", expression, o.String())
		}
	}
}

// running is a command in this process.
type running struct {
	t        testing.TB
	url      string
	out, err *output
	signals  chan os.Signal
	over     chan struct{}
	code     int
}

// run starts the command.
func run(t testing.TB, args ...string) *running {
	t.Helper()
	r := &running{
		t: t, out: newOutput(), err: newOutput(), signals: make(chan os.Signal, 4), over: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.over)
		r.code = cli.Main(ctx, args, strings.NewReader(""), r.out, r.err, r.signals)
	}()
	t.Cleanup(func() {
		cancel()
		r.end()
	})
	return r
}

// serve starts a server on a free port and waits until it is ready.
func serve(t testing.TB, dir string, args ...string) *running {
	t.Helper()
	r := run(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, args...)...)
	r.url = r.out.wait(t, `(?m)^ready: (\S+)$`, r.over)
	return r
}

// end waits for the command and returns its exit code.
func (r *running) end() int {
	r.t.Helper()
	select {
	case <-r.over:
	case <-time.After(patience):
		r.t.Fatalf("the command does not end:\n%s%s", r.out, r.err)
	}
	return r.code
}

func (r *running) stop() int {
	r.t.Helper()
	r.signals <- syscall.SIGTERM
	return r.end()
}

// once runs a command to its end.
func once(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	r := run(t, args...)
	code = r.end()
	return code, r.out.String(), r.err.String()
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

type option func(*http.Request)

func with(name, value string) option {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
			return
		}
		r.Header.Set(name, value)
	}
}

// do sends a request; a body is JSON unless an option says otherwise.
func (r *running) do(method, path, body string, options ...option) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(req)
	}
	return send(r.t, http.DefaultClient, req)
}

func send(t testing.TB, c *http.Client, req *http.Request) reply {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, strings.TrimSpace(string(b))}
}

// want checks the status and reads the body into a value, if there is one.
func (r *running) want(status int, into any, method, path, body string, options ...option) reply {
	r.t.Helper()
	got := r.do(method, path, body, options...)
	if got.status != status {
		r.t.Fatalf("%s %s: %d, want %d: %s", method, path, got.status, status, got.body)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(got.body), into); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, got.body)
		}
	}
	return got
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
