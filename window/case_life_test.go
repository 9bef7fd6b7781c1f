package window

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestSignalCase38_Close(t *testing.T) {
	store, inner, _ := faulty(t, "")
	w := open(t, manual(store))
	raiseMany(t, w, 2500)
	for range 3 {
		wantError(t, "Close", w.Close(), nil)
	}
	equal(t, "rows", len(rows(t, inner)), 2500)
	_, err := w.Raise("a", "")
	wantError(t, "Raise", err, ErrClosed)
	_, err = w.RaiseBatch([]Signal{{Name: "a"}})
	wantError(t, "RaiseBatch", err, ErrClosed)
	wantError(t, "Flush", w.Flush(context.Background()), ErrClosed)
	_, err = w.Watch("", func(Signal) {}, WatchOptions{})
	wantError(t, "Watch", err, ErrClosed)
	wantError(t, "SetCapacity", w.SetCapacity(5), ErrClosed)
	equal(t, "still readable", w.Len(), 2500)
	if s := balanced(t, w); s.Refused.Closed != 2 {
		t.Errorf("%+v", s)
	}

	store, _, _ = faulty(t, "append:* error full")
	w = open(t, manual(store))
	raise(t, w, "a")
	err = w.Close()
	if again := w.Close(); err == nil || again != err {
		t.Errorf("Close: %v, again: %v", err, again)
	}
	equal(t, "pending", balanced(t, w).Pending, uint64(1))
}

func TestSignalCase38_ShutdownEnds(t *testing.T) {
	store, _, plan := faulty(t, "append:* stall")
	w := open(t, manual(store))
	raise(t, w, "a")
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-plan.Reached("append", 1); cancel() }()
	wantError(t, "Shutdown", w.Shutdown(ctx), context.Canceled)
	<-w.flusher.done // the write ended with the context too
	equal(t, "pending", balanced(t, w).Pending, uint64(1))
}

func TestSignalCase40_NamesAreData(t *testing.T) {
	store := memory(t)
	commands := []string{
		"coordinator.drain.all", "coordinator.drain.id", "window.size.set:1", "window.time.set:1ms", "window.flush.error", "sink.cleared",
		"window.load.done:7", "*", "?", "a,b",
	}
	w := open(t, manual(store))
	raise(t, w, commands...)
	flush(t, w)
	raise(t, w, commands...)
	wantError(t, "Close", w.Close(), nil)
	again := open(t, manual(store))
	load(t, again, LoadOptions{Replay: true})
	raise(t, again, commands...)
	flush(t, again)
	equal(t, "rows", len(rows(t, store)), 3*len(commands))
	equal(t, "visible", again.Len(), 3*len(commands))
	equal(t, "capacity", again.Capacity(), DefaultCapacity)
	for _, name := range commands {
		if n, err := again.FindName(name).Count(); n != 3 || err != nil {
			t.Errorf("%q: %d, %v", name, n, err)
		}
	}
	if n, _ := again.FindName("unknown").Count(); n != 0 {
		t.Error("an unknown name is found")
	}
}

// Random operations, and after each of them both equations hold and the figures are those of a plain model.
func TestSignalCase41_StatsAddUp(t *testing.T) {
	for seed := range uint64(pick(30, 6)) {
		r := rand.New(rand.NewPCG(seed, 41))
		store, _, _ := faulty(t, "append:* delay 0s; append:3 error io; append:7 lost-reply; append:9-11 error full")
		c := newClock()
		o := manual(store)
		o.Clock, o.Capacity, o.MaxPending, o.MaxPerFlush, o.MaxAge = c.now, 50, 120, 17, time.Minute
		w := open(t, o)
		for range pick(400, 150) {
			switch r.IntN(12) {
			case 0:
				_ = w.Flush(context.Background())
			case 1:
				c.advance(time.Duration(r.IntN(int(60*time.Second))) - 20*time.Second) // clocks are set back too
			case 2:
				_, _ = w.Clear([]string{"many.1", "many.*", "none", ""}[r.IntN(4)])
			case 3:
				w.ClearKey("3")
			case 4:
				if err := w.SetCapacity(1 + r.IntN(100)); err != nil {
					t.Fatal(err)
				}
			case 5:
				_, _ = w.RaiseSignal(Signal{Name: "back", Time: c.now().Add(-time.Duration(r.IntN(int(2 * time.Minute))))})
			case 6:
				_, _ = w.Load(context.Background(), LoadOptions{})
			case 7:
				w.mustAge(t, time.Duration(1+r.IntN(int(2*time.Minute))))
			default:
				raiseMany(t, w, r.IntN(30))
			}
			s := balanced(t, w)
			if n := len(sense(t, w, "")); n != s.Visible || n > w.Capacity() || s.Pending > 120 {
				t.Fatalf("seed %d: %d visible, %+v", seed, n, s)
			}
		}
	}
}

