package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/server/internal/web"
	"github.com/ephemera-go/ephemera/window"
)

type signal struct {
	Sequence  uint64
	Name, Key string
	Operation uint64
	Path      []string
	Data      json.RawMessage
	Base64    string
}

func names(list []signal) string {
	var b []string
	for _, s := range list {
		b = append(b, s.Name)
	}
	return strings.Join(b, " ")
}

func TestSignals(t *testing.T) {
	s := site(t, options())
	open(t, s)
	w := want(t, s, http.StatusCreated, "POST", "/signals",
		`{"name":"order.late","key":"17","operation":3,"path":["order.new"],"data":{"by":"5m"},"time":"2026-01-01T00:00:00+01:00"}`)
	if w.Body.String() != `{"raised":1,"sequence":1,"durability":"memory"}`+"\n" {
		t.Errorf("%s", w.Body)
	}
	want(t, s, http.StatusCreated, "POST", "/signals", `[{"name":"order.done","key":"18"},{"name":"error:Timeout"}]`)
	want(t, s, http.StatusCreated, "POST", "/signals", "{\"name\":\"order.done\",\"key\":\"17\"}\n{\"name\":\"x\",\"base64\":\"AP8=\"}\n",
		"Content-Type: application/x-ndjson")
	for query, expected := range map[string]string{
		"":                            "order.done error:Timeout order.done x", // the late one is older than the window
		"?pattern=order.*":            "order.done order.done",
		"?pattern=error:*,x":          "error:Timeout x",
		"?key=17":                     "order.done",
		"?limit=1":                    "x",
		"?after=4":                    "x",
		"?since=1h":                   "order.done error:Timeout order.done x",
		"?since=2200-01-01T00:00:00Z": "",
	} {
		var list []signal
		if err := json.Unmarshal(want(t, s, 200, "GET", "/signals"+query, "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		if got := names(list); got != expected {
			t.Errorf("%s: %q, want %q", query, got, expected)
		}
		if query == "?limit=1" {
			if d := cmp.Diff([]signal{{Sequence: 5, Name: "x", Base64: "AP8="}}, list); d != "" {
				t.Error(d)
			}
		}
	}
	for _, body := range []string{`{"name":1}`, `{}x`, `[]`, ``, `{"name":"a","colour":"red"}`, `{"name":"a","base64":"?"}`, "{\"name\":\"\xff\"}"} {
		want(t, s, http.StatusBadRequest, "POST", "/signals", body)
	}
	want(t, s, http.StatusBadRequest, "POST", "/metrics", "{\"label\":\"\xff\",\"value\":1}")
	want(t, s, http.StatusUnprocessableEntity, "POST", "/signals", `{"name":""}`)
	want(t, s, http.StatusUnprocessableEntity, "POST", "/signals", `[{"name":"a"},{"name":""}]`)
	want(t, s, http.StatusBadRequest, "GET", "/signals?pattern=,", "")
	var stats struct{ Raised, Refused any }
	if err := json.Unmarshal(want(t, s, 200, "GET", "/signals/stats", "").Body.Bytes(), &stats); err != nil || stats.Raised != 5.0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// TestSignalsUnflushed: who waits for the disk and does not see it happen is told that the signal is raised all the same.
func TestSignalsUnflushed(t *testing.T) {
	s := site(t, options())
	st := openIn(t, s, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/signals?flush=true", strings.NewReader(`{"name":"a"}`)))
	if w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), "raised, but perhaps not on disk") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if n := st.Signals.Stats().Visible; n != 1 {
		t.Errorf("%d signals", n)
	}
}

// follow opens a tail and returns a function that reads the next frame: its id and its data, or its event.
func follow(t *testing.T, base, query, last string) func() string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/signals"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		t.Helper()
		var frame []string
		for lines.Scan() {
			line := lines.Text()
			switch {
			case line == "" && len(frame) > 0:
				return strings.Join(frame, " ")
			case strings.HasPrefix(line, "id: "):
				_, sequence, _ := strings.Cut(line[len("id: "):], ":")
				frame = append(frame, "id: "+sequence)
			case strings.HasPrefix(line, "event: "):
				frame = append(frame, line)
			case strings.HasPrefix(line, "data: {"):
				var x signal
				if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &x); err != nil {
					t.Fatal(err)
				}
				frame = append(frame, x.Name)
			}
		}
		return "end"
	}
}

