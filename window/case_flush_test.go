package window

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestSignalCase16_FlushWritesEverything(t *testing.T) {
	store, inner, plan := faulty(t, "")
	w := open(t, manual(store))
	raiseMany(t, w, 10_000)
	flush(t, w)
	if n := plan.Calls("append"); n != 10 {
		t.Errorf("%d batches", n)
	}
	list := rows(t, inner)
	if len(list) != 10_000 || list[0].Sequence != 1 || list[9999].Key != "9999" {
		t.Errorf("%d rows", len(list))
	}
	s := balanced(t, w)
	if s.Flushes != 1 || s.Batches != 10 || s.Pending != 0 || s.LastDurable != 10_000 || s.LastFlush.IsZero() {
		t.Errorf("%+v", s)
	}
	equal(t, "done", len(told(t, w, "window.flush.done:1000")), 10)
}

func TestSignalCase17_OneOperationOverFlushes(t *testing.T) {
	eachStore(t, func(t *testing.T, reopen func() sinks.SignalStore) { testOneOperation(t, reopen()) })
}

func testOneOperation(t *testing.T, store sinks.SignalStore) {
	w := open(t, manual(store))
	n, err := w.Intern("step")
	if err != nil {
		t.Fatal(err)
	}
	id := w.NewOperation()
	for i := range 5 {
		if _, err := n.RaiseFor(id, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			flush(t, w)
		}
	}
	equal(t, "rows", len(rows(t, store)), 5)
	sum, err := w.Find("").Operation(id).Summarize()
	if err != nil || sum.Count != 5 || sum.First.Key != "0" || sum.Last.Key != "4" {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestSignalCase18_EqualSignals(t *testing.T) {
	store := memory(t)
	w := open(t, manual(store))
	for range 2 {
		if _, err := w.RaiseSignal(Signal{Name: "same", Key: "k", Operation: 7, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, w)
	equal(t, "rows", len(rows(t, store)), 2)
}

func TestSignalCase19_FailedBatch(t *testing.T) {
	store, inner, _ := faulty(t, "append:2 error full; append:4 partial 300 signals io")
	w := open(t, manual(store))
	raiseMany(t, w, 2500)
	err := w.Flush(context.Background())
	if err == nil || len(rows(t, inner)) != 1000 {
		t.Fatalf("%v, %d rows", err, len(rows(t, inner)))
	}
	s := balanced(t, w)
	if s.Pending != 1500 || s.Persisted != 1000 || s.FlushFailures != 1 || s.LastError == nil {
		t.Errorf("%+v", s)
	}
	if err := w.Flush(context.Background()); err == nil {
		t.Error("the second failure is not told")
	}
	flush(t, w)
	list := rows(t, inner)
	for i := range list {
		if list[i].Sequence != uint64(i+1) || list[i].Key != fmt.Sprint(i) {
			t.Fatalf("row %d: %+v", i, list[i])
		}
	}
	s = balanced(t, w)
	if len(list) != 2500 || s.Pending != 0 || s.Persisted != 2500 || s.LastError != nil {
		t.Errorf("%d rows, %+v", len(list), s)
	}
}

func TestSignalCase20_LostReply(t *testing.T) {
	store, inner, _ := faulty(t, "append:1-3 lost-reply")
	w := open(t, manual(store))
	raiseMany(t, w, 1500)
	for range 3 {
		wantError(t, "Flush", w.Flush(context.Background()), sinks.ErrUnknownOutcome)
	}
	flush(t, w)
	equal(t, "rows", len(rows(t, inner)), 1500)
	equal(t, "persisted", balanced(t, w).Persisted, uint64(1500))
}

func TestSignalCase21_SustainedLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory(t)
		w := open(t, Options{Store: store, Clock: time.Now})
		for range pick(60_000, 6_000) {
			raise(t, w, "steady")
			time.Sleep(time.Millisecond)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		s := balanced(t, w)
		if s.Persisted != s.Raised || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSignalCase22_OverloadDropOldest(t *testing.T) {
	store, inner, plan := faulty(t, "append:* error io")
	o := manual(store)
	o.Capacity, o.MaxPending, o.MaxPerFlush = 10, 20, 7
	w := open(t, o)
	raiseMany(t, w, 55)
	if err := w.Flush(context.Background()); err == nil {
		t.Error("no error")
	}
	s := balanced(t, w)
	if s.Dropped != 35 || s.Pending != 20 || s.Visible != 10 {
		t.Errorf("%+v", s)
	}
	dropped := sense(t, w.Diagnostics(), "window.dropped")
	if len(dropped) != 1 || dropped[0].Key != "35" {
		t.Errorf("told %v", dropped)
	}
	plan.Clear()
	flush(t, w)
	list := rows(t, inner)
	if len(list) != 20 || list[0].Key != "35" {
		t.Errorf("%d rows", len(list))
	}
	balanced(t, w)
}

// Signals are given up while a batch is being written: the batch is not, unless it fails.
func TestSignalCase22_DropsDuringAWrite(t *testing.T) {
	for _, outcome := range []error{nil, io.ErrClosedPipe} {
		store := &slow{SignalStore: memory(t), entered: make(chan struct{}), outcome: make(chan error)}
		o := manual(store)
		o.Capacity, o.MaxPending, o.MaxPerFlush = 10, 10, 5
		w := open(t, o)
		raiseMany(t, w, 10)
		done := make(chan error, 1)
		go func() { done <- w.Flush(context.Background()) }()
		<-store.entered
		raiseMany(t, w, 30)
		s := balanced(t, w)
		if s.Dropped != 25 || s.Pending != 15 {
			t.Errorf("during the write: %+v", s)
		}
		store.outcome <- outcome
		if outcome == nil {
			outcome = ErrDropped // the rest of what the flush covers was given up
		}
		wantError(t, "Flush", <-done, outcome)
		// What was raised and given up during that write was not told yet; after that, all of it is.
		wantError(t, "second Flush", w.Flush(context.Background()), ErrDropped)
		flush(t, w)
		s = balanced(t, w)
		if n := uint64(len(rows(t, store))); s.Persisted != n || s.Pending != 0 || s.Dropped+n != 40 || s.Dropped != 30 && s.Dropped != 25 {
			t.Errorf("%d rows, %+v", n, s)
		}
	}
}

// slow is a store whose first write waits for the test.
type slow struct {
	sinks.SignalStore
	once    sync.Once
	entered chan struct{}
	outcome chan error
}

func (s *slow) Append(ctx context.Context, batch []sinks.Signal) (err error) {
	s.once.Do(func() {
		close(s.entered)
		err = <-s.outcome
	})
	if err != nil {
		return err
	}
	return s.SignalStore.Append(ctx, batch)
}

// A healthy store that is too slow is kept busy: giving signals up is no reason to pause.
func TestSignalCase22_SlowStoreIsKeptBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, plan := faulty(t, "append:* delay 10ms")
		w := open(t, Options{Store: store, Clock: time.Now, Capacity: 100, MaxPerFlush: 10, MaxPending: 100})
		for range 1000 {
			raiseMany(t, w, 5)
			time.Sleep(time.Millisecond)
		}
		if n := plan.Calls("append"); n < 95 || n > 101 {
			t.Errorf("%d writes in a second", n)
		}
		if err := w.Close(); err != nil && !errors.Is(err, ErrDropped) {
			t.Error(err)
		}
		s := balanced(t, w)
		if n := uint64(len(rows(t, inner))); s.Persisted != n || s.Dropped+n != 5000 || s.Pending != 0 || s.FlushFailures != 0 {
			t.Errorf("%d rows, %+v", n, s)
		}
	})
}

func TestSignalCase22_OverloadDropNewest(t *testing.T) {
	store, inner, plan := faulty(t, "append:* error io")
	o := manual(store)
	o.Capacity, o.Overload = 20, DropNewest
	w := open(t, o)
	refused := 0
	for i := range 55 {
		_, err := w.Raise("x", fmt.Sprint(i))
		if err != nil {
			wantError(t, "Raise", err, ErrOverloaded)
			refused++
		}
	}
	if s := balanced(t, w); refused != 35 || s.Refused.Overloaded != 35 || s.Pending != 20 || s.Dropped != 0 {
		t.Errorf("%d refused, %+v", refused, s)
	}
	plan.Clear()
	flush(t, w)
	if list := rows(t, inner); len(list) != 20 || list[19].Key != "19" {
		t.Errorf("%d rows", len(list))
	}
	raise(t, w, "again")
	flush(t, w)
	dropped := sense(t, w.Diagnostics(), "window.dropped")
	if len(dropped) != 1 || dropped[0].Key != "35" {
		t.Errorf("told %v", dropped)
	}
}

func TestSignalCase22_OverloadBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, plan := faulty(t, "append:1 stall")
		w := open(t, Options{
			Store: store, Clock: time.Now, Capacity: 100, HighWater: 50, Overload: Block, MaxBlock: time.Minute, FlushInterval: Forever,
		})
		raiseMany(t, w, 100)
		begin, waited := time.Now(), make(chan time.Duration)
		go func() {
			raise(t, w, "waits")
			waited <- time.Since(begin)
		}()
		time.Sleep(10 * time.Second)
		plan.Clear()
		if d := <-waited; d != 10*time.Second {
			t.Errorf("waited %v", d)
		}
		flush(t, w)
		equal(t, "rows", len(rows(t, inner)), 101)
	})
}