func TestSignalCase42_RetentionOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, _ := faulty(t, "prune:3 error io")
		w := open(t, Options{Store: store, Clock: time.Now, RetainCount: 500, FlushInterval: time.Second, SampleEvery: 1 << 30})
		most := 0
		for range 100 {
			raiseMany(t, w, 100)
			time.Sleep(time.Second)
			synctest.Wait()
			most = max(most, len(rows(t, inner)))
		}
		if n := len(rows(t, inner)); n != 500 || most > 700 {
			t.Errorf("%d rows, %d at most", n, most)
		}
		if s := balanced(t, w); s.Pruned != 9500 || s.Persisted != 10_000 || len(told(t, w, "window.prune.error")) != 1 {
			t.Errorf("%+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		store := memory(t)
		earlier(t, store, 25_000, always(time.Now()))
		w := open(t, Options{Store: store, Clock: time.Now, RetainAge: time.Minute, FlushInterval: time.Second})
		time.Sleep(59 * time.Second)
		synctest.Wait()
		equal(t, "before its time", len(rows(t, store)), 25_000)
		time.Sleep(4 * time.Second) // little by little, although nothing is written
		synctest.Wait()
		equal(t, "rows", len(rows(t, store)), 0)
		raise(t, w, "a")
		if n := sense(t, w, "")[0].Sequence; n != 25_001 {
			t.Errorf("sequence %d is given after pruning", n)
		}
	})
}

