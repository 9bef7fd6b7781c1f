package window

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
	r.list = append(r.list, fmt.Sprintf("gap %d-%d:%d,%d", g.From, g.To, g.Dropped, g.Unseen))
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
		n := 3 * w.store.Capacity()
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

// Delivered signals and gaps together are everything that was raised, whatever policy, buffer and load: in order, without
// overlap, and with exact numbers.
func TestWatchLosesNothingUntold(t *testing.T) {
	var sum WatchStats
	for seed := range uint64(pick(200, 40)) {
		synctest.Test(t, func(t *testing.T) {
			s := watchAtRandom(t, seed)
			sum.Dropped += s.Dropped
			sum.Unseen += s.Unseen
			sum.Panics += s.Panics
		})
	}
	if sum.Dropped == 0 || sum.Unseen == 0 || sum.Panics == 0 {
		t.Errorf("the test proves nothing: %+v", sum)
	}
}

func watchAtRandom(t *testing.T, seed uint64) WatchStats {
	r := rand.New(rand.NewPCG(seed, 15))
	policy := Policy(seed % 3)
	w := open(t, Options{Clock: time.Now, Capacity: 1 + r.IntN(100), MaxBlock: time.Duration(1 + r.IntN(100))})
	var got []Gap // a delivery is a gap of nothing
	each, hang := 200, 300
	if seed%4 == 2 { // callbacks hang for so long that signals leave before the watcher looks
		each, hang = 1000, int(10*time.Millisecond)
	}
	slow := rand.New(rand.NewPCG(seed, 16))
	pause := func() {
		if slow.IntN(20) == 0 {
			time.Sleep(time.Duration(slow.IntN(hang)))
		}
		if slow.IntN(200) == 0 {
			panic("callback")
		}
	}
	x, err := w.Watch("hit*", func(s Signal) {
		got = append(got, Gap{From: s.Sequence, To: s.Sequence})
		pause()
	}, WatchOptions{Policy: policy, Buffer: 1 + r.IntN(20), OnGap: func(g Gap) {
		got = append(got, g)
		pause()
	}})
	if err != nil {
		t.Fatal(err)
	}
	var raisers sync.WaitGroup
	hits := make([]bool, 1+3*each)
	for g := range 3 {
		raisers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for range each {
				hit := r.IntN(3) > 0
				n, err := w.Raise(map[bool]string{true: "hit", false: "other"}[hit], "")
				if err != nil {
					t.Error(err)
				}
				hits[n] = hit
				if r.IntN(30) == 0 {
					time.Sleep(time.Duration(r.IntN(1000)))
				}
			}
		})
	}
	raisers.Wait()
	time.Sleep(10 * time.Second)
	synctest.Wait()
	s := x.Stats()
	checkDeliveries(t, got, hits, s, policy)
	x.Stop()
	return s
}

func checkDeliveries(t *testing.T, got []Gap, hits []bool, s WatchStats, policy Policy) {
	t.Helper()
	count := func(from, to uint64) (n uint64) {
		for _, hit := range hits[from : to+1] {
			if hit {
				n++
			}
		}
		return n
	}
	last := uint64(0)
	var sum WatchStats
	for _, g := range got {
		if g.From <= last || g.To < g.From || count(last+1, g.From-1) != 0 {
			t.Fatalf("policy %d: %v behind %d: overlap, or something untold in between", policy, g, last)
		}
		last = g.To
		matching := count(g.From, g.To)
		if g.Dropped+g.Unseen == 0 {
			sum.Delivered++
			if matching != 1 {
				t.Fatalf("policy %d: %d is delivered, but does not match", policy, g.From)
			}
			continue
		}
		if matching < g.Dropped || matching > g.Dropped+g.Unseen || g.Dropped+g.Unseen > g.To-g.From+1 {
			t.Fatalf("policy %d: %v, but %d match", policy, g, matching)
		}
		sum.Dropped += g.Dropped
		sum.Unseen += g.Unseen
	}
	if n := count(last+1, uint64(len(hits)-1)); n != 0 {
		t.Errorf("policy %d: %d at the end are untold", policy, n)
	}
	sum.Panics = s.Panics
	equal(t, fmt.Sprint("policy ", policy, ", stats"), s, sum)
	if policy == Block && s.Dropped > 0 {
		t.Errorf("dropped under Block: %+v", s)
	}
}

// A callback that ends its goroutine ends its watcher, and nobody waits for it.
func TestWatchCallbackEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Clock: time.Now, MaxBlock: time.Hour})
		if _, err := w.Watch("", func(Signal) { runtime.Goexit() }, WatchOptions{Policy: Block, Buffer: 1}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for range 10 {
			raise(t, w, "a")
			synctest.Wait()
		}
		if d := time.Since(begin); d > 0 {
			t.Errorf("raises waited %v", d)
		}
	})
}

// Dropping the oldest of a long queue does not move the others: that would take seconds here.
func TestWatchDropsCheaply(t *testing.T) {
	const buffer = 100_000
	x := &Watcher{o: WatchOptions{Buffer: buffer}, filled: make(chan struct{}, 1)}
	begin := time.Now()
	for n := range uint64(buffer + 5000) {
		if n == buffer {
			begin = time.Now()
		}
		x.offer(&Signal{Sequence: n + 1})
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("5,000 drops took %v", d)
	}
	gap, s, ok := x.next()
	if !ok || s.Sequence != 5001 || gap != (Gap{From: 1, To: 5000, Dropped: 5000}) {
		t.Errorf("%v, %d", gap, s.Sequence)
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
