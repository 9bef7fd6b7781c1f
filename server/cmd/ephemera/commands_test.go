package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/server/internal/remote"
)

// ok runs a command that must succeed.
func ok(t testing.TB, args ...string) string {
	t.Helper()
	code, out, text := once(t, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, text)
	}
	return out
}

func TestAppendAndRead(t *testing.T) {
	r := serve(t, t.TempDir())
	url := "--url=" + r.url
	if out := ok(t, "append", "a", `{"n":1}`, `{"n":2}`, url); out != "a: version 1 to 2\n" {
		t.Errorf("%q", out)
	}
	ok(t, "append", "a", `{"n":3}`, "--id=x", "--type=third", "--expect=2", url)
	if out := ok(t, "append", "a", `{"n":3}`, "--id=x", "--type=third", url); !strings.Contains(out, "known already") {
		t.Errorf("%q", out)
	}
	out := ok(t, "read", "a", "--from=2", url)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[1], "a 3 ") ||
		!strings.HasSuffix(lines[1], ` third {"n":3}`) {
		t.Errorf("%q", out)
	}
	var e struct {
		Version  uint64
		ID, Type string
		Data     struct{ N int }
	}
	out = ok(t, "read", "a", "--backward", "--limit=1", "--json", url)
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Version != 3 || e.ID != "x" || e.Type != "third" || e.Data.N != 3 {
		t.Errorf("%s: %+v, %v", out, e, err)
	}
	for _, x := range []struct {
		code int
		says string
		args []string
	}{
		{9, "version", []string{"append", "a", "1", "--expect=1"}},
		{9, "payload", []string{"append", "a", "2", "--id=x"}},
		{2, "JSON", []string{"append", "a", "word"}},
		{2, "--expect", []string{"append", "a", "1", "--expect=maybe"}},
		{2, "--id", []string{"append", "a", "1", "2", "--id=x"}},
		{2, "a//b", []string{"append", "a//b", "1"}},
		{2, "a//b", []string{"read", "a//b"}},
		{2, "limit", []string{"read", "a", "--limit=-1"}},
	} {
		if code, _, text := once(t, append(x.args, url)...); code != x.code || !strings.Contains(text, x.says) {
			t.Errorf("%v: exit code %d, want %d, with %q: %s", x.args, code, x.code, x.says, text)
		}
	}
}

// TestParity07Case67_QuickStart: one order is appended and read, from the beginning and from a position.
func TestParity07Case67_QuickStart(t *testing.T) {
	if out := ok(t, "config", "show"); !strings.Contains(out, "127.0.0.1:7070") {
		t.Errorf("the usual port is another one: %s", out)
	}
	r := serve(t, t.TempDir())
	url := "--url=" + r.url
	ok(t, "append", "gateway/orders", `{"id":"1","valor":7}`, url)
	if out := ok(t, "read", "gateway/orders", "--from=0", url); !strings.HasSuffix(out, "{\"id\":\"1\",\"valor\":7}\n") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	ok(t, "append", "gateway/orders", `{"id":"2","valor":8}`, url)
	for from, want := range map[string]int{"1": 2, "2": 1, "3": 0} {
		if out := ok(t, "read", "gateway/orders", "--from="+from, url); strings.Count(out, "\n") != want {
			t.Errorf("from %s: %q", from, out)
		}
	}
}

func TestTail(t *testing.T) {
	r := serve(t, t.TempDir())
	orders(r)
	tail := run(t, "tail", "orders/*", "--url="+r.url)
	tail.out.wait(t, `orders/eu 3 `, tail.over)
	r.want(http.StatusCreated, nil, "POST", "/streams/orders/us", `{"data":{"valor":1}}`)
	tail.out.wait(t, `orders/us 1 `, tail.over)
	tail.signals <- syscall.SIGINT
	if code := tail.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, tail.err)
	}
}

