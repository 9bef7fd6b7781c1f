package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// serverKill is the part that needs the program.
const serverKill = "server-kill"

// A serverPlan describes servers that are killed under load, one after the other, on one place.
type serverPlan struct {
	Driver   string // of the snapshots
	Interval time.Duration
	Writers  int
	Kills    int
	Appends  int64 // acknowledged before a kill
}

func (p *programme) serverKill(ctx context.Context, t *testing.T, _ uint64) (plan any, err error) {
	c := serverPlan{
		Driver: p.drawDriver(), Interval: time.Duration(p.between(5e6, 2e8)), Writers: 1 + p.rng.IntN(8), Kills: int(p.pickSize(5, 1)),
	}
	if c.Driver == "mem" {
		c.Driver = "file"
	}
	s := &besieged{
		bin: p.server, dir: t.TempDir(), snapshots: placeFor(c.Driver).url(t), interval: c.Interval, there: make([]int, c.Writers),
	}
	for range c.Kills {
		if ctx.Err() != nil {
			break
		}
		c.Appends = int64(p.between(p.pickSize(200, 100), p.pickSize(5000, 200)))
		if err := s.liveAndDie(t, c.Appends); err != nil {
			return c, err
		}
		p.Kills++
	}
	if err := s.endWell(t); err != nil {
		return c, err
	}
	p.LostInCrashes += uint64(s.lost)
	p.ServerAppends += s.appends
	p99, _ := s.took.Percentile(99)
	p.WorstServerP99 = max(p.WorstServerP99, int64(p99))
	return c, nil
}

// buildServer builds the program for a test that the workspace knows it in.
func buildServer(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "ephemera")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/ephemera-go/ephemera/server/cmd/ephemera")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// A besieged server is killed, and comes back on the same data.
type besieged struct {
	bin, dir, snapshots string
	interval            time.Duration

	cmd   *exec.Cmd
	over  chan struct{} // closed when the process has ended
	url   string
	bound time.Time // nothing from before it is missing
	log   bytes.Buffer

	there         []int // events that each stream had when the process began
	appends, lost int
	took          core.Histogram // nanoseconds of appends
}

// An ackedAppend is one that was answered, and when.
type ackedAppend struct {
	n  int
	at time.Time
}

// notBefore is what a server says about events that may be missing.
var notBefore = regexp.MustCompile(`^streams: what was appended after (\S+) is not in it`)

// start returns when the server is ready.
func (s *besieged) start(t *testing.T) error {
	t.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), s.bin, "serve", "--listen=127.0.0.1:0", "--data="+s.dir,
		"--snapshots="+s.snapshots, "--snapshot-interval="+s.interval.String(), "--stream-events=1000000", "--log-level=error")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what a terminal sends to the test is not for it
	s.log.Reset()
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready, over := make(chan string, 1), make(chan struct{})
	s.over, s.bound = over, time.Time{}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-over
	})
	var told string
	go func() {
		defer close(over)
		defer close(ready)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := notBefore.FindStringSubmatch(lines.Text()); m != nil {
				told = m[1]
			}
			if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
				ready <- url
			}
		}
		_ = s.cmd.Wait()
	}()
	s.url = <-ready
	if s.url == "" {
		<-over
		return fmt.Errorf("the server does not start: %s", &s.log)
	}
	if told != "" {
		s.bound, err = time.Parse(time.RFC3339Nano, told)
	}
	return err
}

// liveAndDie starts a server, compares what it has with what there was, and kills it after so many appends.
func (s *besieged) liveAndDie(t *testing.T, appends int64) error {
	t.Helper()
	if err := s.start(t); err != nil {
		return err
	}
	acknowledged := newQuota(appends)
	var writers sync.WaitGroup
	done, took := make([][]ackedAppend, len(s.there)), make([]core.Histogram, len(s.there))
	for w, first := range s.there {
		writers.Go(func() { done[w] = s.write(t, w, first+1, acknowledged, &took[w]) })
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		writers.Wait()
	}()
	if err := s.await(acknowledged, stopped); err != nil {
		return err
	}
	if err := s.kill(); err != nil {
		return err
	}
	<-stopped
	if err := s.start(t); err != nil {
		return err
	}
	for w := range done {
		if err := s.compare(t, w, done[w]); err != nil {
			return err
		}
		s.took.Merge(&took[w])
	}
	return s.kill()
}

