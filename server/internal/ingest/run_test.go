package ingest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/streams"
)

func openLog(t testing.TB, o streams.Options) *streams.Local {
	t.Helper()
	log, err := streams.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func put(t testing.TB, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func ingest(t testing.TB, log streams.Log, o Options) Report {
	t.Helper()
	r, err := try(t.Context(), log, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(ctx context.Context, log streams.Log, o Options) (Report, error) {
	o.Stream = "s"
	if o.Format == "" {
		o.Format = Auto
	}
	if o.Batch == 0 {
		o.Batch = 7
	}
	return Run(ctx, log, o)
}

// data returns what the stream holds.
func data(t testing.TB, log streams.Log) []string {
	t.Helper()
	page, err := log.Read(t.Context(), streams.Read{Stream: "s", Limit: streams.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range page.Events {
		list = append(list, string(page.Events[i].Data))
	}
	return list
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "%d\n", i)
	}
	return b.String()
}

// inOrder checks that the stream holds 1 to n, each once.
func inOrder(t testing.TB, log streams.Log, n int) {
	t.Helper()
	if d := cmp.Diff(strings.Fields(numbered(1, n)), data(t, log)); d != "" {
		t.Error(d)
	}
}

func TestResume(t *testing.T) {
	log := openLog(t, streams.Options{})
	name := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, name, numbered(1, 25))
	if r := ingest(t, log, Options{File: name}); r.Stored != 25 || r.Present != 0 || r.Version != 25 {
		t.Errorf("%+v", r)
	}
	if r := ingest(t, log, Options{File: name}); r.Stored != 0 || r.Present != 25 || r.Version != 25 {
		t.Errorf("again: %+v", r)
	}
	if _, err := log.Append(t.Context(), streams.Append{Stream: "s", Events: []streams.Event{{ID: "other", Data: []byte("26")}}}); err != nil {
		t.Fatal(err)
	}
	put(t, name, "\n"+numbered(27, 40)) // a blank line is no record
	if r := ingest(t, log, Options{File: name}); r.Stored != 14 || r.Present != 25 {
		t.Errorf("when it has grown: %+v", r)
	}
	inOrder(t, log, 40)
	// A run with other batches that does not look at what is there finds the ids remembered.
	if r := ingest(t, log, Options{File: name, Restart: true, Batch: 10}); r.Stored != 0 || r.Present != 39 || r.Version != 40 {
		t.Errorf("from the beginning: %+v", r)
	}
	if r := ingest(t, log, Options{Input: strings.NewReader("")}); r.Stored != 0 || r.Version != 40 {
		t.Errorf("of nothing: %+v", r)
	}
	inOrder(t, log, 40)
}

// TestResumeAfterLoss: what the server has lost is sent again, and nothing else.
func TestResumeAfterLoss(t *testing.T) {
	name := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, name, numbered(1, 25))
	var kept *streams.Local
	failing := errors.New("the server is gone")
	for lost := range 4 {
		kept = openLog(t, streams.Options{})
		appends := 0
		_, err := try(t.Context(), hooked{kept, func() error {
			if appends++; appends > lost {
				return failing
			}
			return nil
		}}, Options{File: name})
		if !errors.Is(err, failing) {
			t.Fatalf("got %v", err)
		}
		if r := ingest(t, kept, Options{File: name, Batch: 4}); r.Present != 7*lost || r.Stored != 25-7*lost {
			t.Errorf("%+v", r)
		}
		inOrder(t, kept, 25)
	}
}

// hooked is a log whose appends ask before they do anything.
type hooked struct {
	streams.Log
	before func() error
}

func (h hooked) Append(ctx context.Context, a streams.Append) (streams.Result, error) {
	if err := h.before(); err != nil {
		return streams.Result{}, err
	}
	return h.Log.Append(ctx, a)
}

func TestInterrupted(t *testing.T) {
	log := openLog(t, streams.Options{})
	name := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, name, numbered(1, 100))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	r, err := try(ctx, hooked{log, func() error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	}}, Options{File: name})
	if !errors.Is(err, context.Canceled) || r.Stored != 21 {
		t.Fatalf("%+v, %v", r, err)
	}
	ingest(t, log, Options{File: name})
	inOrder(t, log, 100)
}

