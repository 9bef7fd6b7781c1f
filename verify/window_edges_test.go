package verify

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// Two windows on one file without a lease, one of them with a retention: what the other raised is either stored or
// reported, never called persisted and thrown away.
func TestSignalCase43OnSQLite_NoLeaseAndRetention(t *testing.T) {
	url := sqliteURL(t, "")
	stores := []sinks.SignalStore{openStore(t, url), openStore(t, url)}
	begin := time.Now()
	var later atomic.Int64 // the clock is read by many goroutines
	o := byHand(stores[0])
	o.RetainAge, o.Clock = time.Second, func() time.Time { return begin.Add(time.Duration(later.Load())) }
	first, second := openWindow(t, o), openWindow(t, byHand(stores[1]))
	raiseNumbered(t, second, "second", 0, 8)
	raiseNumbered(t, first, "first", 0, 10)
	must(t, first.Flush(t.Context()))
	later.Store(int64(time.Hour))
	must(t, first.Flush(t.Context())) // prunes all of it
	wantErr(t, "Flush of what the log has passed", second.Flush(t.Context()), sinks.ErrConflict)
	s := balancedStats(t, second)
	equal(t, "persisted, pending, failures", [3]uint64{s.Persisted, s.Pending, s.FlushFailures}, [3]uint64{0, 8, 1})
}

// Batches that pass the gate together must not push out signals that wait: that is DropOldest.
func TestSignalCase22_DropNewestKeepsWhatWaits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32))
	for range 100 {
		store, plan := faulty(t, openStore(t, "mem://"), "append:* stall")
		w := openWindow(t, window.Options{
			Store: store, Capacity: 100, MaxPending: 1000, Overload: window.DropNewest, FlushInterval: window.Forever,
		})
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 64 {
			all.Go(func() {
				batch := make([]window.Signal, 1024)
				for i := range batch {
					batch[i].Name = "x"
				}
				<-begin
				for range 3 {
					_, _ = w.RaiseBatch(batch)
				}
			})
		}
		close(begin)
		all.Wait()
		s := w.Stats()
		plan.Clear()
		if s.Dropped > 0 {
			t.Fatalf("signals that waited were dropped: %+v", s)
		}
	}
}

// Whether Flush tells of signals that were given up must not depend on whether somebody asked for Stats before.
func TestFlushTellsOfDropsWhoeverLooked(t *testing.T) {
	for _, look := range []bool{false, true} {
		o := byHand(openStore(t, "mem://"))
		o.Capacity, o.MaxPending = 10, 10
		w := openWindow(t, o)
		raiseNumbered(t, w, "a", 0, 100)
		if look {
			_ = w.Stats()
		}
		if err := w.Flush(t.Context()); !errors.Is(err, window.ErrDropped) {
			t.Errorf("Flush, Stats asked before: %v: %v, want ErrDropped", look, err)
		}
	}
}
