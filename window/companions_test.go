package window

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestAnomaly(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now})
	a := Anomaly{Window: w, Pattern: "error.*"}
	for i := range 6 {
		if found, err := a.Detected(); found != (i >= 5) || err != nil {
			t.Errorf("%d errors: %v, %v", i, found, err)
		}
		raise(t, w, "error.io", "fine")
		c.advance(time.Second)
	}
	if n, err := a.Count(); n != 6 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	c.advance(9 * time.Second)
	if found, _ := a.Detected(); found {
		t.Error("an old burst is found")
	}
	_, err := Anomaly{Window: w, Span: -1}.Detected()
	wantError(t, "span", err, ErrOption)
	_, err = Anomaly{}.Detected()
	wantError(t, "no window", err, ErrOption)
	_, err = Anomaly{Window: w, Pattern: ","}.Detected()
	wantError(t, "pattern", err, ErrPattern)
}

func TestBreaker(t *testing.T) {
	c := newClock()
	w := open(t, Options{Clock: c.now})
	b := Breaker{Window: w, Key: "db", Threshold: 3, Span: time.Minute}
	for _, second := range []int{0, 10, 20} {
		if on, err := b.IsOpen(); on || err != nil {
			t.Errorf("open at %d: %v", second, err)
		}
		if _, err := w.RaiseSignal(Signal{Name: "error:Timeout", Key: "db"}); err != nil {
			t.Fatal(err)
		}
		raise(t, w, "error:Timeout") // another key
		c.advance(10 * time.Second)
	}
	wait, err := b.ClosesIn() // at 30 s; the first failure leaves behind 60 s
	if wait != 30*time.Second+1 || err != nil {
		t.Errorf("closes in %v, %v", wait, err)
	}
	c.advance(wait - 1)
	if on, _ := b.IsOpen(); !on {
		t.Error("closed too early")
	}
	c.advance(1)
	if on, _ := b.IsOpen(); on {
		t.Error("does not close")
	}
	_, err = Breaker{Window: w, Threshold: -1}.IsOpen()
	wantError(t, "threshold", err, ErrOption)
	_, err = Breaker{}.ClosesIn()
	wantError(t, "no window", err, ErrOption)
}

func TestCausalPaths(t *testing.T) {
	var blocked []string
	l := Limits{
		MaxDepth: 3, Terminal: []string{"end"}, Leaf: []string{"leaf"},
		OnBlocked: func(name string, _ []string, _ error) { blocked = append(blocked, name) },
	}
	s := Signal{Name: "a", Key: "k", Operation: 5}
	for _, name := range []string{"b", "c", "d"} {
		next, err := l.Cause(&s, name)
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	equal(t, "path", s, Signal{Name: "d", Key: "k", Operation: 5, Path: []string{"a", "b", "c"}})
	_, err := l.Cause(&s, "e")
	wantError(t, "depth", err, ErrDepth)
	for _, name := range []string{"a", "c", "d"} {
		_, err = l.Cause(&s, name)
		wantError(t, "cycle", err, ErrCycle)
	}
	_, err = l.Cause(&Signal{Name: "end"}, "x")
	wantError(t, "terminal", err, ErrTerminal)
	leaf, err := l.Cause(&Signal{Name: "a", Path: []string{"z"}}, "leaf")
	if err != nil || leaf.Path != nil {
		t.Errorf("%+v, %v", leaf, err)
	}
	l.AllowCycles = true
	if _, err = l.Cause(&Signal{Name: "a"}, "a"); err != nil {
		t.Error(err)
	}
	equal(t, "blocked", blocked, []string{"e", "a", "c", "d", "x"})
	w := open(t, Options{})
	if _, err := w.RaiseSignal(s); err != nil {
		t.Fatal(err)
	}
	equal(t, "in the window", sense(t, w, "d")[0].Depth(), 3)
}

func TestHandler(t *testing.T) {
	w := open(t, Options{})
	log := slog.New(NewHandler(w, HandlerOptions{Key: "user"}))
	log.Debug("not raised")
	log.With("user", "ada").WithGroup("http").Info("Request served!", "status", 200, slog.Group("in", "n", 1))
	log.Error("It failed", "cause", io.ErrUnexpectedEOF, "odd", func() {})
	log.Warn("###", "user", "x\x00\xff")
	list := sense(t, w, "log.*")
	equal(t, "names", names(list), []string{"log.info.request-served", "log.error.it-failed:error", "log.warn.none"})
	equal(t, "key", list[0].Key, "ada")
	var fields map[string]any
	if err := json.Unmarshal(list[0].Data, &fields); err != nil {
		t.Fatal(err)
	}
	equal(t, "data", fields, map[string]any{
		"level": "INFO", "message": "Request served!", "user": "ada", "http.status": 200.0, "http.in.n": 1.0,
	})
	if !strings.Contains(string(list[1].Data), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("data %s", list[1].Data)
	}
	_ = w.Close()
	err := NewHandler(w, HandlerOptions{}).Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelError, "late", 0))
	wantError(t, "Handle", err, ErrClosed)
}

