package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/dashboard"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/window"
)

func options(dir string) state.Options {
	return state.Options{
		Streams: streams.Options{Limits: streams.Limits{Events: 10_000}, MaxStreams: 1000, MaxKeys: 1000, KeyAge: time.Hour},
		Data:    dir, Owner: "a test", Restore: state.Newest, MetricEvents: 1000, SignalCount: 100, SignalAge: time.Hour, Keep: 3,
		FinalTimeout: 10 * time.Second,
	}
}

func open(t *testing.T, dir string) (*state.State, *dashboard.Dashboard) {
	t.Helper()
	s, err := state.Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	d, err := dashboard.New(s, dashboard.Options{Version: "v1.2.3", Login: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func get(t *testing.T, d http.Handler, status int, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if w.Code != status {
		t.Errorf("GET %s: %d, want %d: %.500s", path, w.Code, status, w.Body)
	}
	return w
}

func wantText(t *testing.T, where, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %s in\n%s", where, want, text)
		}
	}
}

func appendTo(t *testing.T, s *state.State, stream string, data ...string) {
	t.Helper()
	a := streams.Append{Stream: stream}
	for _, d := range data {
		a.Events = append(a.Events, streams.Event{Data: []byte(d)})
	}
	if _, err := s.Log.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func raise(t *testing.T, s *state.State, signal window.Signal) {
	t.Helper()
	if _, err := s.Signals.RaiseSignal(signal); err != nil {
		t.Fatal(err)
	}
}

// TestPageWithoutJavaScript: the server renders all that matters.
func TestPageWithoutJavaScript(t *testing.T) {
	s, d := open(t, t.TempDir())
	wantText(t, "empty", get(t, d, http.StatusOK, "/").Body.String(), "No stream yet", "No metrics yet", "v1.2.3", "Log out",
		`<tr><th scope="row">streams</th><td colspan="4">none</td><td>0</td></tr>`)

	for i := range 100 {
		appendTo(t, s, "orders", fmt.Sprintf(`{"amount":%d,"region":"r%d","id":"%d"}`, i+1, i%3/2, i))
	}
	appendTo(t, s, "zoo", `{"animal":"yak"}`)
	raise(t, s, window.Signal{Name: "order.late", Key: "eu", Data: []byte(`{"by":"2h"}`)})
	raise(t, s, window.Signal{Name: "quake.major", Data: []byte{0xff}})
	if _, err := s.Metrics.Store().Append(state.Metric{Label: "queue", Value: 1234.5, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	page := get(t, d, http.StatusOK, "/").Body.String()
	wantText(t, "filled", page,
		`<dt>Events in memory</dt><dd>102</dd>`, `<dt>At risk: saved nowhere yet</dt><dd>10`,
		`<a data-view href="/?stream=orders">orders</a></th><td>100</td><td>100</td><td>1</td>`,
		`<option value="amount" selected>amount</option>`, `<option value="region" selected>region</option>`, // not id, which groups nothing
		`<tr><th scope="row">r0</th><td>67</td></tr>`, `<tr><th scope="row">r1</th><td>33</td></tr>`,
		`<th scope="row">order.late</th><td>eu</td><td class="data">{&#34;by&#34;:&#34;2h&#34;}</td>`, `1 bytes`,
		`<th scope="row">queue</th><td>1234.5</td><td>1</td>`,
		`<tr><th scope="row">streams</th><td>101</td><td>0</td><td>101</td>`, `<td class="good">well</td>`,
	)
	if strings.Contains(page, `class="loss"`) {
		t.Error("loss is told when there is none")
	}
	page = get(t, d, http.StatusOK, "/?stream=zoo&span=all&pattern=quake.*").Body.String()
	wantText(t, "chosen", page, `<th scope="row">yak</th><td>1</td>`, `quake.major`, `value="quake.*"`)
	if strings.Contains(page, "order.late") {
		t.Error("the pattern does not filter")
	}
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	page = get(t, d, http.StatusOK, "/").Body.String()
	wantText(t, "saved", page, `<dt>At risk: saved nowhere yet</dt><dd>0</dd>`)
	if !regexp.MustCompile(`<th scope="row">streams</th><td>1</td><td><time.*</time></td><td>\d+s</td><td>101</td><td>0</td>`).MatchString(page) {
		t.Errorf("no snapshot in\n%s", page)
	}
}

// TestMembersWithSpaces, as columns of CSV files have them, can be chosen: of the text of an option browsers send one space for many
// and none at its ends.
func TestMembersWithSpaces(t *testing.T) {
	s, d := open(t, t.TempDir())
	appendTo(t, s, "orders", `{" amount":1,"a  b":2," region":"eu","<c>":"x"}`)
	wantText(t, "page", get(t, d, http.StatusOK, "/?field=a++b&by=+region").Body.String(),
		`<option value=" amount">`, `<option value="a  b" selected>`, `<option value=" region" selected>`, `<option value="&lt;c&gt;">`)
}

func TestWindowsAreExact(t *testing.T) {
	s, d := open(t, t.TempDir())
	at := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i := range 300 { // a minute apart: ten in each of 30 windows
		_, err := s.Log.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{
			{Time: at.Add(time.Duration(299-i) * time.Minute), Data: []byte(fmt.Sprintf(`{"n":%d,"k":"x"}`, 299-i))},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	page := get(t, d, http.StatusOK, "/?stream=a&span=all&field=n").Body.String()
	row := regexp.MustCompile(`<td data-value="(\d+)">\d+</td><td data-value="(\d+)">\d+</td><td data-value="(\d+)">\d+</td><td data-value="(\d+)">`)
	found := row.FindAllStringSubmatch(page, -1)
	if len(found) != 30 {
		t.Fatalf("%d windows with numbers", len(found))
	}
	first := 0 // the windows are a little shorter than ten minutes, as the last event is no minute long
	for i, m := range found {
		var n, p50, p90, p99 int
		_, err := fmt.Sscan(strings.Join(m[1:], " "), &n, &p50, &p90, &p99)
		if err != nil || n < 9 || n > 10 || p50 != first+(n+1)/2-1 || p90 != first+8 || p99 != first+n-1 {
			t.Errorf("window %d: %v, which begins with %d", i, m[1:], first)
		}
		first += n
	}
	if first != 300 {
		t.Errorf("%d events in all windows", first)
	}
}

// TestWindowsOfAllTimes: times that are further apart than a time.Duration can say.
func TestWindowsOfAllTimes(t *testing.T) {
	s, d := open(t, t.TempDir())
	for _, year := range []int{1, 1900, 2026, 9999} {
		_, err := s.Log.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{
			{Time: time.Date(year, 1, 2, 3, 0, 0, 0, time.UTC), Data: []byte(`1`)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	page := get(t, d, http.StatusOK, "/?stream=a&span=all").Body.String()
	shown := 0
	for _, m := range regexp.MustCompile(`<tr><th scope="row"><time[^>]*>[^<]*</time></th><td data-value="(\d+)">`).FindAllStringSubmatch(page, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		shown += n
	}
	if shown != 4 {
		t.Errorf("%d events in all windows", shown)
	}
}

// TestManyMembers: an event with a great many members is read once, not once for each of them.
func TestManyMembers(t *testing.T) {
	s, d := open(t, t.TempDir())
	members := []string{`"a":"v","b":1`}
	for i := range 50_000 {
		members = append(members, fmt.Sprintf(`"k%05d":"v"`, i), fmt.Sprintf(`"n%05d":%d`, i, i))
	}
	appendTo(t, s, "a", "{"+strings.Join(members[:60_000], ",")+"}")
	done := make(chan string, 1)
	go func() { done <- get(t, d, http.StatusOK, "/?span=all").Body.String() }()
	select {
	case page := <-done:
		if n := strings.Count(page, "<option"); n > 5+2*100 {
			t.Errorf("%d options", n)
		}
		wantText(t, "page", page, `<option value="a" selected>a</option>`, `<option value="b" selected>b</option>`)
	case <-time.After(time.Minute): // it took hours
		t.Fatal("no page in a minute")
	}
}

// TestWindowsSayWhatIsGone: a limit pushed events out, so early windows are not known to be empty.
func TestWindowsSayWhatIsGone(t *testing.T) {
	s, d := open(t, t.TempDir())
	if err := s.Log.SetLimits(t.Context(), "a", streams.Limits{Events: 2}); err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, "a", `1`, `2`)
	if page := get(t, d, http.StatusOK, "/?stream=a&span=1h").Body.String(); strings.Contains(page, "gone") || strings.Contains(page, "≥") {
		t.Errorf("nothing is gone yet:\n%s", page)
	}
	appendTo(t, s, "a", `3`)
	page := get(t, d, http.StatusOK, "/?stream=a&span=1h").Body.String()
	if n := strings.Count(page, "<td>gone</td>"); n != 29 || !strings.Contains(page, `<td data-value="2">≥ 2</td>`) {
		t.Errorf("%d windows are gone:\n%s", n, page)
	}
}

// TestHostileNames: whatever names and data hold is text.
func TestHostileNames(t *testing.T) {
	s, d := open(t, t.TempDir())
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>&{{.}}`
	appendTo(t, s, evil, `{"javascript:alert(1)":1,"`+`</option><script>x\"`+`":"</table><script>y"}`)
	raise(t, s, window.Signal{Name: evil, Key: evil, Data: []byte(`"</td><script>z</script>"`)})
	if _, err := s.Metrics.Store().Append(state.Metric{Label: evil, Value: 1, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	page := get(t, d, http.StatusOK, "/?pattern=%22%3E%3Cscript%3E*").Body.String() + get(t, d, http.StatusOK, "/").Body.String() +
		get(t, d, http.StatusBadRequest, "/?span=%3Cscript%3E").Body.String() + get(t, d, http.StatusBadRequest, "/?%3Cscript%3E=1").Body.String()
	if n := strings.Count(page, "<script"); n != 4 { // its own, on each page
		t.Errorf("%d scripts in\n%s", n, page)
	}
	if strings.Contains(page, "<img") || strings.Contains(page, `href="javascript:`) {
		t.Errorf("markup of others in\n%s", page)
	}
	wantText(t, "page", page, `&lt;script&gt;alert(1)&lt;/script&gt;`)
	long := strings.Repeat("é", 200)
	appendTo(t, s, long, `"`+long+`"`)
	wantText(t, "a long name", get(t, d, http.StatusOK, "/").Body.String(), strings.Repeat("é", 60)+"…</a>")
}

func TestBadQueriesAreToldInThePage(t *testing.T) {
	s, d := open(t, t.TempDir())
	appendTo(t, s, "a", `1`)
	for query, want := range map[string]string{
		"span=2m": "parameter &#34;span&#34;", "x=1": "unknown", "pattern=,": "pattern", "stream=a//b": "a//b", "span=1m&span=1h": "twice",
		"span=%zz": "malformed",
	} {
		wantText(t, query, get(t, d, http.StatusBadRequest, "/?"+query).Body.String(), `role="alert"`, want)
	}
	wantText(t, "nothing there", get(t, d, http.StatusOK, "/?stream=unknown").Body.String(), "Of all 0 events in memory")
}

func TestHeaders(t *testing.T) {
	_, d := open(t, t.TempDir())
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/static/dashboard.js": "text/javascript; charset=utf-8",
		"/static/dashboard.css": "text/css; charset=utf-8", "/static/icon.svg": "image/svg+xml",
		"/static/uPlot.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		h := get(t, d, http.StatusOK, path).Header()
		policy := h.Get("Content-Security-Policy")
		wantText(t, path, policy, "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
			"base-uri 'none'", "form-action 'self'")
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("%s: %s", path, policy)
		}
		if h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
	tag := get(t, d, http.StatusOK, "/static/dashboard.js").Header().Get("ETag")
	get(t, d, http.StatusNotModified, "/static/dashboard.js", "If-None-Match: "+tag)
	for _, path := range []string{"/static/", "/static/..%2fpage.html", "/static/none.js", "/page.html"} {
		get(t, d, http.StatusNotFound, path)
	}
	if page := get(t, d, http.StatusOK, "/").Body.String(); regexp.MustCompile(`(?i)\s(style|on\w+)=|https?://`).MatchString(page) {
		t.Error("the page has what the policy forbids")
	}
}

// TestLossIsTold: after a run that ended without its final snapshot, and after one whose snapshot was damaged.
func TestLossIsTold(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir)
	appendTo(t, s, "a", `1`)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := options(dir)
	o.Ordinals = map[string]uint64{state.StreamsName: 1} // the one before the final one
	s, err := state.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	d, err := dashboard.New(s, dashboard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page := get(t, d, http.StatusOK, "/").Body.String()
	wantText(t, "page", page, `<section class="loss"`, "streams: the last run was cut short; what was appended after")
	if strings.Contains(page, "metrics: the last run") || strings.Contains(page, "Log out") {
		t.Error("too much is told")
	}
}