func TestRaiseAndSense(t *testing.T) {
	r := serve(t, t.TempDir())
	url := "--url=" + r.url
	if out := ok(t, "raise", "order.late", "--key=17", `--data={"by":"5m"}`, "--flush", url); out != "order.late: sequence 1, in memory and on disk\n" {
		t.Errorf("%q", out)
	}
	follow := run(t, "sense", "order.*", "--follow", url)
	follow.out.wait(t, `1 \S+ order.late 17 \{"by":"5m"\}`, follow.over)
	ok(t, "raise", "other", url)
	ok(t, "raise", "order.done", url)
	follow.out.wait(t, `3 \S+ order.done`, follow.over)
	follow.signals <- syscall.SIGINT
	if code := follow.end(); code != 0 || strings.Contains(follow.out.String(), "other") {
		t.Errorf("exit code %d: %s%s", code, follow.out, follow.err)
	}
	if out := ok(t, "sense", "--key=17", "--json", url); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"name":"order.late"`) {
		t.Errorf("%q", out)
	}
	if out := ok(t, "stats", url); !strings.Contains(out, "signals: 3 in memory") ||
		!strings.Contains(out, "\n  no snapshot yet, 0 events at risk\n") {
		t.Errorf("%q", out)
	}
	if out := ok(t, "stats", "--json", url); !json.Valid([]byte(out)) {
		t.Errorf("%q", out)
	}
	for _, args := range [][]string{{"raise", "a"}, {"sense"}, {"stats"}, {"health"}} {
		if code, _, text := once(t, append(args, url, "--retry-timeout=1s")...); code != 2 { // they do not try again
			t.Errorf("%q: exit code %d: %s", args, code, text)
		}
	}
	for _, args := range [][]string{{"sense", ","}, {"sense", ",", "--follow"}, {"raise", ""}} {
		if code, _, text := once(t, append(args, url)...); code != 2 || !strings.Contains(text, "the server finds it invalid: 4") {
			t.Errorf("%q: exit code %d: %s", args, code, text)
		}
	}
}

// Who raises a signal is told whether it may have been raised although the reply says something else, or nothing.
// TestTextsOfOthers: what somebody stored is one line, and moves no cursor; what is no text is refused and not changed.
func TestTextsOfOthers(t *testing.T) {
	r := serve(t, t.TempDir())
	url := "--url=" + r.url
	ok(t, "raise", "\x1b[2J\u202e", "--key=a\n2 b", "--data=\"\u009b\"", url)
	if out := ok(t, "sense", url); strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, ` \u001b[2J`+"\u202e"+` a\u000a2 b "\u009b"`+"\n") {
		t.Errorf("%q", out)
	}
	ok(t, "append", "a", "\"\u009b\"", url)
	if out := ok(t, "read", "a", url); !strings.HasSuffix(out, ` "\u009b"`+"\n") {
		t.Errorf("%q", out)
	}
	for _, args := range [][]string{{"raise", "\xff"}, {"raise", "a", "--key=\xff"}, {"append", "\xff", "1"}, {"sense", "\xff"}} {
		if code, out, text := once(t, append(args, url)...); code != 2 || !strings.Contains(text, "not UTF-8") {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, text)
		}
	}
}

func TestRaiseTellsWhatMayBeDone(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status := strings.TrimPrefix(r.URL.Path, "/"); status {
		case "gone/signals":
			panic(http.ErrAbortHandler)
		case "garbled/signals":
			_, _ = w.Write([]byte("<html>"))
		default:
			code, _ := strconv.Atoi(strings.TrimSuffix(status, "/signals"))
			w.WriteHeader(code)
		}
	}))
	defer broken.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	untrusted := httptest.NewTLSServer(broken.Config.Handler)
	defer untrusted.Close()
	for _, x := range []struct {
		url         string
		raise, look int // exit codes
	}{
		{broken.URL + "/gone", 10, 7},
		{broken.URL + "/garbled", 10, 7},
		{broken.URL + "/500", 10, 1},
		{broken.URL + "/502", 10, 7},
		{broken.URL + "/504", 10, 7},
		{broken.URL + "/503", 7, 7},
		{broken.URL + "/404", 1, 1},
		{closed.URL, 7, 7},
		{untrusted.URL, 7, 7},
		{strings.Replace(broken.URL, "http:", "https:", 1), 7, 7},
		{strings.TrimPrefix(broken.URL, "http://"), 2, 2},
		{"ftp" + strings.TrimPrefix(broken.URL, "http"), 2, 2},
		{broken.URL + "/?", 2, 2},
		{"http://", 2, 2},
	} {
		if code, _, text := once(t, "raise", "a", "--url", x.url); code != x.raise {
			t.Errorf("raise, %s: exit code %d, want %d: %s", x.url, code, x.raise, text)
		}
		if code, _, text := once(t, "sense", "--url", x.url); code != x.look {
			t.Errorf("sense, %s: exit code %d, want %d: %s", x.url, code, x.look, text)
		}
	}
}

func TestCommandsSayWhatIsWrongWithTheServer(t *testing.T) {
	const token = "a-token-of-some-length"
	t.Setenv("EPHEMERA_RETRY_TIMEOUT", "10ms")
	r := serve(t, t.TempDir(), "--token-file", write(t, "token", token))
	url := "--url=" + r.url
	right, wrong := "--token-file="+write(t, "right", token), "--token-file="+write(t, "wrong", token+"x")
	for _, args := range [][]string{{"read", "a"}, {"append", "a", "1"}, {"raise", "a"}, {"sense"}, {"stats"}, {"tail", "a"}} {
		if code, _, text := once(t, append(args, url, wrong)...); code != 8 || strings.Contains(text, token) {
			t.Errorf("%v with a wrong token: exit code %d: %s", args, code, text)
		}
		if args[0] != "tail" {
			ok(t, append(args, url, right)...)
		}
		if code, _, text := once(t, append(args, "--url=http://127.0.0.1:1", right)...); code != 7 {
			t.Errorf("%v without a server: exit code %d: %s", args, code, text)
		}
	}
}

func TestSnapshotCommands(t *testing.T) {
	dir := t.TempDir()
	data := "--data=" + dir
	r := serve(t, dir)
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":1}`)
	r.want(200, nil, "POST", "/admin/snapshot", "")
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":2}`)
	r.want(200, nil, "POST", "/admin/snapshot", "")
	if out := ok(t, "snapshot", "ls", data); !strings.Contains(out, "streams 2: ") || !strings.Contains(out, " 2 events") {
		t.Errorf("beside the server: %s", out)
	}
	if out := ok(t, "snapshot", "verify", data); !strings.Contains(out, "streams: 2 snapshots") {
		t.Errorf("%s", out)
	}
	var m struct {
		Ordinal  uint64
		Sections []struct{ Name string }
	}
	if out := ok(t, "snapshot", "show", "streams", "2", data); json.Unmarshal([]byte(out), &m) != nil || m.Ordinal != 2 || len(m.Sections) != 1 {
		t.Errorf("%s", out)
	}
	for _, flag := range []string{"--tls-cert=x", "--restore=empty", "--listen=:1", "--token-file=x", "--max-body=1", "--snapshot-interval=1m", "--signals=mem://"} {
		if code, _, _ := once(t, "snapshot", "restore", "streams", "1", data, flag); code != 2 {
			t.Errorf("restore with %s: exit code %d", flag, code)
		}
	}
	if code, _, text := once(t, "snapshot", "restore", "streams", "1", data); code != 4 {
		t.Errorf("restore beside a server: exit code %d: %s", code, text)
	}
	if code, _, text := once(t, "snapshot", "prune", data); code != 4 {
		t.Errorf("prune beside a server: exit code %d: %s", code, text)
	}
	r.stop()
	if out := ok(t, "snapshot", "restore", "streams", "1", data); !strings.Contains(out, "1 events of snapshot 1 are the newest now, as snapshot 4") {
		t.Errorf("%s", out)
	}
	r = serve(t, dir)
	if got := r.want(200, nil, "GET", "/streams/a", ""); !strings.Contains(got.body, `"data":1`) || strings.Contains(got.body, `"data":2`) {
		t.Errorf("%s", got.body)
	}
	r.stop()
	ok(t, "snapshot", "prune", "--keep=1", data)
	if out := ok(t, "snapshot", "ls", data, "--json"); strings.Count(out, `"name":"streams"`) != 1 {
		t.Errorf("%s", out)
	}
	if code, _, text := once(t, "snapshot", "ls", "--data="+filepath.Join(dir, "no")); code == 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
	if code, _, _ := once(t, "snapshot", "show", "streams", "99", data); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// TestMissingObject: a snapshot that lacks an object is damaged, as one with a wrong byte is.
func TestMissingObject(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, dir)
	orders(r)
	r.stop()
	objects, err := filepath.Glob(filepath.Join(dir, "snapshots", "blobs", "streams+", "objects+", "*"))
	if err != nil || len(objects) != 1 || os.Remove(objects[0]) != nil {
		t.Fatal(objects, err)
	}
	for _, args := range [][]string{{"snapshot", "verify", "--data", dir}, {"copy", "file:" + dir + "/snapshots", "mem://"}} {
		if code, out, text := once(t, args...); code != 5 || !strings.Contains(text, filepath.Base(objects[0])) {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, text)
		}
	}
}

