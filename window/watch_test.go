package window

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder collects deliveries and gaps in their order.
type recorder struct {
	mu   sync.Mutex
	list []string
	hold chan struct{}
}

func (r *recorder) call(s Signal) {
	r.mu.Lock()
	r.list = append(r.list, s.Key)
	r.mu.Unlock()
	if r.hold != nil {
		<-r.hold
	}
}

func (r *recorder) gap(g Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf("gap %d-%d:%d,%d", g.From, g.To, g.Signals, g.Unseen))
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, " ")
}

// The callback holds the first signal while ten more come: each policy drops and tells exactly the right ones.
func TestWatchPolicies(t *testing.T) {
	for policy, want := range map[Policy]string{
		DropOldest: "0 gap 2-8:7,0 8 9 10 after",
		DropNewest: "0 1 2 3 gap 5-11:7,0 after",
		Block:      "0 1 2 3 4 5 6 7 8 9 10 after",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, Options{Clock: time.Now, MaxBlock: time.Second})
			r := &recorder{hold: make(chan struct{})}
			x, err := w.Watch("many.*", r.call, WatchOptions{Policy: policy, Buffer: 3, OnGap: r.gap})
			if err != nil {
				t.Fatal(err)
			}
			raiseMany(t, w, 1)
			synctest.Wait()
			begin := time.Now()
			for i := range 10 {
				if _, err := w.Raise("many.x", fmt.Sprint(i+1)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			if d := time.Since(begin); (policy == Block) != (d > 0) {
				t.Errorf("policy %d: raises waited %v", policy, d)
			}
			close(r.hold)
			synctest.Wait()
			if _, err := w.Raise("many.x", "after"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			equal(t, fmt.Sprint("policy ", policy), r.text(), want)
			x.Stop()
		})
	}
}

// What left the window before the watcher could look is a gap too.
func TestWatchUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Clock: time.Now, Capacity: 10, MaxBlock: 1})
		r := &recorder{hold: make(chan struct{})}
		x, err := w.Watch("many.*", r.call, WatchOptions{Policy: Block, Buffer: 1, OnGap: r.gap})
		if err != nil {
			t.Fatal(err)
		}
		raiseMany(t, w, 3)
		synctest.Wait()
		n := 3 * w.Store().Capacity()
		raiseMany(t, w, n)
		close(r.hold)
		synctest.Wait()
		s := x.Stats()
		if s.Unseen == 0 || s.Delivered+s.Unseen != uint64(n+3) || s.Dropped != 0 {
			t.Errorf("%+v of %d", s, n+3)
		}
		if gap := fmt.Sprintf("gap %d-%d:0,%d", 4, s.Unseen+3, s.Unseen); !strings.Contains(r.text(), gap) {
			t.Errorf("no %q in %.60s", gap, r.text())
		}
		x.Stop()
	})
}

// Delivered signals and gaps together are everything that was raised, whatever the load.
func TestWatchLosesNothingUntold(t *testing.T) {
	for _, policy := range []Policy{DropOldest, DropNewest, Block} {
		w := open(t, Options{Capacity: 500})
		var missed, unseen uint64
		last, delivered := uint64(0), 0
		r := rand.New(rand.NewPCG(1, 2))
		x, err := w.Watch("hit.*", func(s Signal) {
			if s.Sequence <= last {
				t.Errorf("%d after %d", s.Sequence, last)
			}
			last = s.Sequence
			delivered++
			for range r.IntN(2000) {
				_ = fmt.Sprint()
			}
		}, WatchOptions{Policy: policy, Buffer: 16, OnGap: func(g Gap) {
			if g.From <= last || g.To < g.From || g.Signals+g.Unseen == 0 {
				t.Errorf("%v after %d", g, last)
			}
			last = g.To
			missed += g.Signals
			unseen += g.Unseen
		}})
		if err != nil {
			t.Fatal(err)
		}
		n := pick(3000, 500)
		for i := range n {
			raise(t, w, "other", fmt.Sprint("hit.", i%3))
		}
		eventually(t, "all delivered", func() bool {
			s := x.Stats()
			return s.Waiting == 0 && s.Unseen == 0 && s.Delivered+s.Dropped == uint64(n) || s.Unseen > 0 && s.Waiting == 0
		})
		raise(t, w, "hit.end")
		eventually(t, "the end", func() bool { return x.Stats().Waiting == 0 })
		x.Stop()
		s := x.Stats()
		if policy != Block && s.Unseen == 0 && (uint64(delivered)+missed < uint64(n) || s.Delivered != uint64(delivered)) {
			t.Errorf("policy %d: %d delivered, %d missed, %d unseen of %d: %+v", policy, delivered, missed, unseen, n, s)
		}
	}
}

func TestWatchCancelInside(t *testing.T) {
	w := open(t, Options{})
	var x *Watcher
	ready, n := make(chan struct{}), 0
	x, err := w.Watch("", func(Signal) {
		<-ready
		n++
		x.Cancel()
	}, WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	raise(t, w, "a", "b", "c")
	x.done.Wait()
	x.Stop()
	equal(t, "calls", n, 1)
}

// A window may be closed inside a callback.
func TestWatchCloseInside(t *testing.T) {
	w := open(t, manual(memory(t)))
	done := make(chan error, 1)
	if _, err := w.Watch("", func(Signal) { done <- w.Close() }, WatchOptions{}); err != nil {
		t.Fatal(err)
	}
	raise(t, w, "a")
	wantError(t, "Close", <-done, nil)
}
