package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asProgram makes the test binary be the program.
const asProgram = "EPHEMERA_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A process is a server that can be killed.
type process struct {
	command *exec.Cmd
	out     *output
	over    chan struct{}
	url     string
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	return startCommand(t, os.Args[0], "serve", "--listen=127.0.0.1:0", "--data="+dir, "--snapshot-interval=30ms",
		"--stream-events=1000000", "--log-level=error")
}

// startCommand runs what becomes the program, and waits until it is ready.
func startCommand(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{out: newOutput(), over: make(chan struct{})}
	p.command = exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	p.command.Env = append(os.Environ(), asProgram+"=1")
	p.command.Stdout, p.command.Stderr = p.out, p.out
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.over)
		_ = p.command.Wait()
	}()
	t.Cleanup(p.kill)
	p.url = p.out.wait(t, `(?m)^ready: (\S+)$`, p.over)
	return p
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.over
}

// An acked append is one that was answered.
type acked struct {
	n  int
	at time.Time
}

// load appends numbers from first on, one after the other, until the server is gone, and returns what was answered.
func (p *process) load(t *testing.T, first int, enough chan<- struct{}) []acked {
	var done []acked
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for n := first; ; n++ {
		req, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/streams/k", strings.NewReader(fmt.Sprintf(`{"data":%d}`, n)))
		if err != nil {
			t.Error(err)
			return done
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return done // killed
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Errorf("append %d: %s", n, resp.Status)
			return done
		}
		if done = append(done, acked{n, time.Now()}); len(done) == 1500 {
			close(enough)
		}
	}
}

// restored returns how many events there are, and checks that they are 1, 2, 3, ….
func (p *process) restored(t *testing.T) int {
	t.Helper()
	n := 0
	for {
		req, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/streams/k?from=%d&limit=10000", p.url, n+1), nil)
		if err != nil {
			t.Fatal(err)
		}
		var page []struct{ Version, Data int }
		if err := json.Unmarshal([]byte(send(t, http.DefaultClient, req).body), &page); err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return n
		}
		for _, e := range page {
			if n++; e.Version != n || e.Data != n {
				t.Fatalf("event %d has version %d and data %d", n, e.Version, e.Data)
			}
		}
	}
}

// TestServerKilled: behind each SIGKILL under load the server has a prefix of what was appended, says from when on events may
// be missing, and none from before is. EPHEMERA_KILLS says how often.
func TestServerKilled(t *testing.T) {
	kills := 4
	if testing.Short() {
		kills = 2
	}
	if text := os.Getenv("EPHEMERA_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	p := startProcess(t, dir)
	there, lost, all := 0, 0, 0
	for range kills {
		enough, ended := make(chan struct{}), make(chan []acked)
		go func() { ended <- p.load(t, there+1, enough) }()
		select {
		case <-enough:
		case <-time.After(patience):
			t.Fatal("appends do not get on")
		}
		p.kill()
		done := <-ended
		p = startProcess(t, dir)
		now := p.restored(t)
		bound := p.bound(t)
		for _, a := range done {
			if a.n > now && a.at.Before(bound) {
				t.Fatalf("event %d, of %v, is lost; the server says that none from before %v is", a.n, a.at, bound)
			}
		}
		if now < there {
			t.Fatalf("%d events, and there were %d in the run before", now, there)
		}
		lost += max(0, there+len(done)-now)
		all += len(done)
		there = now
	}
	t.Logf("%d kills, %d appends, %d of them lost", kills, all, lost)
}

// bound is from when on the server says that events may be missing.
func (p *process) bound(t *testing.T) time.Time {
	t.Helper()
	text := p.out.wait(t, `(?m)^streams: (?:what was appended after (\S+) is not in it|no snapshot)`, p.over)
	if text == "" {
		return time.Time{} // killed before there was any
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestProcessEndsWithItsExitCode: the program itself, not only what it is made of.
func TestProcessEndsWithItsExitCode(t *testing.T) {
	p := startProcess(t, t.TempDir())
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.over
	if code := p.command.ProcessState.ExitCode(); code != 0 || !strings.Contains(p.out.String(), "everything is saved") {
		t.Errorf("exit code %d: %s", code, p.out)
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "serve", "--no-such-flag")
	c.Env = append(os.Environ(), asProgram+"=1")
	text, _ := c.CombinedOutput()
	if code := c.ProcessState.ExitCode(); code != 2 || !bytes.Contains(text, []byte("--no-such-flag")) {
		t.Errorf("exit code %d: %s", code, text)
	}
}
