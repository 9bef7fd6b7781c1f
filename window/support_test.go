package window

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// A handClock is moved by the test.
type handClock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *handClock { return &handClock{t: noon} }

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// pick returns the size for this kind of run.
func pick[N any](long, short N) N {
	if raceDetector || testing.Short() {
		return short
	}
	return long
}

// open makes a window that is closed, and whose accounts are checked, when the test ends.
func open(t testing.TB, o Options) *Window {
	t.Helper()
	w, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close()
		balanced(t, w)
	})
	return w
}

// manual are options under which nothing is written before somebody asks.
func manual(s sinks.SignalStore) Options {
	return Options{Store: s, FlushInterval: Forever, HighWater: 1 << 30}
}

// balanced checks both equations of Stats.
func balanced(t testing.TB, w *Window) Stats {
	t.Helper()
	s := w.Stats()
	if s.Raised+s.Restored != uint64(s.Visible)+s.Discarded+s.Cleared+s.Expired {
		t.Errorf("memory: %d raised + %d restored is not %d visible + %d discarded + %d cleared + %d expired",
			s.Raised, s.Restored, s.Visible, s.Discarded, s.Cleared, s.Expired)
	}
	if w.o.Store != nil && s.Raised != s.Persisted+s.Pending+s.Dropped {
		t.Errorf("store: %d raised is not %d persisted + %d pending + %d dropped", s.Raised, s.Persisted, s.Pending, s.Dropped)
	}
	return s
}

func memory(t testing.TB) sinks.SignalStore {
	t.Helper()
	s, err := sinks.OpenSignals(context.Background(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// eachStore runs a test with every driver that is at hand; reopen closes the store, if it is open, and opens it again.
func eachStore(t *testing.T, f func(t *testing.T, reopen func() sinks.SignalStore)) {
	for name, url := range map[string]string{
		"mem": fmt.Sprint("mem://window-", rand.Uint64()), "file": "file://" + filepath.ToSlash(t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			var store sinks.SignalStore
			shut := func() {
				if store != nil {
					wantError(t, "Close", store.Close(), nil)
				}
			}
			t.Cleanup(shut)
			f(t, func() sinks.SignalStore {
				shut()
				var err error
				if store, err = sinks.OpenSignals(context.Background(), url); err != nil {
					t.Fatal(err)
				}
				return store
			})
		})
	}
}

// faulty returns a store that misbehaves as the rules say, and the store beneath.
func faulty(t testing.TB, rules string) (s, inner sinks.SignalStore, plan *faultstore.Plan) {
	t.Helper()
	plan, err := faultstore.Parse(rules)
	if err != nil {
		t.Fatal(err)
	}
	inner = memory(t)
	return faultstore.Signals(inner, plan), inner, plan
}

// rows returns everything in a store.
func rows(t testing.TB, s sinks.SignalStore) []sinks.Signal {
	t.Helper()
	list, err := s.Read(context.Background(), 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func raise(t testing.TB, w *Window, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := w.Raise(name, "k"); err != nil {
			t.Fatalf("Raise(%q): %v", name, err)
		}
	}
}

// raiseMany raises n signals "many.{i mod 10}" with i as their key.
func raiseMany(t testing.TB, w *Window, n int) {
	t.Helper()
	for i := range n {
		if _, err := w.Raise(fmt.Sprint("many.", i%10), fmt.Sprint(i)); err != nil {
			t.Fatalf("Raise: %v", err)
		}
	}
}

func flush(t testing.TB, w *Window) {
	t.Helper()
	if err := w.Flush(context.Background()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func load(t testing.TB, w *Window, o LoadOptions) LoadReport {
	t.Helper()
	r, err := w.Load(context.Background(), o)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if r.Read != r.Restored+r.Known+r.TooOld+r.Expired+r.NoRoom+r.Refused {
		t.Errorf("the report does not add up: %+v", r)
	}
	return r
}

func sense(t testing.TB, w *Window, pattern string) []Signal {
	t.Helper()
	list, err := w.Sense(pattern)
	if err != nil {
		t.Fatalf("Sense(%q): %v", pattern, err)
	}
	return list
}

func names(list []Signal) []string {
	out := []string{}
	for i := range list {
		out = append(out, list[i].Name)
	}
	return out
}

// told returns the names of the diagnostics that a pattern covers.
func told(t testing.TB, w *Window, pattern string) []string {
	t.Helper()
	return names(sense(t, w.Diagnostics(), pattern))
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // much faster than a comparison that can explain itself
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

// eventually polls without sleeping until ok, and fails after 20 seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("did not happen in 20 seconds: %s", what)
		}
	}
}
