package window

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A smaller capacity while a large batch is being written: what the batch holds counts as pending until it is stored, so
// nothing that waits is pushed out, whether the write succeeds or not.
func TestSetCapacityDuringAWrite(t *testing.T) {
	for _, outcome := range []error{nil, io.ErrClosedPipe} {
		for _, policy := range []Policy{DropNewest, Block} {
			store := &slow{SignalStore: memory(t), entered: make(chan struct{}), outcome: make(chan error)}
			o := manual(store)
			o.Capacity, o.MaxPerFlush, o.Overload, o.MaxBlock = 40_000, 20_000, policy, 1
			w := open(t, o)
			raiseMany(t, w, o.Capacity)
			done := make(chan error, 1)
			go func() { done <- w.Flush(context.Background()) }()
			<-store.entered
			if err := w.SetCapacity(25_000); err != nil {
				t.Fatal(err)
			}
			n, err := w.Intern("x")
			if err != nil {
				t.Fatal(err)
			}
			accepted := 0
			for ; err == nil; accepted++ {
				_, err = n.Raise("")
			}
			wantError(t, "Raise", err, ErrOverloaded)
			if accepted > 1 {
				t.Errorf("policy %d: %d signals were accepted beyond MaxPending", policy, accepted-1)
			}
			store.outcome <- outcome
			wantError(t, "Flush", <-done, outcome)
			flush(t, w)
			if s := balanced(t, w); s.Dropped != 0 || s.Persisted != s.Raised {
				t.Errorf("policy %d, write %v: %+v", policy, outcome, s)
			}
		}
	}
}

// sluggish is a store that forgets what it stores, a little late, and fails now and then.
type sluggish struct {
	forgetful
	calls atomic.Uint64
}

func (s *sluggish) Append(ctx context.Context, batch []sinks.Signal) error {
	for range 3 {
		runtime.Gosched()
	}
	if s.calls.Add(1)%5 == 0 {
		return io.ErrClosedPipe
	}
	return s.forgetful.Append(ctx, batch)
}

// Whatever the capacity does meanwhile, DropNewest and Block never give up what waits.
func TestPoliciesHoldWhileTheCapacityJumps(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	for _, policy := range []Policy{DropNewest, Block} {
		for seed := range uint64(pick(3, 2)) {
			store := &sluggish{}
			w := open(t, Options{
				Store: store, Capacity: 10, MaxPerFlush: 20_000, Overload: policy, MaxBlock: time.Millisecond, FlushInterval: time.Millisecond,
			})
			var raisers, others sync.WaitGroup
			done := make(chan struct{})
			for g := range 6 {
				raisers.Go(func() { raiseUntil(w, g, pick(60_000, 5_000)) })
			}
			r := rand.New(rand.NewPCG(seed, 1))
			others.Go(func() {
				for size := 0; ; size++ {
					select {
					case <-done:
						return
					default:
					}
					n := 1 + r.IntN(20)
					if size%2 == 0 {
						n = 30_000 + r.IntN(30_000)
					}
					if err := w.SetCapacity(n); err != nil {
						t.Error(err)
					}
					_ = w.Flush(context.Background())
				}
			})
			raisers.Wait()
			close(done)
			others.Wait()
			if s := balanced(t, w); s.Dropped != 0 {
				t.Fatalf("policy %d, seed %d: %+v", policy, seed, s)
			}
			for w.Close() != nil && balanced(t, w).Pending == 0 {
				t.Fatal("Close fails although everything is stored")
			}
		}
	}
}

func raiseUntil(w *Window, g, n int) {
	name, _ := w.Intern("x")
	batch := make([]Signal, 700)
	for i := range batch {
		batch[i].Name = "b"
	}
	for i := range n {
		if g == 0 && i%100 == 0 {
			_, _ = w.RaiseBatch(batch)
		}
		if _, err := name.Raise(""); errors.Is(err, ErrOverloaded) {
			runtime.Gosched()
		}
	}
}

// Thousands of raises wait for room: each time there is some, no more of them pass than fit.
func TestManyWaitersDoNotOverrun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	const waiters = 6000
	store := memory(t)
	o := manual(store)
	o.Capacity, o.MaxPending, o.Overload, o.MaxBlock = 10, 10, Block, time.Minute
	w := open(t, o)
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			if _, err := w.Raise("x", ""); err != nil {
				t.Error(err)
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	most := uint64(0)
	for done := false; !done; {
		flush(t, w)
		s := balanced(t, w)
		most = max(most, s.Pending)
		select {
		case <-over:
			done = true
		default:
		}
	}
	flush(t, w)
	s := balanced(t, w)
	if s.Dropped != 0 || s.Persisted != waiters || most > 10+64 {
		t.Errorf("at most %d pending, %+v", most, s)
	}
}