func TestNobodyGuessesWhereItEnded(t *testing.T) {
	log := openLog(t, streams.Options{Limits: streams.Limits{Events: 10}})
	name := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, name, numbered(1, 25))
	ingest(t, log, Options{File: name})
	put(t, name, numbered(26, 30))
	if r := ingest(t, log, Options{File: name}); r.Stored != 5 { // the newest is there
		t.Errorf("%+v", r)
	}
	for range 10 {
		if _, err := log.Append(t.Context(), streams.Append{Stream: "s", Events: []streams.Event{{Data: []byte("0")}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, name, numbered(31, 35))
	if _, err := try(t.Context(), log, Options{File: name}); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "--restart") {
		t.Errorf("got %v", err)
	}
}

func TestFollow(t *testing.T) {
	log := openLog(t, streams.Options{})
	name := filepath.Join(t.TempDir(), "n.log")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put(t, name, "") // its first line is still to come
	ended := make(chan Report, 1)
	failed := make(chan error, 1)
	go func() {
		r, err := try(ctx, log, Options{File: name, Format: NDJSON, Follow: true})
		failed <- err
		ended <- r
	}()
	arrive := func(version uint64) {
		t.Helper()
		for m, err := range log.Subscribe(t.Context(), streams.Subscription{Pattern: "s"}) {
			if err != nil {
				t.Fatal(err)
			}
			if m.Kind == streams.MessageEvent && m.Event.Version == version {
				return
			}
		}
	}
	put(t, name, "1\n2\n3")
	arrive(2) // the third has no end yet
	put(t, name, "0\n")
	arrive(3)
	put(t, name, "4") // rotated without an end
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	put(t, name, "5\n55\n")
	arrive(6)
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	put(t, name, "6\n")
	arrive(7)
	cancel()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.Stored != 7 {
		t.Errorf("%+v", r)
	}
	if d := cmp.Diff([]string{"1", "2", "30", "4", "5", "55", "6"}, data(t, log)); d != "" {
		t.Error(d)
	}
}

func TestFormats(t *testing.T) {
	for name, x := range map[string]struct {
		file, text string
		want       []string
	}{
		"csv": {"a.csv", "id,n,text\n007,1.50,\"two\nlines\"\nx,-3e2,\n", []string{
			`{"id":"007","n":1.50,"text":"two\nlines"}`, `{"id":"x","n":-3e2,"text":""}`,
		}},
		"access": {"a.log", `10.0.0.1 - ada [10/Oct/2000:13:55:36 -0700] "GET /a\"b HTTP/1.0" 200 0023 "r" "agent x"` + "\n", []string{
			`{"agent":"agent x","bytes":23,"client":"10.0.0.1","referer":"r","request":"GET /a\\\"b HTTP/1.0","status":200,"user":"ada"}`,
		}},
		"error": {"a.log", "[Sun Dec 04 04:47:44 2005] [error] [client 1.2.3.4] no\nwhat is this\n", []string{
			`{"client":"1.2.3.4","level":"error","message":"no"}`, `{"line":"what is this"}`,
		}},
		"ssh":   {"a.log", "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user x\n", []string{`{"at":"Dec 10 06:55:46","host":"LabSZ","message":"Invalid user x","pid":24200}`}},
		"plain": {"a.log", "a\r\n\nlast", []string{`{"line":"a"}`, `{"line":""}`, `{"line":"last"}`}},
		"bytes": {"a.log", "a\xff\n", []string{`{"base64":"Yf8="}`}},
	} {
		t.Run(name, func(t *testing.T) {
			log := openLog(t, streams.Options{})
			file := filepath.Join(t.TempDir(), x.file)
			put(t, file, x.text)
			ingest(t, log, Options{File: file})
			got := data(t, log)
			for i := range got {
				var a, b any
				if i >= len(x.want) || json.Unmarshal([]byte(got[i]), &a) != nil || json.Unmarshal([]byte(x.want[i]), &b) != nil || !cmp.Equal(a, b) {
					t.Errorf("%d: %s", i, got[i])
				}
			}
			if len(got) != len(x.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestBadRecords(t *testing.T) {
	log := openLog(t, streams.Options{})
	name := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, name, "1\n2\nword\n4\n")
	r, err := try(t.Context(), log, Options{File: name})
	if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "line 3") || r.Stored != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if r := ingest(t, log, Options{File: name, SkipBad: true}); r.Stored != 1 || r.Present != 2 || r.Bad != 1 {
		t.Errorf("%+v", r)
	}
	table := filepath.Join(t.TempDir(), "t.csv")
	put(t, table, "a,b\n1,2\n1\n3,4\n")
	if _, err := try(t.Context(), log, Options{File: table}); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
	if r := ingest(t, log, Options{File: table, SkipBad: true}); r.Bad != 1 || r.Stored != 1 || r.Present != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := try(t.Context(), log, Options{File: table, Follow: true}); !errors.Is(err, streams.ErrOption) {
		t.Errorf("got %v", err)
	}
	twice := filepath.Join(t.TempDir(), "t.csv")
	put(t, twice, "a,a\n1,2\n")
	if _, err := try(t.Context(), log, Options{File: twice}); !errors.Is(err, ErrRecord) {
		t.Errorf("got %v", err)
	}
}

// endless is one line without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// TestLongLines: a line that is too long for an event is bad, whatever it is, and takes no memory of its size.
func TestLongLines(t *testing.T) {
	const long = 64 << 20
	in := io.MultiReader(strings.NewReader("a\n"), io.LimitReader(endless{}, long), strings.NewReader("\nb"))
	l := &lines{format: Plain, r: bufio.NewReaderSize(in, 64<<10)}
	if x, err := l.next(); err != nil || x.line != 1 {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := l.next(); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "line 2: ") || !strings.Contains(err.Error(), "67108864 bytes") {
		t.Errorf("got %v", err)
	}
	if x, err := l.next(); err != nil || x.line != 3 || x.offset != long+3 || string(x.event.Data) != `{"line":"b"}` {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := l.next(); !errors.Is(err, io.EOF) || l.reached() != long+4 {
		t.Errorf("read %d bytes, %v", l.reached(), err)
	}
	if cap(l.partial) > 4<<20 {
		t.Errorf("%d bytes are kept", cap(l.partial))
	}

	log := openLog(t, streams.Options{})
	name := filepath.Join(t.TempDir(), "first")
	put(t, name, strings.Repeat("x", 3<<20)+"\nb\n")
	for _, want := range []Report{{Stored: 1}, {Present: 1}} { // the first line names the source
		if r := ingest(t, log, Options{File: name, SkipBad: true}); r.Stored != want.Stored || r.Present != want.Present || r.Bad != 1 {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

func TestStandardInput(t *testing.T) {
	log := openLog(t, streams.Options{})
	ingest(t, log, Options{Input: strings.NewReader(numbered(1, 10)), Format: NDJSON, Source: "in"})
	if r := ingest(t, log, Options{Input: strings.NewReader(numbered(1, 20)), Format: NDJSON, Source: "in"}); r.Present != 10 || r.Stored != 10 {
		t.Errorf("%+v", r)
	}
	inOrder(t, log, 20)
	if r := ingest(t, log, Options{Input: strings.NewReader("")}); r.Stored != 0 {
		t.Errorf("%+v", r)
	}
}