// await returns when the quota is met. It is an error if the server or all of its writers stop before.
func (s *besieged) await(q *quota, stopped <-chan struct{}) error {
	select {
	case <-q.met:
		return nil
	case <-stopped:
	case <-s.over:
	}
	if err := s.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-stopped
	return fmt.Errorf("the server or its writers stop by themselves: %s", &s.log)
}

func (s *besieged) kill() error {
	err := s.cmd.Process.Kill()
	<-s.over
	return err
}

// write appends numbers to a stream until the server is gone.
func (s *besieged) write(t *testing.T, w, first int, acknowledged *quota, took *core.Histogram) (done []ackedAppend) {
	c := &http.Client{Transport: new(http.Transport)}
	defer c.CloseIdleConnections()
	for n := first; ; n++ {
		r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprint(s.url, "/streams/k/", w), strings.NewReader(fmt.Sprintf(`{"data":%d}`, n)))
		if err != nil {
			t.Error(err)
			return done
		}
		r.Header.Set("Content-Type", "application/json")
		began := time.Now()
		resp, err := c.Do(r)
		if err != nil {
			return done
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Errorf("append %d to stream %d: %s", n, w, resp.Status)
			return done
		}
		took.Add(float64(time.Since(began)))
		done = append(done, ackedAppend{n, time.Now()})
		acknowledged.one()
	}
}

// compare wants a prefix of what was appended to a stream: at least what an earlier server had, and all from before the bound.
func (s *besieged) compare(t *testing.T, w int, done []ackedAppend) error {
	t.Helper()
	now, err := s.count(t, w)
	if err != nil {
		return err
	}
	if now < s.there[w] {
		return fmt.Errorf("stream %d has %d events, and had %d in the server before", w, now, s.there[w])
	}
	for _, a := range done {
		if a.n > now && a.at.Before(s.bound) {
			return fmt.Errorf("stream %d: event %d, of %v, is lost; the server says that none from before %v is", w, a.n, a.at, s.bound)
		}
	}
	s.appends += len(done)
	s.lost += max(0, s.there[w]+len(done)-now)
	s.there[w] = now
	return nil
}

// count returns how many events a stream has, which must be 1, 2, 3, ….
func (s *besieged) count(t *testing.T, w int) (n int, err error) {
	t.Helper()
	c := &http.Client{Transport: new(http.Transport)}
	defer c.CloseIdleConnections()
	for {
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/streams/k/%d?from=%d&limit=10000", s.url, w, n+1), nil)
		if err != nil {
			return n, err
		}
		resp, err := c.Do(r)
		if err != nil {
			return n, err
		}
		var page []struct{ Version, Data int }
		err = json.NewDecoder(resp.Body).Decode(&page)
		_ = resp.Body.Close()
		if err != nil {
			return n, err
		}
		if len(page) == 0 {
			return n, nil
		}
		for _, e := range page {
			if n++; e.Version != n || e.Data != n {
				return n, fmt.Errorf("stream %d: event %d has version %d and data %d", w, n, e.Version, e.Data)
			}
		}
	}
}

// endWell lets a server end by SIGTERM in the middle of the load: it exits with 0, and the next one has everything that was
// acknowledged.
func (s *besieged) endWell(t *testing.T) error {
	t.Helper()
	if err := s.start(t); err != nil {
		return err
	}
	acknowledged := newQuota(50)
	var done []ackedAppend
	var took core.Histogram
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		done = s.write(t, 0, s.there[0]+1, acknowledged, &took)
	}()
	if err := s.await(acknowledged, stopped); err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.over
	<-stopped
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("SIGTERM: exit code %d: %s", code, &s.log)
	}
	s.appends += len(done)
	if err := s.start(t); err != nil {
		return err
	}
	if n, err := s.count(t, 0); err != nil || n < s.there[0]+len(done) {
		return fmt.Errorf("%d events behind SIGTERM, %d were acknowledged; %w", n, s.there[0]+len(done), err)
	}
	return s.kill()
}