// Who mistypes where a backup is made from, or where it is, is told so, and nothing is made there.
func TestPlacesThatAreNotThere(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	serve(t, data, "--snapshots", "mem://").stop()
	for _, args := range [][]string{
		{"copy", "file:" + dir + "/no", "mem://"},
		{"copy", "sqlite:" + dir + "/no.db", "mem://"},
		{"copy", "file:" + dir + "/no", "mem://", "--signals"},
		{"copy", "sqlite:" + dir + "/no.db?synchronous=full", "mem://", "--signals"},
		{"snapshot", "verify", "--snapshots", "file:" + dir + "/no"},
		{"snapshot", "ls", "--snapshots", "sqlite:" + dir + "/no.db"},
		{"snapshot", "prune", "--snapshots", "file:" + dir + "/no"},
		{"snapshot", "prune", "--snapshots", "sqlite:" + dir + "/no.db"},
		{"snapshot", "restore", "streams", "1", "--data", data, "--snapshots", "file:" + dir + "/no"},
		{"snapshot", "restore", "streams", "1", "--data", data, "--snapshots", "sqlite:" + dir + "/no.db"},
		{"snapshot", "restore", "streams", "1", "--data", data},
		{"snapshot", "verify", "--snapshots", "mem://"}, // it is there, and empty
	} {
		if code, out, text := once(t, args...); code != 1 {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, text)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(data, "snapshots")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// Who goes back to a snapshot keeps the signals, however many, and readers of them are told of no crash.
func TestSnapshotRestoreLeavesSignals(t *testing.T) {
	dir, signals := t.TempDir(), "file:"+t.TempDir()
	told := func(r *running, after string) string {
		t.Helper()
		client := remote.Client{Base: r.url, HTTP: &http.Client{Transport: later{after}}}
		var b strings.Builder
		_ = client.Follow(t.Context(), "/signals", nil, func(f remote.Frame) error {
			fmt.Fprintf(&b, "%s %s\n", f.ID, f.Event)
			if f.Event == "caughtup" {
				return io.EOF
			}
			return nil
		})
		return b.String()
	}
	r := serve(t, dir, "--signals", signals, "--signal-keep=0")
	r.want(http.StatusCreated, nil, "POST", "/streams/a", `{"data":1}`)
	for range 3 {
		r.want(http.StatusCreated, nil, "POST", "/signals?flush=true", `{"name":"s"}`)
	}
	last := regexp.MustCompile(`\S+:3`).FindString(told(r, ""))
	r.stop()
	ok(t, "snapshot", "restore", "streams", "1", "--data", dir) // as if they were in the data directory
	t.Setenv("EPHEMERA_SIGNALS", signals)
	t.Setenv("EPHEMERA_SIGNAL_KEEP", "1")
	ok(t, "snapshot", "restore", "streams", "1", "--data", dir)
	r = serve(t, dir, "--signal-keep=0")
	if got := told(r, last); got != " caughtup\n" {
		t.Errorf("behind %s: %s", last, got)
	}
	if got := r.want(200, nil, "GET", "/signals", ""); strings.Count(got.body, `"name"`) != 3 {
		t.Errorf("%s", got.body)
	}
}

// later sends Last-Event-ID.
type later struct{ id string }

func (l later) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Last-Event-ID", l.id)
	return http.DefaultTransport.RoundTrip(r)
}

func TestCopy(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	r := serve(t, dir)
	orders(r)
	r.want(http.StatusCreated, nil, "POST", "/signals", `{"name":"a"}`)
	r.stop()
	from, to := "file:"+dir+"/snapshots", "sqlite:"+other+"/x.db"
	if out := ok(t, "copy", from, to); !strings.Contains(out, "streams: 1 snapshots") || !strings.Contains(out, "metrics: ") {
		t.Errorf("%s", out)
	}
	if out := ok(t, "copy", from, to, "--json"); !strings.Contains(out, `"objects":0`) {
		t.Errorf("again: %s", out)
	}
	signals := []string{"copy", "sqlite:" + dir + "/signals.db", "file:" + other + "/s", "--signals"}
	if out := ok(t, signals...); out != "1 signals copied; 0 were there\n" {
		t.Errorf("%q", out)
	}
	if out := ok(t, signals...); out != "0 signals copied; 1 were there\n" {
		t.Errorf("again: %q", out)
	}
	r = serve(t, t.TempDir(), "--snapshots", to, "--signals", "file:"+other+"/s")
	var all []event
	if r.want(200, &all, "GET", "/streams/orders/eu", ""); len(all) != 3 {
		t.Errorf("%d events from the copy", len(all))
	}
	if code, _, text := once(t, append(signals, "--newest")...); code != 2 || !strings.Contains(text, "--newest") {
		t.Errorf("--signals --newest: exit code %d: %s", code, text)
	}
	if code, _, text := once(t, "copy", "mem://empty-one", "mem://another"); code != 1 || !strings.Contains(text, "no snapshot") {
		t.Errorf("exit code %d: %s", code, text)
	}
}

func TestEveryHelpHasExamples(t *testing.T) {
	commands := []string{
		"serve", "demo", "ingest", "append", "read", "tail", "raise", "sense", "health", "stats", "snapshot ls", "snapshot verify", "snapshot show",
		"snapshot restore", "snapshot prune", "copy", "config show", "version", "completion",
	}
	all := ok(t, "--help")
	for _, c := range commands {
		if out := ok(t, append(strings.Fields(c), "--help")...); !strings.Contains(out, "Examples:") || !strings.Contains(out, "ephemera "+c) {
			t.Errorf("%s: %s", c, out)
		}
		if !strings.Contains(all, fmt.Sprintf("\n  %s ", c)) {
			t.Errorf("--help does not list %s", c)
		}
	}
	_, list, _ := strings.Cut(all, "Commands:")
	if n := strings.Count(list, "\n  "); n < len(commands) {
		t.Errorf("%d commands in the help, %d in this test", n, len(commands))
	}
}

func TestCompletionIsAScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := ok(t, "completion", shell); !strings.Contains(out, "snapshot") || !strings.Contains(out, "snapshot-keep") {
			t.Errorf("%s: %s", shell, out)
		}
	}
}

