package streams_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// A tail reads frames of server-sent events.
type tail struct {
	resp  *http.Response
	lines *bufio.Reader
}

// A frame is one of them: the fields, comments under "".
type frame map[string]string

func (s site) follow(head ...string) *tail { return s.followBody("", head...) }

func (s site) followBody(body string, head ...string) *tail {
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
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" ||
		resp.Header.Get("X-Accel-Buffering") != "no" {
		b, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("%d %v %s", resp.StatusCode, resp.Header, b)
	}
	return &tail{resp, bufio.NewReader(resp.Body)}
}

func (x *tail) next(t *testing.T) frame {
	t.Helper()
	f := frame{}
	for {
		line, err := x.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return f
		}
		name, value, _ := strings.Cut(line, ":")
		if _, twice := f[name]; twice {
			t.Fatalf("field %q twice in one frame", name)
		}
		f[name] = strings.TrimPrefix(value, " ")
	}
}

// wantFrame reads a frame: "2" is the event of version 2 of stream a, any other text the name of a control frame.
func (x *tail) wantFrame(t *testing.T, want string) map[string]any {
	t.Helper()
	f := x.next(t)
	var data map[string]any
	if err := json.Unmarshal([]byte(f["data"]), &data); err != nil {
		t.Fatalf("frame %v: %v", f, err)
	}
	if want[0] < '0' || want[0] > '9' {
		_, hasID := f["id"]
		_, hasVersion := data["version"]
		if _, hasAt := data["at"]; f["event"] != want || hasID || hasVersion || !hasAt {
			t.Fatalf("frame %v, want %s, with at and without version", f, want)
		}
		return data
	}
	if _, named := f["event"]; named || len(f) != 2 || !strings.HasSuffix(f["id"], ":"+want) || fmt.Sprint(data["version"]) != want || len(f["id"]) != 33+len(want) {
		t.Fatalf("frame %v, want version %s with id and data alone", f, want)
	}
	return data
}

func (x *tail) close() { _ = x.resp.Body.Close() }

func TestHTTPTail(t *testing.T) {
	log := openLocal(t, streams.Options{})
	s := serve(t, log, streams.HandlerOptions{})
	s.post("[1,{\"data\":\"two\\nlines\\r\\u2028\"}]").wantResult(t, 201, 1, 2)
	x := s.follow("GET /streams/a", "Accept: text/event-stream")
	for _, want := range []string{"1", "2", "caughtup"} {
		x.wantFrame(t, want)
	}
	s.post(`3`).wantResult(t, 201, 3, 3)
	if data := x.wantFrame(t, "3"); data["data"] != 3.0 || data["stream"] != "a" {
		t.Error(data)
	}
	x.close()
	for id, want := range map[string][]string{
		log.Epoch().String() + ":1":     {"2", "3", "caughtup"},
		log.Epoch().String() + ":3":     {"caughtup"},
		log.Epoch().String() + ":9":     {"gap", "1", "2", "3", "caughtup"}, // of a stream that was forgotten and begins again
		strings.Repeat("0", 31) + "1:2": {"gap", "1", "2", "3", "caughtup"},
		"":                              {"1", "2", "3", "caughtup"},
	} {
		x := s.follow("GET /streams/a", "Accept: text/event-stream", "Last-Event-ID: "+id)
		for _, w := range want {
			x.wantFrame(t, w)
		}
		x.close()
	}
	x = s.follow("GET /streams/a?from=3", "Accept: text/event-stream")
	x.wantFrame(t, "3")
	x.close()
	x = s.follow("GET /streams/a?from=3", "Accept: text/event-stream", "Last-Event-ID: "+log.Epoch().String()+":1") // as EventSource resumes
	x.wantFrame(t, "2")
	x.close()
	for _, id := range []string{"1", "x:1", ":1", log.Epoch().String(), log.Epoch().String() + ":", log.Epoch().String() + ":-1", log.Epoch().String() + ":18446744073709551616", log.Epoch().String() + ":1:2"} {
		s.ask("", "GET /streams/a", "Accept: text/event-stream", "Last-Event-ID: "+id).wantProblem(t, 400, problem{Field: "Last-Event-ID"})
	}
	s.ask("", "GET /streams/a?limit=1", "Accept: text/event-stream").wantProblem(t, 400, problem{Field: "limit"})
	s.ask("", "GET /streams/a?from=-1", "Accept: text/event-stream").wantProblem(t, 400, problem{Field: "from"})
	if a := s.ask("", "HEAD /streams/a", "Accept: text/event-stream"); a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" {
		t.Error(a)
	}
}