func TestSignalTail(t *testing.T) {
	s := site(t, options())
	st := open(t, s)
	server := httptest.NewServer(s)
	defer server.Close()
	raise := func(name, key string) {
		t.Helper()
		if _, err := st.Signals.Raise(name, key); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		raise(fmt.Sprintf("a.%d", i+1), "k")
	}
	all := follow(t, server.URL, "?pattern=a.*", "")
	behind := follow(t, server.URL, "?pattern=a.*&key=k", "2")
	for _, expected := range []string{"id: 1 a.1", "id: 2 a.2", "id: 3 a.3", "event: caughtup "} {
		if got := all(); got != expected {
			t.Fatalf("%q, want %q", got, expected)
		}
	}
	for _, expected := range []string{"id: 3 a.3", "event: caughtup "} {
		if got := behind(); got != expected {
			t.Fatalf("%q, want %q", got, expected)
		}
	}
	raise("b", "k")
	raise("a.4", "other")
	raise("a.5", "k")
	for _, expected := range []string{"id: 5 a.4", "id: 6 a.5"} {
		if got := all(); got != expected {
			t.Fatalf("%q, want %q", got, expected)
		}
	}
	if got := behind(); got != "id: 6 a.5" {
		t.Fatalf("%q", got)
	}
	s.Drain()
	if got := all(); got != "end" {
		t.Errorf("after Drain: %q", got)
	}
}

// TestSignalTailTellsWhatIsGone: what left the window since the last event, and what a crash has lost.
func TestSignalTailTellsWhatIsGone(t *testing.T) {
	s := site(t, options())
	st := open(t, s) // shows 100 signals
	for range 150 {
		if _, err := st.Signals.Raise("a", ""); err != nil {
			t.Fatal(err)
		}
	}
	for last, want := range map[string]string{
		"30":  `"from":31,"to":50,"unseen":20}`,
		"50":  "",
		"170": `"from":151,"to":170,"lost":true}`,
	} {
		body := caughtUp(t, s, last)
		if strings.Contains(body, "event: gap") != (want != "") || !strings.Contains(body, want) {
			t.Errorf("%s: no %s in %.300s", last, want, body)
		}
		if _, behind, _ := strings.Cut(body, "event: gap"); last == "30" && strings.Count(behind, "id: ") != 100 {
			t.Errorf("behind the gap: %d signals", strings.Count(behind, "id: "))
		}
	}
	for _, last := range []string{"x", "a:", "a:x", "a:1:2", ":"} {
		want(t, s, http.StatusBadRequest, "GET", "/signals", "", "Accept: text/event-stream", "Last-Event-ID: "+last)
	}
}

// TestSignalTailWhileTheWindowMoves: what leaves while a reader comes back is told too.
func TestSignalTailWhileTheWindowMoves(t *testing.T) {
	s := site(t, options())
	st := openIn(t, s, t.TempDir()) // keeps 100
	batch := slices.Repeat([]window.Signal{{Name: "a"}}, 7)
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = st.Signals.RaiseBatch(batch)
			}
		}
	}()
	defer func() {
		close(stop)
		<-over
	}()
	for range 300 {
		told := uint64(0)
		there, _, _ := strings.Cut(caughtUp(t, s, "0"), "event: caughtup")
		for line := range strings.Lines(there) {
			text, ok := strings.CutPrefix(line, "data: ")
			if !ok {
				continue
			}
			var x struct{ From, To, Sequence uint64 }
			if err := json.Unmarshal([]byte(text), &x); err != nil {
				t.Fatal(err)
			}
			if x.From == 0 {
				x.From, x.To = x.Sequence, x.Sequence
			}
			if x.From > told+1 {
				t.Fatalf("%d to %d is not told", told+1, x.From-1)
			}
			told = max(told, x.To)
		}
	}
}