func TestSignalCase43_SecondWriter(t *testing.T) {
	ctx := context.Background()
	url := fmt.Sprint("mem://case43-", rand.Uint64())
	var stores []sinks.SignalStore
	for range 2 {
		s, err := sinks.OpenSignals(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores = append(stores, s)
	}
	lease, err := sinks.Hold(ctx, stores[0], sinks.Claim{Owner: "first", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	first, second := open(t, manual(stores[0])), open(t, manual(stores[1]))
	raise(t, first, "a")
	raise(t, second, "b", "c")
	flush(t, first)
	wantError(t, "second", second.Flush(ctx), sinks.ErrLeased)
	equal(t, "pending", balanced(t, second).Pending, uint64(2))
	equal(t, "rows", len(rows(t, stores[1])), 1)
	wantError(t, "lease", lease.Close(), nil)
	// Without the lease the sequences collide, which is told, and nothing is overwritten.
	wantError(t, "second", second.Flush(ctx), sinks.ErrConflict)
	equal(t, "rows", rows(t, stores[1])[0].Name, "a")
}

func TestSignalCase44_BadOptions(t *testing.T) {
	store := memory(t)
	bad := []Options{
		{Capacity: -1},
		{Capacity: MaxCapacity + 1},
		{MaxAge: -1},
		{MaxNames: -1},
		{MaxNames: mostNames + 1},
		{FlushInterval: -1},
		{MaxPerFlush: -1},
		{Store: store, MaxPending: -1},
		{Store: store, HighWater: -1},
		{Store: store, Overload: 7},
		{Store: store, Overload: -1},
		{MaxBlock: -1},
		{Store: store, RetainAge: -1},
		{SampleEvery: -1},
		{RetainCount: 1},
		{Overload: Block},
		{Clock: func() time.Time { return time.Time{}.AddDate(-2, 0, 0) }},
	}
	for i, o := range bad {
		if _, err := New(t.Context(), o); !errors.Is(err, ErrOption) {
			t.Errorf("options %d: %v", i, err)
		}
	}
	_, err := New(t.Context(), Options{Capacity: -1, MaxAge: -1})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("not all problems: %v", err)
	}
	w := open(t, Options{})
	for _, err := range []error{w.SetCapacity(0), w.SetCapacity(-1), w.SetMaxAge(0), w.Find("").Newest(-1).Err(), w.Find("").Within(-1).Err(), w.Find("").Where(nil).Err()} {
		wantError(t, "bad argument", err, ErrOption)
	}
	for _, span := range []time.Duration{0, -1} {
		_, err = w.Rate("", span)
		wantError(t, "Rate", err, ErrOption)
		_, err = w.Count("", span)
		wantError(t, "Count", err, ErrOption)
		_, err = w.Any("", span)
		wantError(t, "Any", err, ErrOption)
	}
	_, err = w.Watch("", nil, WatchOptions{})
	wantError(t, "Watch", err, ErrOption)
	_, err = w.Watch("", func(Signal) {}, WatchOptions{Buffer: -1})
	wantError(t, "Watch", err, ErrOption)
	_, err = w.Watch(",", func(Signal) {}, WatchOptions{})
	wantError(t, "Watch", err, ErrPattern)
}

// The heap does not grow once the window is full: nothing is kept of a signal that was written and discarded.
func TestSignalCase45_HeapStaysFlat(t *testing.T) {
	store := &forgetful{}
	w := open(t, Options{Store: store, Capacity: 2000, HighWater: 500, Overload: Block})
	n, err := w.Intern("x")
	if err != nil {
		t.Fatal(err)
	}
	lap := func() uint64 {
		for range pick(200_000, 40_000) {
			if _, err := n.Raise("key"); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, w)
		sense(t, w, "x")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	lap()
	before := lap()
	for range 3 {
		if after := lap(); after > before+(1<<20) {
			t.Errorf("the heap grew from %d to %d bytes", before, after)
		}
	}
	if s := balanced(t, w); s.Persisted != s.Raised || store.rows != s.Raised {
		t.Errorf("%+v, %d rows", s, store.rows)
	}
}

// forgetful is a store that only counts.
type forgetful struct {
	sinks.SignalStore
	mu   sync.Mutex
	rows uint64
	last uint64
}

func (f *forgetful) Append(_ context.Context, batch []sinks.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range batch {
		if batch[i].Sequence != f.last+1 {
			return sinks.ErrConflict
		}
		f.last++
	}
	f.rows += uint64(len(batch))
	return nil
}

func (f *forgetful) Stat(context.Context) (sinks.SignalStat, error) { return sinks.SignalStat{}, nil }

// Everything at once; under the race detector this is the case.
func TestSignalCase46_EverythingAtOnce(t *testing.T) {
	for _, policy := range []Policy{DropOldest, DropNewest, Block} {
		store, inner, plan := faulty(t, "append:5 error io; append:9 lost-reply; append:12-14 error full; append:* delay 10us")
		w := open(t, Options{
			Store: store, Capacity: 3000, MaxPerFlush: 200, FlushInterval: time.Millisecond, Overload: policy, MaxBlock: time.Minute,
			MaxNames: 200, SampleEvery: 7, RetainCount: 1 << 40,
		})
		hammer(t, w)
		plan.Clear()
		if err := w.Close(); err != nil && (policy != DropOldest || !errors.Is(err, ErrDropped)) {
			t.Fatal(err)
		}
		s := balanced(t, w)
		list := rows(t, inner)
		// A batch whose reply was lost may be stored although it was given up.
		n := uint64(len(list))
		if s.Pending != 0 || n < s.Persisted || n > s.Persisted+s.Dropped || policy != DropOldest && s.Dropped > 0 {
			t.Errorf("policy %d: %d rows, %+v", policy, len(list), s)
		}
		for i := 1; i < len(list); i++ {
			if list[i].Sequence <= list[i-1].Sequence {
				t.Fatalf("row %d: %d after %d", i, list[i].Sequence, list[i-1].Sequence)
			}
		}
	}
}

// A window is closed, with little patience, while everybody uses it: what was accepted is in the account, each of those
// who wait gets an answer, and what the store has is what is called persisted, now or when the last write is over.
func TestShutdownInTheMiddle(t *testing.T) {
	for seed := range uint64(pick(60, 12)) {
		r := rand.New(rand.NewPCG(seed, 38))
		policy := Policy(seed % 3)
		store, inner, _ := faulty(t, []string{"", "append:3 stall", "append:3+ error full", "append:* delay 1ms"}[r.IntN(4)])
		w, err := New(t.Context(), Options{
			Store: store, Capacity: 200, MaxPerFlush: 1 + r.IntN(300), FlushInterval: time.Millisecond, Overload: policy, MaxBlock: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		var accepted atomic.Uint64
		for g := range 4 {
			users.Go(func() { accepted.Add(raiseUntilClosed(t, w, g)) })
		}
		users.Go(func() {
			for !errors.Is(w.Flush(context.Background()), ErrClosed) {
				_, _ = w.Clear("b")
				_ = w.SetCapacity(100 + int(accepted.Load()%100))
			}
		})
		for range r.IntN(5) {
			balanced(t, w)
			runtime.Gosched()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(3))*time.Millisecond)
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() { _ = w.Shutdown(ctx) })
		}
		closers.Wait()
		<-w.flusher.done
		users.Wait()
		cancel()
		s := balanced(t, w)
		// A write that failed with its context may be stored all the same.
		if n := uint64(len(rows(t, inner))); s.Raised != accepted.Load() || n < s.Persisted || n > s.Persisted+s.Pending+s.Dropped || policy != DropOldest && s.Dropped > 0 {
			t.Fatalf("seed %d: %d accepted, %d rows, %+v", seed, accepted.Load(), n, s)
		}
	}
}

// raiseUntilClosed returns how many signals were accepted.
func raiseUntilClosed(t *testing.T, w *Window, g int) (accepted uint64) {
	name, _ := w.Intern("a")
	batch := make([]Signal, 1+50*g)
	for i := range batch {
		batch[i].Name = "b"
	}
	for i := 0; ; i++ {
		n, err := 1, error(nil)
		if i%10 == 0 {
			n, err = w.RaiseBatch(batch)
		} else if _, err = name.Raise(""); err != nil {
			n = 0
		}
		accepted += uint64(n)
		switch {
		case errors.Is(err, ErrClosed):
			return accepted
		case err != nil && !errors.Is(err, ErrOverloaded):
			t.Error(err)
			return accepted
		}
	}
}

// hammer uses everything that a window offers, from many goroutines.
func hammer(t *testing.T, w *Window) {
	var writers, others sync.WaitGroup
	done := make(chan struct{})
	for g := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 46))
			n, _ := w.Intern("hot")
			for i := range pick(20_000, 3_000) {
				var err error
				switch {
				case i%100 == 0:
					_, err = w.RaiseBatch([]Signal{{Name: "b1", Key: "b"}, {Name: "b2", Operation: uint64(i)}})
				case i%7 == 0:
					_, err = w.RaiseSignal(Signal{Name: "whole", Path: []string{"x"}, Time: time.Now().Add(-time.Duration(r.IntN(1e9)))})
				case i%3 == 0:
					_, err = w.Raise([]string{"a.1", "a.2", "b.1"}[r.IntN(3)], "k")
				default:
					_, err = n.Raise("k")
				}
				if err != nil && !errors.Is(err, ErrOverloaded) {
					t.Error(err)
					return
				}
			}
		})
	}
	loop := func(f func(r *rand.Rand)) {
		others.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for {
				f(r)
				runtime.Gosched()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	loop(func(*rand.Rand) { _ = w.Flush(context.Background()) })
	loop(func(*rand.Rand) { _, _ = w.Load(context.Background(), LoadOptions{}) })
	loop(func(r *rand.Rand) { _ = w.SetCapacity(2000 + r.IntN(2000)) })
	loop(func(r *rand.Rand) { w.mustAge(t, time.Duration(1+r.IntN(2000))*time.Millisecond) })
	loop(func(r *rand.Rand) { _, _ = w.Clear([]string{"a.*", "whole", ""}[r.IntN(3)]) })
	loop(func(*rand.Rand) {
		if balanced(t, w).Visible > 4000 {
			t.Error("above the capacity")
		}
	})
	loop(func(*rand.Rand) {
		last := uint64(0)
		for s := range w.Find("a.*,hot").All() {
			if s.Sequence <= last {
				t.Errorf("%d after %d", s.Sequence, last)
			}
			last = s.Sequence
		}
	})
	loop(func(r *rand.Rand) {
		last := uint64(0)
		x, err := w.Watch("*", func(s Signal) {
			if s.Sequence <= last && !s.Restored {
				t.Errorf("delivered %d after %d", s.Sequence, last)
			}
			last = s.Sequence
		}, WatchOptions{Policy: Policy(r.IntN(3)), Buffer: 1 + r.IntN(50)})
		if err != nil {
			t.Error(err)
			return
		}
		for range 100 {
			runtime.Gosched()
		}
		x.Stop()
	})
	writers.Wait()
	close(done)
	others.Wait()
}
