package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/ephemera"
	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// picture is one of the pictures of the default labels.
var picture = regexp.MustCompile(`(?m)^http://\S+, last 5 min; posted (\d+), unknown 0
label +count +sum +min +max +avg
cpu +(\d+) +(\S+) +\S+ +\S+ +\S+
mem +(\d+) +(\S+) +\S+ +\S+ +\S+
disk +(\d+) +(\S+) +\S+ +\S+ +\S+
latency +(\d+) +(\S+) +\S+ +\S+ +\S+
top 1: latency, sum (\S+) of (\d+)
top 2: disk, sum (\S+) of (\d+)

`)

func number(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPictures runs the program against a server of its own: what is shown is what was posted, and what the server says.
func TestPictures(t *testing.T) {
	url := ephemera.Serve(t)
	got := program.Run(t, "--url", url, "--rate", "2000", "--rounds", "4", "--every", "60ms", "--top", "2")
	all := picture.FindAllStringSubmatch(got.Stdout, -1)
	if got.Code != exitOK || len(all) != 4 || strings.Contains(got.Stdout, "\x1b") {
		t.Fatalf("%d pictures: %+v", len(all), got)
	}
	before := 0.
	for _, m := range all {
		posted := number(t, m[1])
		if sum := number(t, m[2]) + number(t, m[4]) + number(t, m[6]) + number(t, m[8]); posted < before || sum != posted {
			t.Errorf("posted %g, then %g; shown %g", before, posted, sum)
		}
		if m[9] != m[10] || m[8] != m[11] || m[7] != m[12] || m[6] != m[13] {
			t.Errorf("labels and ranking differ:\n%s", m[0])
		}
		before = posted
	}
	last := all[3]
	for i, label := range []string{"cpu", "mem", "disk", "latency"} {
		r, err := http.Get(url + "/metrics/sum?label=" + label) //nolint:noctx // a test that hangs is ended by its limit
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if want := fmt.Sprintf("%.2f", number(t, strings.TrimSpace(string(text)))); err != nil || want != last[3+2*i] {
			t.Errorf("%s: shown %s, the server has %s, %v", label, last[3+2*i], want, err)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.ReplaceAll(string(readme), "\n    ", "\n") + "\n"
	if !picture.MatchString(shown) {
		t.Error("README.md shows no such picture")
	}
}

// fake answers like a server that is empty, unless it is away.
func fake(t *testing.T, away *atomic.Bool) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/metrics/sum-window":
			_, _ = io.WriteString(w, "0\n")
		case r.URL.Path == "/metrics/top":
			_, _ = io.WriteString(w, "[]\n")
		default:
			_, _ = io.WriteString(w, `{"count":0,"sum":0,"min":null,"max":null,"avg":null}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestServerGoesAwayAndComesBack(t *testing.T) {
	var away atomic.Bool
	p := program.Start(t, "--url", fake(t, &away), "--every", "10ms", "--labels", "a")
	p.Wait(t, `a +0 +0.00 +- +- +-`)
	away.Store(true)
	p.Wait(t, `unknown [1-9]\d*\nthe server cannot be reached: 503`)
	away.Store(false)
	p.Wait(t, `(?s)cannot be reached.*a +0 +0.00`)
	p.Signal(t, syscall.SIGTERM)
	if got := p.End(t); got.Code != exitOK || !strings.HasSuffix(got.Stdout, "\n\n") {
		t.Errorf("%+v", got)
	}
}

func TestTerminal(t *testing.T) {
	var text strings.Builder
	d := &dashboard{out: &text}
	if err := d.draw(true, []string{"one", "two"}); err != nil || text.String() != "\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J" {
		t.Errorf("%q, %v", text.String(), err)
	}
	if isTerminal(&text) {
		t.Error("a buffer is no terminal")
	}
}

func TestWrongUsageAndNoServer(t *testing.T) {
	nobody := httptest.NewServer(nil)
	nobody.Close()
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "flag provided but not defined: -rates", []string{"--rates", "3"}},
		{exitUsage, "--rate: want 0 to 10000", []string{"--rate", "-1"}},
		{exitUsage, "--labels: want", []string{"--labels", "a,,b"}},
		{exitUsage, "--labels: want", []string{"--labels", ""}},
		{exitUsage, "--url: http or https", []string{"--url", "redis://x"}},
		{exitUsage, "--every at least 10ms", []string{"--every", "1ms"}},
		{exitUsage, `"now" is no flag`, []string{"now"}},
		{exitUnreachable, "no answer from " + nobody.URL, []string{"--url", nobody.URL}},
		{exitFailed, "the server refused it: 404", []string{"--url", refuses.URL}},
	} {
		if got := program.Run(t, tt.args...); got.Code != tt.code || !strings.Contains(got.Stderr, tt.want) || got.Stdout != "" {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
	if got := program.Run(t, "--help"); got.Code != exitOK || got.Stdout != usage {
		t.Errorf("help: %+v", got)
	}
}