func TestSignalCase22_BlockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, plan := faulty(t, "append:1 stall")
		w := open(t, Options{Store: store, Clock: time.Now, Capacity: 10, Overload: Block, MaxBlock: 3 * time.Second})
		raiseMany(t, w, 10)
		begin := time.Now()
		_, err := w.Raise("x", "")
		wantError(t, "Raise", err, ErrOverloaded)
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("waited %v", d)
		}
		done := make(chan error)
		go func() {
			_, err := w.Raise("x", "")
			done <- err
		}()
		synctest.Wait()
		go func() { time.Sleep(time.Second); plan.Clear() }()
		wantError(t, "Close", w.Close(), nil)
		wantError(t, "Raise during Close", <-done, ErrClosed)
		s := balanced(t, w)
		if s.Persisted != 10 || s.Refused.Closed != 1 || s.Refused.Overloaded != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSignalCase23_AgeBelowFlushInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory(t)
		w := open(t, Options{Store: store, Clock: time.Now, MaxAge: time.Second, FlushInterval: time.Minute})
		raiseMany(t, w, 100)
		time.Sleep(2 * time.Second)
		if s := balanced(t, w); s.Visible != 0 || s.Pending != 100 || s.Expired != 100 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := balanced(t, w); s.Persisted != 100 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSignalCase24_IdleWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, plan := faulty(t, "")
		w := open(t, Options{Store: store, Clock: time.Now})
		raise(t, w, "one")
		flush(t, w)
		before := w.Diagnostics().Stats().Raised
		time.Sleep(time.Hour)
		flush(t, w)
		if n := w.Diagnostics().Stats().Raised - before; n != 0 || plan.Calls("append") != 1 || len(rows(t, inner)) != 1 {
			t.Errorf("%d diagnostics, %d writes, %d rows", n, plan.Calls("append"), len(rows(t, inner)))
		}
	})
}

