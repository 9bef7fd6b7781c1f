package verify

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// page follows a stream as docs/http.md says, and keeps what comes.
const page = `<!doctype html><script>
	window.got = []; window.notes = []
	const show = (version, data, id) => window.got.push([version, data, id])
	const ready = note => window.notes.push(["caughtup", note])
	const lost = note => window.notes.push(["gap", note])
	%s
</script>`

// TestClientsBrowser: the EventSource of a browser gets each event once, is told when it has caught up, and after its
// connection broke goes on behind the last event by itself.
func TestClientsBrowser(t *testing.T) {
	t.Parallel()
	path := program(t, "chromium", "chromium-browser", "google-chrome")
	script := httpDocs(t, "js")[0]
	var cut atomic.Pointer[context.CancelFunc]
	var connections atomic.Int32
	s, log := clientServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, page, script)
				return
			}
			if r.URL.Path != "/streams/orders" { // an icon, say
				http.NotFound(w, r)
				return
			}
			connections.Add(1)
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			cut.Store(&cancel)
			h.ServeHTTP(w, r.WithContext(ctx))
		})
	})
	appendNumbers(t, log, "orders", 1, 3)
	ctx := browser(t, path)
	if err := chromedp.Do(ctx, chromedp.Navigate(s.URL+"/")); err != nil {
		t.Fatal(err)
	}
	until := func(expression string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(10e6), chromedp.WithPollingTimeout(clientTimeout))); err != nil {
			state, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify([window.got, window.notes, source.readyState])`))
			t.Fatal(expression, err, state, connections.Load())
		}
	}
	until(`window.notes.length == 1`)
	appendNumbers(t, log, "orders", 4, 5)
	until(`window.got.length == 5`)
	(*cut.Load())()
	appendNumbers(t, log, "orders", 6, 9)
	until(`window.got.length >= 9 && window.notes.length == 2`)
	appendNumbers(t, log, "orders", 10, 10)
	until(`window.got.length >= 10`)
	want := "["
	for i := 1; i <= 10; i++ {
		want += fmt.Sprintf(`[%d,%d,"%s:%d"],`, i, i, log.Epoch(), i)
	}
	want = want[:len(want)-1] + "]"
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(window.got)`))
	if err != nil || got != want {
		t.Errorf("the browser got\n%s, %v\nwant\n%s", got, err, want)
	}
	notes, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(window.notes.map(n => n[0] + !!n[1].at + n[1].epoch))`))
	if want := fmt.Sprintf(`["caughtuptrue%[1]s","caughtuptrue%[1]s"]`, log.Epoch()); err != nil || notes != want {
		t.Error(notes, err)
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// browser starts one and ends it with the test.
func browser(t *testing.T, path string) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	return ctx
}
