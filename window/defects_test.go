package window

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What a failed write held is written by the next one, and an error is never followed by a success that lost something.
func TestSignalDefectD01_FailedWriteLosesNothing(t *testing.T) {
	store, inner, _ := faulty(t, "append:1-5 error full")
	w := open(t, manual(store))
	for i := range 6 {
		raiseMany(t, w, 10)
		if err := w.Flush(context.Background()); (err == nil) != (i == 5) {
			t.Errorf("flush %d: %v", i, err)
		}
	}
	equal(t, "rows", len(rows(t, inner)), 60)
}

func TestSignalDefectD02_BurstThenClose(t *testing.T) {
	for _, n := range []int{5000, 10_000} {
		store := memory(t)
		w := open(t, Options{Store: store})
		raiseMany(t, w, n)
		wantError(t, "Close", w.Close(), nil)
		equal(t, "rows", len(rows(t, store)), n)
	}
}

// Ten minutes at default settings: everything is stored at any rate that the store keeps up with.
func TestSignalDefectD03_SustainedRates(t *testing.T) {
	for _, rate := range []int{30, 50, 100, pick(1000, 200)} {
		synctest.Test(t, func(t *testing.T) {
			store := memory(t)
			w := open(t, Options{Store: store, Clock: time.Now})
			for range 600 {
				raiseMany(t, w, rate)
				time.Sleep(time.Second)
			}
			flush(t, w)
			if s := balanced(t, w); s.Persisted != uint64(600*rate) || s.Dropped != 0 {
				t.Errorf("%d per second: %+v", rate, s)
			}
		})
	}
}

func TestSignalDefectD04_NothingIsSwallowed(t *testing.T) {
	w := open(t, Options{})
	for i := range 10_000 {
		raise(t, w, "x")
		if i%1024 == 0 && w.Len() != i+1 {
			t.Fatalf("%d visible of %d", w.Len(), i+1)
		}
	}
	equal(t, "visible", w.Len(), 10_000)
}

func TestSignalDefectD10_CapacityIsABound(t *testing.T) {
	w := open(t, Options{Capacity: 1000})
	n, err := w.Intern("x")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1_000_000 {
		if _, err := n.Raise(""); err != nil {
			t.Fatal(err)
		}
		if i%10_007 == 0 && w.Len() > 1000 {
			t.Fatalf("%d visible", w.Len())
		}
	}
	s := balanced(t, w)
	if s.Visible != 1000 || s.Discarded != 999_000 || w.store.Capacity() > 1000+reserve(1000) {
		t.Errorf("%+v, %d kept", s, w.store.Capacity())
	}
}

// Flushing, reading, raising and closing from inside a callback neither deadlock nor hold up the writer.
func TestSignalDefectD27_FlushInsideACallback(t *testing.T) {
	store := memory(t)
	w := open(t, manual(store))
	done := make(chan error, 1)
	x, err := w.Watch("a", func(Signal) { done <- w.Flush(context.Background()) }, WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inside := make(chan error, 100)
	y, err := w.Diagnostics().Watch("window.flush.*", func(Signal) { inside <- w.Flush(context.Background()) }, WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raise(t, w, "a")
	wantError(t, "Flush", <-done, nil)
	wantError(t, "Flush inside window.flush.start", <-inside, nil)
	wantError(t, "Flush inside window.flush.done", <-inside, nil)
	x.Stop()
	y.Stop()
	equal(t, "rows", len(rows(t, store)), 1)
}

// Two windows that forward to each other: no recursion, and the queues stay bounded.
func TestSignalDefectD28_ForwardingInACircle(t *testing.T) {
	a, b := open(t, Options{Capacity: 100}), open(t, Options{Capacity: 100})
	forward := func(from, to *Window) *Watcher {
		x, err := from.Watch("x", func(s Signal) { _, _ = to.RaiseSignal(s) }, WatchOptions{Buffer: 4})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x, y := forward(a, b), forward(b, a)
	raise(t, a, "x")
	eventually(t, "it went round", func() bool { return x.Stats().Delivered > 100 })
	x.Stop()
	y.Stop()
	if n := a.Len(); n > 100 {
		t.Errorf("%d signals", n)
	}
}

// Readers see all of a Clear or nothing of it, and raises at the same time neither get lost nor out of order.
func TestSignalDefectD29_ClearIsOneMoment(t *testing.T) {
	w := open(t, Options{Capacity: 1 << 20})
	raise(t, w, "stay")
	var group sync.WaitGroup
	group.Go(func() {
		for range pick(30_000, 3_000) {
			_, _ = w.RaiseBatch([]Signal{{Name: "stay"}})
			runtime.Gosched()
		}
	})
	for range pick(100, 20) {
		batch := make([]Signal, 200)
		for i := range batch {
			batch[i].Name = "go"
		}
		if _, err := w.RaiseBatch(batch); err != nil {
			t.Fatal(err)
		}
		cleared := make(chan int)
		go func() {
			n, _ := w.Clear("go")
			cleared <- n
		}()
		for n := 200; n != 0; {
			n, _ = w.Find("go").Count()
			if n != 0 && n != 200 {
				t.Fatalf("%d of 200 seen", n)
			}
			runtime.Gosched()
		}
		if n := <-cleared; n != 200 {
			t.Fatalf("%d cleared", n)
		}
		if _, err := w.SenseFunc(func(*Signal) bool { panic("predicate") }); err == nil {
			t.Fatal("no error")
		}
	}
	group.Wait()
	last := uint64(0)
	for _, s := range sense(t, w, "") {
		if s.Sequence <= last || s.Name != "stay" {
			t.Fatalf("%+v after %d", s, last)
		}
		last = s.Sequence
	}
	s := balanced(t, w)
	if s.Discarded != 0 || uint64(s.Visible)+s.Cleared != s.Raised {
		t.Errorf("%+v", s)
	}
}

// Failures are seen where they were raised, by anybody who asks the window.
func TestSignalDefectD34_BreakerSeesFailures(t *testing.T) {
	w := open(t, Options{})
	b := Breaker{Window: w}
	for range 5 {
		raise(t, w, "error:io")
	}
	if on, err := b.IsOpen(); !on || err != nil {
		t.Errorf("open: %v, %v", on, err)
	}
}
