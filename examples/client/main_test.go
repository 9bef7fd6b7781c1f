package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/ephemera"
	"github.com/ephemera-go/ephemera/examples/internal/program"
	"github.com/ephemera-go/ephemera/streams"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// TestRunsHaveTheirOwnSums runs the program three times against one server, which is never emptied.
func TestRunsHaveTheirOwnSums(t *testing.T) {
	url := ephemera.Serve(t)
	shape := regexp.MustCompile(`(?s)^run (\w+): 300 orders from 4 writers to gateway/orders at \S+
appended   300 orders in \S+
read back  (300 orders, sum \d+, min \d+, max \d+)
server     (300 orders, sum \d+, min \d+, max \d+)
stream     (\d+) orders, sum \d+, min \d+, max \d+, of (\d+) runs
equal
$`)
	ids := map[string]bool{}
	for n, want := range [][2]string{{"300", "1"}, {"600", "2"}, {"900", "3"}} {
		got := program.Run(t, "--url", url, "--orders", "300", "--writers", "4")
		m := shape.FindStringSubmatch(got.Stdout)
		if got.Code != exitOK || m == nil || m[2] != m[3] || m[4] != want[0] || m[5] != want[1] {
			t.Fatalf("run %d: %+v", n, got)
		}
		ids[m[1]] = true
	}
	if len(ids) != 3 {
		t.Errorf("runs %v", ids)
	}
}

// lossy serves a log and loses every third reply to an append.
func lossy(t *testing.T, o streams.Options) string {
	t.Helper()
	log, err := streams.New(o)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := streams.NewHandler(log, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan bool, 3) // goes round
	lost <- false
	lost <- false
	lost <- true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			handler.ServeHTTP(w, r)
			return
		}
		lose := <-lost
		lost <- lose
		if !lose {
			handler.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(func() {
		server.Close()
		_ = log.Close()
	})
	return server.URL
}

func TestLostRepliesDoubleNothing(t *testing.T) {
	got := program.Run(t, "--url", lossy(t, streams.Options{}), "--orders", "20", "--stream", "a/b")
	if got.Code != exitOK || !strings.Contains(got.Stdout, "stream     20 orders") {
		t.Errorf("%+v", got)
	}
}

func TestStreamThatForgets(t *testing.T) {
	got := program.Run(t, "--url", lossy(t, streams.Options{Limits: streams.Limits{Events: 10}}), "--orders", "15")
	if got.Code != exitFailed || !strings.Contains(got.Stderr, "versions 1 to 5 are gone already (limit)") {
		t.Errorf("%+v", got)
	}
}

// TestNoReplies: a server that stores and never replies to an append.
func TestNoReplies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"stream":"gateway/orders","version":0,"oldest":1,"exists":false,"limits":{},"epoch":"0123456789abcdef0123456789abcdef"}`)
	}))
	defer server.Close()
	got := program.Run(t, "--url", server.URL, "--wait", "50ms")
	if got.Code != exitUnknown || !strings.Contains(got.Stderr, "client: at least 0 orders of run ") {
		t.Errorf("%+v", got)
	}
}

func TestInterrupt(t *testing.T) {
	arrived := make(chan struct{}, 1)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer server.Close()
	defer close(release)
	p := program.Start(t, "--url", server.URL)
	<-arrived
	p.Signal(t, syscall.SIGTERM)
	if got := p.End(t); got.Code != exitInterrupted || !strings.Contains(got.Stderr, "client: interrupted; at least 0 orders of run ") {
		t.Errorf("%+v", got)
	}
}

func TestWrongUsageAndNoServer(t *testing.T) {
	nobody := httptest.NewServer(nil)
	nobody.Close()
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "flag provided but not defined: -order", []string{"--order", "3"}},
		{exitUsage, "--orders: want 1 to", []string{"--orders", "0"}},
		{exitUsage, `"now" is no flag`, []string{"now"}},
		{exitUsage, "URL: http or https", []string{"--url", "redis://x"}},
		{exitUsage, "invalid", []string{"--stream", "a//b"}},
		{exitUnreachable, "no answer from " + nobody.URL, []string{"--url", nobody.URL, "--wait", "50ms"}},
	} {
		if got := program.Run(t, tt.args...); got.Code != tt.code || !strings.Contains(got.Stderr, tt.want) || got.Stdout != "" && tt.code == exitUsage {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
}

// TestReadme compares the shape of what README.md shows with what comes out.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	log, err := streams.New(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	handler, err := streams.NewHandler(log, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	varies := regexp.MustCompile(`run \w+|sum \d+|min \d+|max \d+|in [\d.µms]+|http://[\d.:]+`)
	shown := varies.ReplaceAllString(string(text), "…")
	for range 2 {
		got := program.Run(t, "--url", server.URL)
		for line := range strings.Lines(got.Stdout) {
			if want := "    " + varies.ReplaceAllString(line, "…"); !strings.Contains(shown, want) {
				t.Errorf("README.md does not show %q", want)
			}
		}
	}
}