// TestHTTPTailGap: what a reader lost is a frame with exactly these versions.
func TestHTTPTailGap(t *testing.T) {
	log := openLocal(t, streams.Options{Limits: streams.Limits{Events: 3}})
	s := serve(t, log, streams.HandlerOptions{})
	s.post(`[1,2,3,4,5,6,7,8]`).wantResult(t, 201, 1, 8)
	x := s.follow("GET /streams/a", "Accept: text/event-stream", "Last-Event-ID: "+log.Epoch().String()+":2")
	if g := x.wantFrame(t, "gap"); g["from"] != 3.0 || g["to"] != 5.0 || g["cause"] != "limit" || g["stream"] != "a" || g["epoch"] != log.Epoch().String() {
		t.Error(g)
	}
	for _, want := range []string{"6", "7", "8", "caughtup"} {
		x.wantFrame(t, want)
	}
	a := s.ask(`{"pattern":"a","after":{"a":"`+log.Epoch().String()+`:2"},"endOnGap":true}`, "POST /subscriptions") // it ends
	if data, ok := strings.CutPrefix(a.body, "event: gap\ndata: "); !ok || strings.Count(data, "\n") != 2 || !strings.Contains(data, `"epoch":"`+log.Epoch().String()) {
		t.Error(a)
	}
	if a := s.ask("", "DELETE /streams/a"); a.status != 204 {
		t.Error(a)
	}
	s.post(`9`).wantResult(t, 201, 9, 9)
	x.wantFrame(t, "9")
}

// TestHTTPHeartbeat: a silent subscription shows that it lives, by comments.
func TestHTTPHeartbeat(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{Heartbeat: time.Millisecond})
	x := s.follow("GET /streams/a", "Accept: text/event-stream")
	for f := x.next(t); f[""] == ""; f = x.next(t) {
		if f["event"] != "caughtup" {
			t.Fatal(f)
		}
	}
	if f := x.next(t); len(f) != 1 || f[""] == "" {
		t.Error(f)
	}
}

// TestHTTPReaderThatDoesNotRead is disconnected instead of holding its place for ever.
func TestHTTPReaderThatDoesNotRead(t *testing.T) {
	log := openLocal(t, streams.Options{})
	big := `"` + strings.Repeat("x", 1<<20-2) + `"`
	for i := range 32 {
		if _, err := log.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{Data: []byte(big)}}}); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, head := range [][]string{{"GET /streams/a", "Accept: text/event-stream"}, {"GET /streams/a"}} {
		h, err := streams.NewHandler(log, streams.HandlerOptions{Timeout: 30 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan bool, 1)
		s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			ended <- true
		}))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/streams/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(head) > 1 {
			r.Header.Set("Accept", "text/event-stream")
		}
		resp, err := s.Client().Do(r)
		<-ended         // 32 MiB are more than sockets hold
		if err == nil { // else the time was over before the client looked
			_ = resp.Body.Close()
		}
	}
}

func TestHTTPSubscriptions(t *testing.T) {
	log := openLocal(t, streams.Options{})
	s := serve(t, log, streams.HandlerOptions{})
	for _, name := range []string{"a", "b/1", "b/2"} {
		if a := s.ask("[1,2]", "POST /streams/"+name); a.status != 201 {
			t.Fatal(a)
		}
	}
	x := s.followBody(`{"pattern":"b/*","after":{"b/1":"`+log.Epoch().String()+`:1"}}`, "POST /subscriptions")
	var got []string
	for f := x.next(t); f["event"] != "caughtup"; f = x.next(t) {
		var e struct {
			Stream  string
			Version int
		}
		if err := json.Unmarshal([]byte(f["data"]), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Stream, "@", e.Version))
	}
	if slices.Sort(got); fmt.Sprint(got) != "[b/1@2 b/2@1 b/2@2]" {
		t.Error(got)
	}
	x = s.followBody(`{"pattern":"a","start":"now"}`, "POST /subscriptions")
	x.wantFrame(t, "caughtup")
	for body, field := range map[string]string{
		`{"pattern":"a","start":"then"}`: "start", `{"pattern":"a","after":{"a":"7"}}`: "after", `{"pattern":"a","form":{}}`: "", `{"pattern":7}`: "pattern",
		`{"pattern":"a\u0000"}`: "", `{"pattern":"` + strings.Repeat("a,", 5000) + `"}`: "", ``: "", `[]`: "", `null`: "", `{"pattern":"a","pattern":"b"}`: "pattern",
	} {
		s.ask(body, "POST /subscriptions").wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	s.ask(`{"pattern":"`+strings.Repeat("a", 2<<20)+`"}`, "POST /subscriptions").wantProblem(t, 413, problem{})
	s.ask(`{}`, "POST /subscriptions", "Content-Encoding: br").wantProblem(t, 415, problem{})
}