// Each new match is logged once, also when its name, key and operation are those of another, and restored ones are not.
func TestLogSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory(t)
		earlier(t, store, 10, always(time.Now()))
		o := manual(store)
		o.Clock = time.Now
		w := open(t, o)
		var mu sync.Mutex
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		x, err := LogSignals(w, "error*,warn.*,debug.*,other,old.*", log, WatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		load(t, w, LoadOptions{})
		raise(t, w, "error:Timeout", "error:Timeout", "warn.disk", "debug.x", "other", "quiet")
		synctest.Wait()
		x.Stop()
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		if len(lines) != 5 {
			t.Fatalf("%d lines:\n%s", len(lines), text.String())
		}
		for i, level := range []string{"ERROR", "ERROR", "WARN", "DEBUG", "INFO"} {
			if !strings.Contains(lines[i], "level="+level) {
				t.Errorf("line %d: %s", i, lines[i])
			}
		}
	})
	_, err := LogSignals(open(t, Options{}), "", nil, WatchOptions{})
	wantError(t, "no logger", err, ErrOption)
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// A watcher that panics in its callback goes on with the next match.
func TestWatchGoesOnAfterAPanic(t *testing.T) {
	w := open(t, Options{})
	x, err := w.Watch("a", func(Signal) { panic(errors.New("callback")) }, WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raise(t, w, "a", "a", "a")
	eventually(t, "three calls", func() bool { return x.Stats().Panics == 3 })
}

// The breaker agrees with a plain recomputation, in whatever order failures come and of whatever times they are.
func TestBreakerAgainstALoop(t *testing.T) {
	for seed := range uint64(pick(300, 50)) {
		r := rand.New(rand.NewPCG(seed, 4))
		c := newClock()
		w := open(t, Options{Clock: c.now, MaxAge: Forever, Capacity: 50})
		b := Breaker{Window: w, Span: time.Duration(1+r.IntN(100)) * time.Second, Threshold: 1 + r.IntN(5)}
		var times []time.Time
		for range 40 {
			switch r.IntN(4) {
			case 0:
				c.advance(time.Duration(r.IntN(30)-10) * time.Second) // sometimes back
			case 1:
				raise(t, w, "fine")
			default:
				at := c.now().Add(time.Duration(r.IntN(200)-150) * time.Second)
				if _, err := w.RaiseSignal(Signal{Name: "error.x", Time: at}); err != nil {
					t.Fatal(err)
				}
				times = append(times, at)
			}
			want := time.Duration(0)
			slices.SortFunc(times, time.Time.Compare)
			if len(times) >= b.Threshold {
				want = max(0, times[len(times)-b.Threshold].Add(b.Span).Sub(c.now())+1)
			}
			if got, err := b.ClosesIn(); got != want || err != nil {
				t.Fatalf("seed %d: closes in %v, want %v: %v", seed, got, want, err)
			}
		}
	}
}

// Failures of the far future keep it open, and the wait does not run over.
func TestBreakerInTheFarFuture(t *testing.T) {
	w := open(t, Options{})
	b := Breaker{Window: w, Threshold: 1}
	if _, err := w.RaiseSignal(Signal{Name: "error", Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	if wait, err := b.ClosesIn(); wait <= 0 || err != nil {
		t.Errorf("closes in %v, %v", wait, err)
	}
	b.Span = Forever
	if on, err := b.IsOpen(); !on || err != nil {
		t.Errorf("open: %v, %v", on, err)
	}
}

// A clock that goes on between the question and the answer must not make the wait negative.
func TestBreakerWhileTimePasses(t *testing.T) {
	var tick atomic.Int64
	w := open(t, Options{Clock: func() time.Time { return noon.Add(time.Duration(tick.Add(int64(time.Second)))) }})
	for span := range time.Duration(12) {
		b := Breaker{Window: w, Threshold: 1, Span: (1 + span) * time.Second}
		raise(t, w, "error")
		for range 10 {
			if wait, err := b.ClosesIn(); wait < 0 || err != nil {
				t.Errorf("span %v: closes in %v, %v", b.Span, wait, err)
			}
		}
	}
}

func TestCausalPathLimits(t *testing.T) {
	w := open(t, Options{})
	for _, depth := range []int{-1, sinks.MaxPathNames + 1} {
		_, err := Limits{MaxDepth: depth}.Cause(&Signal{Name: "a"}, "b")
		wantError(t, "depth out of range", err, ErrOption)
	}
	l := Limits{MaxDepth: sinks.MaxPathNames}
	s := Signal{Name: "n0"}
	for i := 1; i <= sinks.MaxPathNames; i++ {
		next, err := l.Cause(&s, fmt.Sprint("n", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.RaiseSignal(next); err != nil {
			t.Fatalf("what the limits allow is refused: %v", err)
		}
		s = next
	}
	_, err := l.Cause(&s, "more")
	wantError(t, "the longest", err, ErrDepth)
	// A path belongs to its signal alone, also when two are caused by one.
	a, _ := Limits{}.Cause(&Signal{Name: "x", Path: make([]string, 1, 5)}, "a")
	b, _ := Limits{}.Cause(&Signal{Name: "y", Path: a.Path[:1]}, "b")
	equal(t, "paths", [][]string{a.Path, b.Path}, [][]string{{"", "x"}, {"", "y"}})
}
