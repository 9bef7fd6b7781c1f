package window

import (
	"fmt"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// account is the exact bookkeeping of what happened to signals; Window.mu guards it. Sequences below state.floor are
// settled, those below flushed are written or dropped.
type account struct {
	discarded, expired, cleared, restored uint64

	flushed   uint64 // every sequence below is persisted or dropped
	batchEnd  uint64 // [flushed, batchEnd) is being written
	resume    uint64 // writing goes on here; beyond batchEnd when pending signals were dropped meanwhile
	persisted uint64
	overflow  uint64 // pending signals that were given up
	target    uint64 // the round writes what is below
	missed    uint64 // of overflow: below target, and no Flush has told so
	late      uint64 // of overflow: from target on; the next round's missed
	told      uint64 // drops that the diagnostics know
	durable   uint64 // greatest sequence known to be stored

	flushes, batches, failures, pruned uint64
	lastFlush                          time.Time
	lastError                          error
}

// drop counts pending signals [from, to) that are given up.
func (a *account) drop(from, to uint64) {
	below := min(to, a.target) - min(from, a.target)
	a.overflow += to - from
	a.missed += below
	a.late += to - from - below
}

// tellMissed returns the error for what was given up since it was last called.
func (a *account) tellMissed() error {
	n := a.missed
	if a.missed = 0; n == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of them", ErrDropped, n)
}

// settle decides what became of signals that left, and lets expired ones at the start of the window go.
func (w *Window) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.open()
	defer f.cut.Close()
	w.settleFrame(&f)
	if w.o.Store != nil {
		w.keepPending(f.cut)
	}
}

// settleFrame is settle with w.mu held. Afterwards the frame shows the new state.
func (w *Window) settleFrame(f *frame) {
	s := *f.state
	w.leaveAside(f, &s)
	w.leaveLive(f, &s)
	w.state.Store(&s)
	f.fit()
}

// leaveAside settles what stands aside: what capacity pushed out, then what expired at the start.
func (w *Window) leaveAside(f *frame, s *state) {
	left, all := f.skip-s.skip, len(s.aside)
	defer func() {
		if len(s.aside) < all {
			s.aside = slices.Clone(s.aside) // the old array would keep what left alive
		}
	}()
	for len(s.aside) > 0 {
		c := s.aside[0]
		if s.skip == len(c.records) {
			s.aside, s.skip = s.aside[1:], 0
			continue
		}
		old := c.records[s.skip].at().before(f.age)
		switch {
		case old:
			w.account.expired++
		case left > 0:
			w.account.discarded++
		default:
			return
		}
		left--
		s.skip++
	}
}

// leaveLive does the same in the core store. What it holds no more counts as discarded.
func (w *Window) leaveLive(f *frame, s *state) {
	first, next, _ := f.cut.Bounds(0)
	if first = min(first, f.lo); s.floor < first {
		w.account.discarded += first - s.floor
		s.floor = first
	}
	if s.floor >= next {
		return
	}
	for pos, records := range f.cut.From(core.Position{Sequence: s.floor}).Runs() {
		for i := range records {
			old := records[i].at().before(f.age)
			switch sequence := pos.Sequence + uint64(i); {
			case old && (sequence < f.lo || len(s.aside) == 0):
				w.account.expired++
			case sequence < f.lo:
				w.account.discarded++
			default:
				return
			}
			s.floor++
		}
	}
}

// Clear forgets the signals whose names a pattern covers and returns how many these were. It takes effect at one moment
// between its start and its end: of the signals whose Raise had returned before it, none stays; those raised after it
// stay. What was written stays in the Store, and what is pending will be written.
func (w *Window) Clear(pattern string) (int, error) { return w.clear(w.Find(pattern)) }

// ClearKey is Clear for the signals with a key.
func (w *Window) ClearKey(key string) int {
	n, _ := w.clear(w.Find("").Key(key))
	return n
}

// ClearOperation is Clear for the signals of an operation.
func (w *Window) ClearOperation(id uint64) int {
	n, _ := w.clear(w.Find("").Operation(id))
	return n
}

// clear puts the survivors aside and moves the floor over the rest: readers see both or none.
func (w *Window) clear(q Query) (n int, err error) {
	if q.err != nil {
		return 0, q.err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f := frame{w: w, cut: w.through(w.next())}
	defer f.cut.Close()
	f.fit()
	w.settleFrame(&f)
	var kept gather
	set := q.names()
	q.since = f.age
	f.runs(false, func(r *run) bool {
		var gone marks
		q.named(r, set, &gone)
		q.sift(r, true, &gone)
		n += gone.count()
		for i := range r.records {
			if !gone.has(i) {
				kept.add(r.sequence(i), &r.records[i])
			}
		}
		return true
	})
	if n == 0 {
		return 0, nil
	}
	s := *f.state
	s.aside, s.skip, s.floor = kept.chunks, 0, f.next
	w.account.cleared += uint64(n)
	w.state.Store(&s)
	return n, nil
}

// SetCapacity changes how many signals the window shows, and without Options.MaxPending how many may wait for the store.
// Shrinking evicts the oldest at once; growing brings nothing back of what had left before the call. What waits beyond the
// new limit is given up under DropOldest, and stays under the other policies. Errors: ErrOption, ErrClosed.
func (w *Window) SetCapacity(n int) error {
	if n < 1 || int64(n) > MaxCapacity {
		return fmt.Errorf("%w: capacity %d", ErrOption, n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gate.Load()&gateClosed != 0 {
		return ErrClosed
	}
	f := w.open()
	defer f.cut.Close()
	w.settleFrame(&f)
	s := *f.state
	s.capacity = n
	// Room in the core store comes before signals that need it, and goes after them.
	if err := w.resize(max(n, f.state.capacity)); err != nil {
		return refusal(err)
	}
	if w.o.Store != nil {
		w.trip.rearm(w.account.flushed, n, true)
	}
	w.state.Store(&s)
	f.fit()
	w.settleFrame(&f)
	_ = w.resize(n) // fails only after Close, when memory does not matter any more
	return nil
}

// resize fits the core store to the window's capacity, with w.mu held. It stays larger while more is pending than that
// leaves room for.
func (w *Window) resize(capacity int) error {
	want := w.room(capacity)
	if w.bounded() {
		want = max(want, int(w.trip.coming()-w.account.flushed)+reserve(capacity))
	}
	if want == w.store.Capacity() {
		return nil
	}
	return w.store.SetCapacity(0, want)
}

// SetMaxAge changes the age beyond which signals are not shown. A longer one may show again what had expired, as far as
// nobody has looked at it since. Forever is no limit; 0 is no default here. Errors: ErrOption for what is not above 0.
func (w *Window) SetMaxAge(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%w: age %v", ErrOption, d)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.open()
	defer f.cut.Close()
	w.settleFrame(&f)
	s := *f.state
	s.maxAge = d
	w.state.Store(&s)
	return nil
}
