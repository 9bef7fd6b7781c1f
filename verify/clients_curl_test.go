package verify

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClientsCurl runs what a shell does: appends of every kind, a retry, a conflict, pages, and a tail.
func TestClientsCurl(t *testing.T) {
	curl := program(t, "curl")
	s, log := clientServer(t, nil)
	a := s.URL + "/streams/orders/eu"
	lines := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(lines, []byte("{\"data\":3}\n{\"data\":4}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	epoch := log.Epoch().String()
	for _, x := range []struct {
		args []string
		want []string // in the reply, headers included
	}{
		{[]string{"--json", `{"id":"o-1","data":{"amount":12.5}}`, a}, []string{"HTTP/1.1 201", "Etag: \"1\"", `"firstVersion":1,"lastVersion":1,"epoch":"` + epoch + `","duplicate":false,"durability":"memory"`}},
		{[]string{"--json", `{"id":"o-1","data":{"amount":12.5}}`, "--retry", "3", a}, []string{"HTTP/1.1 200", `"duplicate":true`}},
		{[]string{"--json", `2`, "-H", `If-Match: "1"`, a}, []string{"HTTP/1.1 201"}},
		{[]string{"--json", `2`, "-H", `If-Match: "1"`, a}, []string{"HTTP/1.1 412", `"currentVersion":2`}},
		{[]string{"--data-binary", "@" + lines, "-H", "Content-Type: application/x-ndjson", a}, []string{`"firstVersion":3,"lastVersion":4`}},
		{[]string{"-T", lines, "-X", "POST", "-H", "Content-Type: application/x-ndjson", "-H", "Transfer-Encoding: chunked", a}, []string{`"firstVersion":5,"lastVersion":6`}},
		{[]string{"-d", `1`, a}, []string{"HTTP/1.1 415", "application/x-www-form-urlencoded"}},
		{[]string{a + "?from=2&limit=2"}, []string{"HTTP/1.1 200", `"version":2,`, `"version":3,`, "Ephemera-More: true"}},
		{[]string{"-H", "Accept: application/x-ndjson", a + "?from=6"}, []string{"application/x-ndjson", `"version":6,`, "\"data\":4}\n"}},
		{[]string{"-I", a}, []string{"Etag: \"6\""}},
		{[]string{"-X", "PUT", "--json", `{"events":2}`, a + "?limits=true"}, []string{"HTTP/1.1 204"}},
		{[]string{a + "?from=1"}, []string{"Ephemera-Gap: 1-4; cause=limit", `"version":5,`}},
		{[]string{"-X", "DELETE", a}, []string{"HTTP/1.1 204"}},
	} {
		out := runCurl(t, curl, x.args...)
		for _, want := range x.want {
			if !strings.Contains(out, want) {
				t.Errorf("curl %q says\n%s\nwithout %q", x.args, out, want)
			}
		}
	}
	curlTail(t, curl, s.URL+"/streams/tail", func() { appendNumbers(t, log, "tail", 1, 2) })
}

func runCurl(t *testing.T, curl string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, curl, append([]string{"-sS", "-i"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// curlTail follows a stream, to which add appends two numbers once it is empty and followed.
func curlTail(t *testing.T, curl, url string, add func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, curl, "-sSN", "-H", "Accept: text/event-stream", url)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if line == "event: caughtup" && len(seen) == 0 {
			add()
		}
		if _, version, ok := strings.Cut(line, "id: "); ok {
			_, version, _ = strings.Cut(version, ":")
			seen = append(seen, version)
		}
		if line == "" && len(seen) == 2 {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "1 2" {
		t.Errorf("curl saw versions %q", got)
	}
	cancel()
	_ = cmd.Wait()
}
