package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestDemo: the printed lines work when pasted, and a second run on the same data goes on.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	demo := func() *running {
		r := run(t, "demo", "--listen", "127.0.0.1:0", "--data", dir, "--rate", "1000", "--log-level", "warn")
		r.url = r.out.wait(t, `(?m)^ready: (\S+)$`, r.over)
		r.out.wait(t, `Ctrl-C`, r.over)
		return r
	}
	r := demo()
	// The second of two appends comes with the ticker, so all that comes at once is there when the stream is longer.
	for info := ""; !regexp.MustCompile(`"version":2[1-9]\d`).MatchString(info); {
		info = r.want(200, nil, "GET", "/streams/earthquakes?info=true", "").body
	}
	lines := regexp.MustCompile(`(?m)^  curl '([^']+)'$`).FindAllStringSubmatch(r.out.String(), -1)
	if len(lines) != 3 {
		t.Fatalf("%d lines to try: %s", len(lines), r.out)
	}
	for i, part := range []string{`"type":"earthquake"`, `"gateways":{"ak":{"count":`, `"name":"quake.strong"`} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", lines[i][1], nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := send(t, http.DefaultClient, req); got.status != 200 || !strings.Contains(got.body, part) {
			t.Errorf("%s: %d, no %s in %.500s", lines[i][1], got.status, part, got.body)
		}
	}
	latency := regexp.MustCompile(`(?m)^ephemera_http_request_seconds_count\{method="POST",route="/streams/\{name\}"\} ([2-9]\d\d|\d{4,})$`)
	if got := r.want(200, nil, "GET", "/metrics", "").body; !latency.MatchString(got) {
		t.Error("the replay is not among the requests, so that the dashboard has no latency to show")
	}
	if code := r.stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.err)
	}

	r = demo()
	var all []struct {
		Version int
		ID      string
	}
	for runs := map[string]bool{}; len(runs) < 2; {
		r.want(200, &all, "GET", "/streams/earthquakes?limit=10000", "")
		for i, e := range all {
			if e.Version != i+1 {
				t.Fatalf("event %d has version %d", i, e.Version)
			}
			id, _, _ := strings.Cut(e.ID, ".")
			runs[id] = true
		}
	}
	ids := map[string]bool{}
	for _, e := range all {
		if ids[e.ID] {
			t.Fatalf("%s is there twice", e.ID)
		}
		ids[e.ID] = true
	}
	if code := r.stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.err)
	}
	r = run(t, "demo", "--listen", "0.0.0.0:0", "--data", dir, "--rate", "1000", "--generate-token")
	r.out.wait(t, `Ctrl-C`, r.over)
	if code := r.stop(); code != 0 || strings.Contains(r.err.String(), "msg=request") {
		t.Fatalf("with a token: exit code %d: %s", code, r.err)
	}
	if code, _, text := once(t, "demo", "--rate=0", "--data", dir); code != 2 || !strings.Contains(text, "--rate") {
		t.Errorf("exit code %d: %s", code, text)
	}
}
