package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/streams"
)

// TestRecordsThatTheLogRefuses: what a format lets pass and the log does not is a bad record too. What came before it is stored.
func TestRecordsThatTheLogRefuses(t *testing.T) {
	for name, x := range map[string]struct {
		text       string
		strict     []string
		without    []string
		line, file string
	}{
		"a member twice": {"1\n2\n{\"b\":1,\"b\":2}\n3\n", []string{"1", "2"}, []string{"1", "2", "3"}, "line 3", "n.ndjson"},
		"no number":      {"x\n1\n1e999\n3\n", []string{`{"x":1}`}, []string{`{"x":1}`, `{"x":3}`}, "line 3", "n.csv"},
		"the first one":  {"1e999\n2\n", nil, []string{"2"}, "line 1", "n.ndjson"},
		"long by escapes": {
			"1\n" + strings.Repeat("<", maxLine) + "\n2\n", []string{`{"line":"1"}`}, []string{`{"line":"1"}`, `{"line":"2"}`}, "line 2", "n.log",
		},
		"a long record": {
			"x\n1\n" + strings.Repeat("y", streams.MaxDataBytes) + "\n2\n", []string{`{"x":1}`}, []string{`{"x":1}`, `{"x":2}`}, "line 3", "n.csv",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), x.file)
			put(t, file, x.text)
			log := openLog(t, streams.Options{})
			r, err := try(t.Context(), log, Options{File: file})
			if !errors.Is(err, ErrRecord) || refused(err) || !strings.Contains(err.Error(), x.line) || r.Stored != len(x.strict) {
				t.Errorf("%+v, %v", r, err)
			}
			if d := cmp.Diff(x.strict, data(t, log)); d != "" {
				t.Error(d)
			}
			if r := ingest(t, log, Options{File: file, SkipBad: true}); r.Bad != 1 || r.Present != len(x.strict) {
				t.Errorf("%+v", r)
			}
			if d := cmp.Diff(x.without, data(t, log)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRecordsThatDoNotFitTogether: what a server takes alone is stored, though it refuses the batch.
func TestRecordsThatDoNotFitTogether(t *testing.T) {
	log := openLog(t, streams.Options{})
	h, err := streams.NewHandler(log, streams.HandlerOptions{MaxBody: maxBatchBytes})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	client, err := streams.NewClient(server.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var text strings.Builder
	for i := range 5 {
		fmt.Fprintf(&text, "\"%d%s\"\n", i, strings.Repeat("x", maxBatchBytes*3/5))
	}
	file := filepath.Join(t.TempDir(), "n.ndjson")
	put(t, file, text.String())
	if r := ingest(t, client, Options{File: file}); r.Stored != 5 || strings.Join(data(t, log), "\n")+"\n" != text.String() {
		t.Errorf("%+v", r)
	}
}

// TestTheFirstLineGetsItsEnd: a file with one line, and no line break yet, is the same file when it has grown.
func TestTheFirstLineGetsItsEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r\n"} {
		log := openLog(t, streams.Options{})
		file := filepath.Join(t.TempDir(), "n.ndjson")
		put(t, file, "1")
		ingest(t, log, Options{File: file})
		put(t, file, end+"2"+end)
		if r := ingest(t, log, Options{File: file}); r.Stored != 1 || r.Present != 1 {
			t.Errorf("%q: %+v", end, r)
		}
		inOrder(t, log, 2)
	}
}

// TestAnotherFileWithTheSameFirstLine is not taken for the one that is stored, wherever it differs.
func TestAnotherFileWithTheSameFirstLine(t *testing.T) {
	for name, text := range map[string]string{
		"shorter":                  "start\nx\n",
		"as long":                  "start\n1\n2\nx\n",
		"longer":                   "start\n1\n2\nx\n4\n",
		"no record there":          "start\n1\n2345\n6\n",
		"a last line that was cut": "start\n1\n2\n34\n",
	} {
		t.Run(name, func(t *testing.T) {
			log := openLog(t, streams.Options{})
			file := filepath.Join(t.TempDir(), "n.log")
			put(t, file, "start\n1\n2\n3")
			ingest(t, log, Options{File: file})
			before := data(t, log)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := try(t.Context(), log, Options{File: file}); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "--source") {
				t.Errorf("got %v", err)
			}
			if d := cmp.Diff(before, data(t, log)); d != "" {
				t.Error(d)
			}
			if r := ingest(t, log, Options{File: file, Source: "other"}); r.Stored != strings.Count(text, "\n") {
				t.Errorf("under a name of its own: %+v", r)
			}
		})
	}
}

// TestFollowAFileThatIsReplacedBeforeItsFirstLine: nobody waits for the line of a file that has lost its name.
func TestFollowAFileThatIsReplacedBeforeItsFirstLine(t *testing.T) {
	for _, begun := range []string{"", "half a line"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		file := filepath.Join(t.TempDir(), "n.log")
		put(t, file, begun)
		old, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = old.Close() }()
		r := &run{ctx: ctx, f: old, o: Options{File: file, Follow: true}}
		put(t, file+".new", "a\n")
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
		if line, _, err := r.firstLine(old); err != nil || string(line) != begun || !r.rotated {
			t.Errorf("%q, rotated: %t, %v", line, r.rotated, err)
		}
	}
}