// A batch that needs all the room there can be gets it although others raise all the time: it waits only for what was
// there before it. So do they, for it.
func TestBatchIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, _ := faulty(t, "append:* delay 10ms")
		w := open(t, Options{
			Store: store, Clock: time.Now, Capacity: 100, MaxPerFlush: 10, Overload: Block, MaxBlock: time.Hour, HighWater: 10,
		})
		var singles sync.WaitGroup
		stop := make(chan struct{})
		longest := make([]time.Duration, 8)
		for g := range longest {
			singles.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					begin := time.Now()
					raise(t, w, "x")
					longest[g] = max(longest[g], time.Since(begin))
				}
			})
		}
		batch := make([]Signal, 100)
		for i := range batch {
			batch[i].Name = "b"
		}
		for range 20 {
			begin := time.Now()
			if n, err := w.RaiseBatch(batch); n != 100 || err != nil {
				t.Fatal(n, err)
			}
			// 100 and a few signals in ten writes and one that had begun, or two when it ended in between.
			if d := time.Since(begin); d > 130*time.Millisecond {
				t.Errorf("a batch waited %v", d)
			}
		}
		close(stop)
		singles.Wait()
		for _, d := range longest {
			if d > 250*time.Millisecond {
				t.Errorf("a raise waited %v", d)
			}
		}
	})
}

// Many batches and raises at once, and room for few: no attempt is repeated, so each ends in bounded time, and what was
// accepted is exactly what is stored.
func TestBatchesAndRaisesUnderDropNewest(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	store := &forgetful{}
	w := open(t, Options{Store: store, Capacity: 3000, Overload: DropNewest, FlushInterval: time.Millisecond})
	var all sync.WaitGroup
	var accepted, refused atomic.Uint64
	for g := range 8 {
		all.Go(func() {
			name, _ := w.Intern("x")
			batch := make([]Signal, 1+g*300)
			for i := range batch {
				batch[i].Name = "b"
			}
			for i := range pick(20_000, 2_000) {
				n, most := 1, 1
				var err error
				if i%20 == 0 {
					most = len(batch)
					n, err = w.RaiseBatch(batch)
				} else if _, err = name.Raise(""); err != nil {
					n = 0
				}
				if err != nil && !errors.Is(err, ErrOverloaded) {
					t.Error(err)
					return
				}
				accepted.Add(uint64(n))
				refused.Add(uint64(most - n))
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	for done := false; !done; {
		if s := balanced(t, w); s.Pending > 3000+8 { // each of the eight may have passed the gate when it closed
			t.Fatalf("%+v", s)
		}
		select {
		case <-over:
			done = true
		default:
			runtime.Gosched()
		}
	}
	flush(t, w)
	s := balanced(t, w)
	if s.Raised != accepted.Load() || s.Refused.Overloaded != refused.Load() || s.Dropped != 0 || s.Persisted != store.rows {
		t.Errorf("%d accepted, %d refused, %d stored, %+v", accepted.Load(), refused.Load(), store.rows, s)
	}
}

// A write that fails again and again, for days, lets no raise slip through each time.
func TestFailingStoreLetsNothingThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, plan := faulty(t, "append:* error full")
		w := open(t, Options{
			Store: store, Clock: time.Now, Capacity: 100, Overload: Block, MaxBlock: time.Minute, FlushInterval: time.Second,
		})
		raiseMany(t, w, 100)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 20 {
					_, _ = w.Raise("x", "")
				}
			})
		}
		all.Wait()
		if s := balanced(t, w); s.Pending != 100 || s.Dropped != 0 {
			t.Errorf("%d attempts to write, %+v", plan.Calls("append"), s)
		}
		plan.Clear()
	})
}

// Whoever stands in the queue is served, or sent away, as soon as that is certain.
func TestQueueForRoom(t *testing.T) {
	for what, change := range map[string]func(w *Window) (batch, single error){
		// The batch gives up after a second; the raise behind it began half a second later, and there is room for it.
		"patience ends": func(*Window) (error, error) { return ErrOverloaded, nil },
		// A batch for which there will never be room does not hold up the raise behind it.
		"capacity shrinks": func(w *Window) (error, error) {
			_ = w.SetCapacity(11)
			return ErrOverloaded, nil
		},
		"the window is closed": func(w *Window) (error, error) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = w.Shutdown(ctx)
			return ErrClosed, ErrClosed
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, _, plan := faulty(t, "append:* stall")
			w := open(t, Options{Store: store, Clock: time.Now, Capacity: 20, Overload: Block, MaxBlock: time.Second, FlushInterval: Forever})
			raiseMany(t, w, 10)
			batch := make([]Signal, 12)
			for i := range batch {
				batch[i].Name = "b"
			}
			begin := time.Now()
			after := func(f func() error) <-chan error {
				done := make(chan error, 1)
				go func() { done <- f() }()
				synctest.Wait()
				return done
			}
			first := after(func() error { _, err := w.RaiseBatch(batch); return err })
			time.Sleep(time.Second / 2)
			second := after(func() error { _, err := w.Raise("x", ""); return err })
			equal(t, "waiting", len(first)+len(second), 0)
			forBatch, forSingle := change(w)
			wantError(t, what+": batch", <-first, forBatch)
			wantError(t, what+": single", <-second, forSingle)
			want := time.Second / 2
			if what == "patience ends" {
				want = time.Second
			}
			if d := time.Since(begin); d != want {
				t.Errorf("%s: after %v", what, d)
			}
			plan.Clear()
		})
	}
}
