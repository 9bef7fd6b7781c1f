package window

import (
	"fmt"
	"time"
)

// Stats is a picture of a window's counters at one moment; only Refused is read apart. Totals are never reset. Always
//
//	Raised + Restored = Visible + Discarded + Cleared + Expired
//	Raised            = Persisted + Pending + Dropped    (with a Store)
//
// A raise that returned an error is not in Raised; Refused tells why.
type Stats struct {
	Visible   int    // what the window shows
	Raised    uint64 // signals of this run
	Restored  uint64 // signals of earlier runs that Load brought back
	Discarded uint64 // left because of the capacity; so do expired ones that left before anybody looked
	Expired   uint64 // left because of their age, and those that still wait to leave behind a younger one
	Cleared   uint64 // left because of Clear

	Persisted uint64 // written to the store
	Pending   uint64 // waiting for the store, or being written
	Dropped   uint64 // given up by Overload; unwritten, unless a write with an unknown outcome was stored after all
	Pruned    uint64 // deleted from the store by RetainAge and RetainCount

	Refused Refused

	Flushes       uint64    // rounds that wrote something
	Batches       uint64    // successful writes
	FlushFailures uint64    // failed writes
	LastFlush     time.Time // end of the last round that wrote something; zero before
	LastError     error     // of the last write; nil if it succeeded
	LastSequence  uint64    // of the newest signal; also of an earlier run
	LastDurable   uint64    // greatest sequence that is known to be stored

	Names int // names that the window knows
}

// Refused counts signals that were not raised, by the error that the caller got; of a batch that was refused, or the
// rest of it, every signal counts. A name that Window.Intern refuses counts as one.
type Refused struct {
	Invalid, NamesFull, Overloaded, Closed uint64
}

// Total returns the sum of all causes.
func (r Refused) Total() uint64 { return r.Invalid + r.NamesFull + r.Overloaded + r.Closed }

// Stats returns the counters. Its cost grows with the number of signals that left since it was last looked at, and under
// MaxAge with those near the limit.
func (w *Window) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.open()
	defer f.cut.Close()
	w.settleFrame(&f)
	a := &w.account
	if w.o.Store != nil {
		w.keepPending(f.cut)
	}
	all := w.Find("")
	shown := all.count(&f)
	held := f.state.size() + int(f.next-f.lo)
	s := Stats{
		Visible: shown, Raised: f.next - w.start, Restored: a.restored,
		Discarded: a.discarded, Expired: a.expired + uint64(held-shown), Cleared: a.cleared,
		Persisted: a.persisted, Dropped: a.overflow, Pruned: a.pruned,
		Refused: Refused{
			w.refused.invalid.Load(), w.refused.names.Load(), w.refused.overloaded.Load(), w.refused.closed.Load(),
		},
		Flushes: a.flushes, Batches: a.batches, FlushFailures: a.failures, LastFlush: a.lastFlush, LastError: a.lastError,
		LastSequence: f.next - 1, LastDurable: a.durable, Names: w.names.Len(),
	}
	if w.o.Store != nil {
		s.Pending = a.batchEnd - a.flushed + f.next - a.resume
	}
	return s
}

// String returns the main counters on one line.
func (s Stats) String() string {
	return fmt.Sprintf("Stats(Visible: %d, Raised: %d, Restored: %d, Persisted: %d, Pending: %d, Dropped: %d, FlushFailures: %d)",
		s.Visible, s.Raised, s.Restored, s.Persisted, s.Pending, s.Dropped, s.FlushFailures)
}
