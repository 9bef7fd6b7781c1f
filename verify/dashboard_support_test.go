package verify

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	pagecdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	dashboardToken = "the-token-of-the-dashboard-test"
	screenshots    = "EPHEMERA_SCREENSHOTS" // not empty: the test renews the pictures of docs/images
)

// dashboardJS are functions that measure a page: ink, operable, nameOf and unreadable.
//
//go:embed testdata/dashboard.js
var dashboardJS string

func quoted(text string) string {
	b, _ := json.Marshal(text) // of a string
	return string(b)
}

// serverProcess is the program itself.
type serverProcess struct {
	t         *testing.T
	bin, data string
	cmd       *exec.Cmd
	url       string
	client    *http.Client
}

// startServer builds the program and runs it.
func startServer(t *testing.T) *serverProcess {
	t.Helper()
	return startProgram(t, buildServer(t))
}

func startProgram(t *testing.T, bin string) *serverProcess {
	t.Helper()
	s := &serverProcess{t: t, bin: bin, data: filepath.Join(t.TempDir(), "data"), client: newClient()}
	s.start("127.0.0.1:0")
	t.Cleanup(s.kill)
	return s
}

// newClient returns one that keeps no connection.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

func (s *serverProcess) start(address string) {
	s.t.Helper()
	s.cmd = exec.CommandContext(context.Background(), s.bin, "serve", "--listen", address, "--data", s.data, "--snapshot-interval", "1h")
	s.cmd.Env = append(os.Environ(), "EPHEMERA_TOKEN="+dashboardToken)
	s.cmd.Stderr = io.Discard // its access log
	out, err := s.cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, s.cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
			s.url = url
			return
		}
	}
	s.t.Fatal("the server does not start")
}

func (s *serverProcess) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// restartAfterKill lets an event be lost.
func (s *serverProcess) restartAfterKill() {
	s.t.Helper()
	s.post("/streams/orders", `{"amount":1}`)
	s.kill()
	s.start(strings.TrimPrefix(s.url, "http://"))
}

func (s *serverProcess) post(path, body string) { s.do("POST", path, body) }

// do may be called from other goroutines than the test's.
func (s *serverProcess) do(method, path, body string) {
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+dashboardToken)
	r.Header.Set("Content-Type", "application/json")
	reply, err := s.client.Do(r)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = reply.Body.Close() }()
	if text, err := io.ReadAll(reply.Body); err != nil || reply.StatusCode >= http.StatusBadRequest {
		s.t.Error(method, path, reply.Status, string(text), err)
	}
}

// board is the page in a browser, and everything that it asked for and complained of.
type board struct {
	t      *testing.T
	ctx    context.Context
	server *serverProcess

	mu        sync.Mutex
	requested []string
	messages  []string
}

func openBoard(t *testing.T, ctx context.Context, s *serverProcess) *board {
	t.Helper()
	b := &board{t: t, ctx: ctx, server: s}
	must(t, chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.requested = append(b.requested, e.Request.URL)
		}
	}))
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleDebug { // advice
				continue
			}
			b.mu.Lock()
			b.messages = append(b.messages, m.String()+" "+m.URL)
			b.mu.Unlock()
		}
	}()
	b.run(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, pagecdp.AddScriptToEvaluateOnNewDocument, pagecdp.AddScriptToEvaluateOnNewDocumentParams{Source: dashboardJS})
		return chromedp.Void{}, err
	}, chromedp.EmulateViewport(1200, 900), chromedp.Navigate(s.url+"/login"))
	return b
}

func (b *board) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, clientTimeout)
	defer cancel()
	must(b.t, chromedp.Do(ctx, steps...))
}

func (b *board) evaluate(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		b.t.Fatal(expression, err)
	}
	return text
}

// until waits until an expression is true.
func (b *board) until(expression string) {
	b.t.Helper()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20e6), chromedp.WithPollingTimeout(clientTimeout))
	if _, err := chromedp.Run(b.ctx, poll); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%s: %v\n%.3000s\n%v", expression, err, text, b.messages)
	}
}

// logIn sends the form and waits until the page is alive.
func (b *board) logIn() {
	b.t.Helper()
	b.run(chromedp.Navigate(b.server.url+"/"), chromedp.SendKeys(chromedp.CSS("#token"), dashboardToken+"\r"),
		chromedp.WaitVisible(chromedp.CSS("#feed-state")))
	b.until(`document.querySelector("#feed-state")?.textContent === "live"`)
}

func (b *board) scheme(name string) {
	b.t.Helper()
	b.run(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return chromedp.Void{}, err
	})
	b.until(`matchMedia("(prefers-color-scheme: ` + name + `)").matches`)
}

// contrast wants 4.5 to 1 of all text that is shown, 3 to 1 if it is large (WCAG 2, AA).
func (b *board) contrast(where string) {
	b.t.Helper()
	var found struct {
		Texts int
		Bad   []string
	}
	must(b.t, json.Unmarshal([]byte(b.evaluate(`JSON.stringify(unreadable())`)), &found))
	if len(found.Bad) > 0 || found.Texts < 3 {
		b.t.Errorf("%s: of %d texts these have too little contrast: %v", where, found.Texts, found.Bad)
	}
}

// picture renews a picture of the documentation, if that is wanted.
func (b *board) picture(name string) {
	b.t.Helper()
	if os.Getenv(screenshots) == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(b.t, err)
	must(b.t, os.MkdirAll("../docs/images", 0o755))
	must(b.t, os.WriteFile("../docs/images/dashboard-"+name+".png", png, 0o644))
}

// nothingElse: nothing was asked of anybody else, and nothing went wrong.
func (b *board) nothingElse() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requested) < 20 {
		b.t.Errorf("only %d requests were seen", len(b.requested))
	}
	for _, url := range b.requested {
		if !strings.HasPrefix(url, b.server.url+"/") && url != "about:blank" {
			b.t.Errorf("the page asked for %s", url)
		}
	}
	for _, m := range b.messages {
		b.t.Error("on the console:", m)
	}
}