// TestSignalTailBehindCrashes: sequences that a crash has lost are given again, and a reader who had them is told although the
// new ones have passed them, and gets the new ones; also when it comes back after the next crash.
func TestSignalTailBehindCrashes(t *testing.T) {
	var st *state.State
	raise := func(name string, n int) {
		t.Helper()
		for range n {
			if _, err := st.Signals.Raise(name, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	crash := func(dir string) (left string) {
		t.Helper()
		if err := st.Signals.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		left = t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return left
	}
	first := site(t, options())
	dir := t.TempDir()
	st = openIn(t, first, dir)
	raise("durable", 5)
	dir = crash(dir)
	raise("lost", 10)
	run1 := newestRun(t, first, 15)

	second := site(t, options())
	st = openIn(t, second, dir)
	raise("again", 20)
	run2 := newestRun(t, second, 25)
	tells(t, second, run1+":15", `{"from":6,"to":15,"lost":true}`, "again", 20)
	tells(t, second, run1+":5", "", "again", 20)
	dir = crash(dir)
	raise("lost", 1)

	third := site(t, options())
	st = openIn(t, third, dir)
	raise("newest", 3)
	tells(t, third, run1+":15", `{"from":6,"to":15,"lost":true}`, "again", 20)
	tells(t, third, run1+":5", "", "again", 20)
	tells(t, third, run2+":26", `{"from":26,"to":26,"lost":true}`, "newest", 3)
	tells(t, third, run2+":25", "", "newest", 3)
	tells(t, third, newestRun(t, third, 28)+":28", "", "newest", 0)
	tells(t, third, "0123456789abcdef:7", `{"from":1,"to":7,"lost":true}`, "durable", 5) // nobody knows what its reader has
}

// newestRun returns the run of the newest signal, which must have a certain sequence.
func newestRun(t *testing.T, s *web.Site, sequence int) string {
	t.Helper()
	body := caughtUp(t, s, "0")
	_, id, _ := strings.Cut(body[strings.LastIndex(body, "\nid: "):], "id: ")
	id, _, _ = strings.Cut(id, "\n")
	run, rest, _ := strings.Cut(id, ":")
	if rest != strconv.Itoa(sequence) {
		t.Fatalf("the last id is %q, want sequence %d", id, sequence)
	}
	return run
}

// tells follows behind an id and wants one gap, or none, and all signals of a name.
func tells(t *testing.T, s *web.Site, last, gap, name string, n int) {
	t.Helper()
	body := caughtUp(t, s, last)
	if !strings.Contains(body, gap) || (gap == "") == strings.Contains(body, "event: gap") || strings.Count(body, `"name":"`+name+`"`) != n {
		t.Errorf("behind %s, which wants %q and %d of %s:\n%s", last, gap, n, name, body)
	}
}

// caughtUp follows signals behind an id until everything that was there has come.
func caughtUp(t *testing.T, s *web.Site, last string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/signals", nil)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", last)
	w := &endsAtCaughtUp{ResponseRecorder: httptest.NewRecorder(), end: cancel}
	s.ServeHTTP(w, r)
	return w.Body.String()
}

// endsAtCaughtUp is a client that goes when everything that was there has come.
type endsAtCaughtUp struct {
	*httptest.ResponseRecorder
	end func()
}

func (w *endsAtCaughtUp) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "event: caughtup") {
		w.end()
	}
	return w.ResponseRecorder.Write(b)
}

// TestSignalTailOverHTTP2: a deadline ends the stream on which it passes, so a tail without anything to say has none.
func TestSignalTailOverHTTP2(t *testing.T) {
	t.Parallel()
	o := options()
	o.WriteTimeout, o.Heartbeat = 500*time.Millisecond, 600*time.Millisecond
	s := site(t, o)
	open(t, s)
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, path := range []string{"/signals", "/streams/s"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for beats := 0; beats < 2 && resp.ProtoMajor == 2; {
			if !lines.Scan() {
				t.Fatalf("%s: it ended after %d comments: %v", path, beats, lines.Err())
			}
			if strings.HasPrefix(lines.Text(), ":") {
				beats++
			}
		}
		if err := resp.Body.Close(); err != nil || resp.ProtoMajor != 2 {
			t.Error(resp.Proto, err)
		}
	}
}