func TestVersion(t *testing.T) {
	if out := ok(t, "version", "--json"); !json.Valid([]byte(out)) {
		t.Errorf("%q", out)
	}
	if out, flag := ok(t, "version"), ok(t, "--version"); out != flag || !strings.HasPrefix(out, "ephemera ") {
		t.Errorf("version says %q, --version %q", out, flag)
	}
}

// TestUnknownOutcomeHasItsOwnCode: the reply to an append is lost, and its repetition is refused. A script must not take that
// for "nothing is stored", nor for "no server".
func TestUnknownOutcomeHasItsOwnCode(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
	}{
		"conflict":  {412, `{"code":"conflict","currentVersion":1,"epoch":"0102030405060708090a0b0c0d0e0f10"}`},
		"denied":    {401, `{}`},
		"not there": {503, `{"code":"closed"}`},
	} {
		var tries atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tries.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		code, _, text := once(t, "append", "a", "1", "--expect=5", "--url="+s.URL, "--retry-timeout=300ms")
		s.Close()
		if code != 10 || !strings.Contains(text, "outcome unknown") {
			t.Errorf("lost, then %s: exit code %d: %s", name, code, text)
		}
	}
}

// TestInterruptedAppendIsUnknown: Ctrl-C while the server has the request.
func TestInterruptedAppendIsUnknown(t *testing.T) {
	arrived, free := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-free
	}))
	defer s.Close()
	defer close(free)
	r := run(t, "append", "a", "1", "--url="+s.URL)
	<-arrived
	r.signals <- syscall.SIGINT
	if code := r.end(); code != 10 {
		t.Errorf("exit code %d: %s", code, r.err)
	}
}