func TestSignalCase25_ConcurrentFlushes(t *testing.T) {
	store, inner, plan := faulty(t, "append:1 stall")
	w := open(t, manual(store))
	raise(t, w, "a")
	first := make(chan error, 1)
	go func() { first <- w.Flush(context.Background()) }()
	<-plan.Reached("append", 1)
	raise(t, w, "b", "c")
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() { flush(t, w); equal(t, "durable", len(rows(t, inner)), 3) })
	}
	eventually(t, "all wait", func() bool {
		w.flusher.mu.Lock()
		defer w.flusher.mu.Unlock()
		return len(w.flusher.waiters) == 10
	})
	plan.Clear()
	wantError(t, "first", <-first, nil)
	group.Wait()
	if n := plan.Calls("append"); n != 2 {
		t.Errorf("%d writes", n)
	}
}

func TestSignalCase26_CancelledFlush(t *testing.T) {
	store, inner, plan := faulty(t, "append:1 stall")
	w := open(t, manual(store))
	raiseMany(t, w, 10)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Flush(ctx) }()
	<-plan.Reached("append", 1)
	cancel()
	wantError(t, "Flush", <-done, context.Canceled)
	if s := balanced(t, w); s.Pending != 10 {
		t.Errorf("%+v", s)
	}
	plan.Clear()
	flush(t, w)
	equal(t, "rows", len(rows(t, inner)), 10)
}

