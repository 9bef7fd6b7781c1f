package window

import (
	"runtime"
	"testing"
	"time"
)

// Raising does not allocate once the window is full, sampled or not, refused or not.
func TestRaiseDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := open(t, Options{Capacity: 4096, MaxNames: 1})
	n, err := w.Intern("order.completed")
	if err != nil {
		t.Fatal(err)
	}
	batch := []Signal{{Name: "order.completed"}}
	for what, f := range map[string]func(){
		"Name.Raise":        func() { _, _ = n.Raise("order-17") },
		"Name.RaiseFor":     func() { _, _ = n.RaiseFor(7, "order-17") },
		"Raise":             func() { _, _ = w.Raise("order.completed", "order-17") },
		"RaiseSignal":       func() { _, _ = w.RaiseSignal(batch[0]) },
		"Raise of no room":  func() { _, _ = w.Raise("unknown", "") },
		"Raise of zero":     func() { _, _ = Name{}.Raise("") },
		"Raise of bad keys": func() { _, _ = n.Raise("\x00") },
	} {
		for range 20_000 {
			f()
		}
		if n := testing.AllocsPerRun(20_000, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = n.Raise("") }); n != 0 {
		t.Errorf("a refused raise allocates %v times", n)
	}
}

// Counting allocates a fixed few objects, however many signals there are.
func TestCountAllocatesLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := open(t, Options{Capacity: 50_000})
	raiseMany(t, w, 50_000)
	q := w.Find("many.3")
	f := func() { _, _ = q.Count() }
	f()
	if n := testing.AllocsPerRun(100, f); n > 20 {
		t.Errorf("Count allocates %v times", n)
	}
}

// Windows with watchers and a store leave no goroutine behind.
func TestNoGoroutineIsLeft(t *testing.T) {
	base := runtime.NumGoroutine()
	for range pick(200, 40) {
		w := open(t, Options{Store: memory(t), FlushInterval: time.Hour})
		for range 3 {
			if _, err := w.Watch("*", func(Signal) {}, WatchOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		raise(t, w, "a")
		wantError(t, "Close", w.Close(), nil)
	}
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= base })
}
