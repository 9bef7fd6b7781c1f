package window

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Reasons why a raise has to ask before it appends.
const (
	gateClosed uint32 = 1 << iota
	gateFull          // MaxPending signals wait for the store
	gateWatch         // a watcher with policy Block is behind
)

// trip decides what raises owe beside their append. All of it hangs on one number, Window.mark: a raise that gets that
// sequence or a later one comes here. Whoever lowers the mark looks afterwards whether it was passed meanwhile.
type trip struct {
	w        *Window
	mu       sync.Mutex
	flushAt  uint64        // sequence that makes HighWater pending; never while the flusher is told already
	fullAt   uint64        // sequence that makes MaxPending pending
	limit    atomic.Uint64 // sequence for which there is no room; it only grows, but for a smaller capacity
	sleepers []*Watcher
	holding  int           // watchers that hold the gate
	open     chan struct{} // closed when the gate opens
	flush    chan struct{} // tells the flusher
}

func (t *trip) init(w *Window) {
	t.w = w
	t.open, t.flush = make(chan struct{}), make(chan struct{}, 1)
	t.flushAt, t.fullAt = never, never
	t.limit.Store(never)
	if w.o.Store != nil {
		t.rearm(w.start, w.o.Capacity, true)
	}
	t.setMark()
}

// crossed is called by raises that passed the mark.
func (t *trip) crossed(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look(sequence)
}

// look does what a sequence asks for.
func (t *trip) look(sequence uint64) {
	for _, x := range t.sleepers {
		x.wake()
	}
	clear(t.sleepers)
	t.sleepers = t.sleepers[:0]
	if sequence >= t.flushAt {
		t.flushAt = never
		tell(t.flush)
	}
	if sequence >= t.fullAt {
		t.fullAt = never
		t.setGate(gateFull, true)
	}
	t.setMark()
}

// tell wakes whoever reads the channel, once for all that tell before it does.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (t *trip) setMark() {
	mark := min(t.flushAt, t.fullAt)
	if len(t.sleepers) > 0 {
		mark = 0
	}
	t.w.mark.Store(mark)
}

// setGate changes one reason. Raises that wait look again when one is gone.
func (t *trip) setGate(reason uint32, on bool) {
	if on {
		t.w.gate.Or(reason)
	} else if t.w.gate.And(^reason)&reason != 0 {
		t.release()
	}
}

func (t *trip) release() {
	close(t.open)
	t.open = make(chan struct{})
}

// opened returns a channel that is closed when a reason for the gate is gone.
func (t *trip) opened() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// rearm sets the marks of pending signals after the flusher moved: everything below flushed is done. With again it
// may be told of the high water anew.
func (t *trip) rearm(flushed uint64, capacity int, again bool) {
	most := uint64(t.w.maxPending(capacity))
	t.mu.Lock()
	defer t.mu.Unlock()
	if again {
		high := uint64(t.w.o.HighWater)
		if high == 0 {
			high = max(1, most/2)
		}
		t.flushAt = flushed + min(high, math.MaxInt64) - 1
	}
	if t.w.o.Overload != DropOldest {
		t.fullAt = flushed + most - 1
		t.limit.Store(flushed + most)
		t.setMark() // before the gate opens, or else raises run through it while this goroutine is stopped here
		t.setGate(gateFull, false)
		if t.w.o.Overload == Block {
			t.release() // batches may wait for room at an open gate
		}
	}
	t.after()
}

// fits reports that there is room for n signals from the sequence next on.
func (t *trip) fits(next uint64, n int) bool { return next+uint64(n) <= t.limit.Load() }

// hurry starts a write for those who found no room, unless HighWater says that only Flush does.
func (t *trip) hurry() {
	if high := t.w.o.HighWater; t.w.o.Store != nil && high <= t.w.maxPending(t.w.state.Load().capacity) {
		tell(t.flush)
	}
}

// after sets the mark and looks whether it was passed before it stood.
func (t *trip) after() {
	t.setMark()
	if next := t.w.next(); next > min(t.flushAt, t.fullAt) {
		t.look(next - 1)
	}
}

// sleep makes the next raise wake the watcher. The caller then looks once more whether there is something to do.
func (t *trip) sleep(x *Watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.sleepers, x) {
		t.sleepers = append(t.sleepers, x)
	}
	t.setMark()
}

// awake takes a watcher off the list.
func (t *trip) awake(x *Watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sleepers = slices.DeleteFunc(t.sleepers, func(y *Watcher) bool { return x == y })
	t.setMark()
}

// hold closes the gate for a watcher that is behind, or opens it again.
func (t *trip) hold(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if on {
		t.holding++
	} else {
		t.holding--
	}
	t.setGate(gateWatch, t.holding > 0)
}

// close refuses raises for ever.
func (t *trip) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w.gate.Or(gateClosed)
	t.release()
}
