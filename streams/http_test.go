package streams_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// A site is a handler under test.
type site struct {
	*httptest.Server
	t *testing.T
}

func serve(t *testing.T, log streams.Log, o streams.HandlerOptions) site {
	t.Helper()
	h, err := streams.NewHandler(log, o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return site{s, t}
}

// An answer is a reply, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is what the body of an error must say. Zero fields are not compared by wantProblem.
type problem struct {
	Type, Title, Detail, Stream, Field, Code, Epoch string
	Status, Line                                    int
	Index                                           *int
	CurrentVersion                                  *uint64
	IDs                                             []string
	Partial                                         bool
}

// ask sends a request; head is "METHOD /path?query", then "Name: value" of each header.
func (s site) ask(body string, head ...string) answer {
	s.t.Helper()
	method, path, _ := strings.Cut(head[0], " ")
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range head[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, string(b)}
	described(s.t, method, r.URL.EscapedPath(), a)
	return a
}

// post appends JSON to stream a.
func (s site) post(body string, head ...string) answer {
	s.t.Helper()
	return s.ask(body, append([]string{"POST /streams/a", "Content-Type: application/json"}, head...)...)
}

// wantProblem compares an error reply.
func (a answer) wantProblem(t *testing.T, status int, want problem) problem {
	t.Helper()
	var got problem
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
	if a.status != status || got.Status != status || a.header.Get("Content-Type") != "application/problem+json" ||
		got.Title != http.StatusText(status) || got.Type != "about:blank" {
		t.Errorf("%d %q, want status %d as a problem", a.status, a.body, status)
	}
	if want.Code != "" && got.Code != want.Code || want.Field != "" && got.Field != want.Field || want.Line != 0 && got.Line != want.Line ||
		want.Index != nil && (got.Index == nil || *got.Index != *want.Index) || !strings.Contains(got.Detail, want.Detail) {
		t.Errorf("%s\nwant %+v", a.body, want)
	}
	later := status == http.StatusConflict || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	if (a.header.Get("Retry-After") == "1") != later {
		t.Errorf("%d has Retry-After %q", status, a.header.Get("Retry-After"))
	}
	return got
}

// wantVersion checks how many events stream a has got.
func (s site) wantVersion(want string) {
	s.t.Helper()
	if got := s.ask("", "GET /streams/a?limit=1").header.Get("ETag"); got != `"`+want+`"` {
		s.t.Errorf("the stream is at %s, want %s", got, want)
	}
}

func packed(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func ptr[T any](v T) *T { return &v }

// described fails for a reply that openapi.yaml does not describe. That all of it is seen, and as the schemas say, is checked
// in module verify, which has a library for it.
func described(t *testing.T, method, path string, a answer) {
	t.Helper()
	switch {
	case strings.HasPrefix(path, "/streams/"):
		path = "/streams/{stream}"
	case a.status == http.StatusNotFound:
		return
	}
	if a.status == http.StatusMethodNotAllowed {
		return
	}
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if statuses := statusesOf(string(text), path, strings.ToLower(method)); !statuses[a.status] {
		t.Errorf("openapi.yaml does not describe %d of %s %s", a.status, method, path)
	}
}

var (
	yamlKey    = regexp.MustCompile(`^( *)([^ :]+):`)
	yamlStatus = regexp.MustCompile(`^"([0-9]{3})"$`)
)

// statusesOf finds the statuses of an operation by the indentation of the file.
func statusesOf(text, path, method string) map[int]bool {
	found := map[int]bool{}
	inPath, inMethod := false, false
	for line := range strings.Lines(text) {
		m := yamlKey.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch len(m[1]) {
		case 0:
			inPath = false
		case 2:
			inPath, inMethod = m[2] == path, false
		case 4:
			inMethod = inPath && m[2] == method
		case 8:
			if s := yamlStatus.FindStringSubmatch(m[2]); inMethod && s != nil {
				found[int(s[1][0]-'0')*100+int(s[1][1]-'0')*10+int(s[1][2]-'0')] = true
			}
		}
	}
	return found
}

func serveHandler(t *testing.T, h http.Handler) site {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return site{s, t}
}