func TestSignalCase27_LockedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, _ := faulty(t, "append:1 delay 5s; append:2 error io")
		w := open(t, Options{Store: store, Clock: time.Now, FlushInterval: time.Second})
		raise(t, w, "a")
		flush(t, w)
		raise(t, w, "b")
		if err := w.Flush(context.Background()); err == nil {
			t.Error("no error")
		}
		failed := sense(t, w.Diagnostics(), "window.flush.error")
		if len(failed) != 1 || failed[0].Key[:len("1 signals: ")] != "1 signals: " {
			t.Errorf("told %v", failed)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "rows", len(rows(t, inner)), 2)
	})
}

func TestSignalCase28_BackOffAndRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inner, plan := faulty(t, "append:* error readonly")
		w := open(t, Options{Store: store, Clock: time.Now, FlushInterval: time.Second, Capacity: 100})
		raise(t, w, "a")
		wantError(t, "Flush", w.Flush(context.Background()), sinks.ErrReadOnly)
		time.Sleep(11 * time.Minute)
		before := plan.Calls("append")
		raiseMany(t, w, 99) // over the high water, yet the pause holds
		synctest.Wait()
		equal(t, "attempts", plan.Calls("append"), before)
		if n := plan.Calls("append"); n < 10 || n > 60 {
			t.Errorf("%d attempts in 11 minutes", n)
		}
		if n := uint64(len(told(t, w, "window.flush.error"))); n != plan.Calls("append") {
			t.Errorf("%d errors told", n)
		}
		equal(t, "in memory", w.Len(), 99) // the first one expired
		plan.Clear()
		time.Sleep(maxPause)
		synctest.Wait()
		equal(t, "rows", len(rows(t, inner)), 100)
	})
	store, _, plan := faulty(t, "stat:1 error io")
	if _, err := New(t.Context(), Options{Store: store}); err == nil || plan.Calls("stat") != 1 {
		t.Error("New hides that the store cannot be read")
	}
	open(t, Options{Store: store})
}

// Every error that a store may return leaves signals pending, and the next round writes them.
func TestEveryStoreErrorIsSurvived(t *testing.T) {
	for _, kind := range []string{"conflict", "corrupt", "closed", "invalid", "leased", "fenced", "readonly", "toonew", "foreign", "unknown", "unsupported", "full", "io"} {
		store, inner, _ := faulty(t, "append:1-2 error "+kind)
		w := open(t, manual(store))
		raiseMany(t, w, 20)
		for range 2 {
			if err := w.Flush(context.Background()); err == nil {
				t.Errorf("%s: no error", kind)
			}
		}
		flush(t, w)
		equal(t, kind, len(rows(t, inner)), 20)
	}
}

type panicking struct{ sinks.SignalStore }

func (panicking) Append(context.Context, []sinks.Signal) error { panic("store") }

func TestStoreThatPanics(t *testing.T) {
	w := open(t, manual(panicking{memory(t)}))
	raise(t, w, "a")
	var p *PanicError
	if err := w.Flush(context.Background()); !errors.As(err, &p) {
		t.Errorf("%v", err)
	}
	equal(t, "pending", balanced(t, w).Pending, uint64(1))
}
