package window

import (
	"math"
	"slices"
	"sync"
)

// Reasons why a raise has to ask before it appends.
const (
	gateClosed uint32 = 1 << iota
	gateFull          // MaxPending signals wait for the store, or raises wait for room
	gateWatch         // a watcher with policy Block is behind
	gateClaim         // somebody is about to claim room
)

// trip decides what raises owe beside their append. All of it hangs on one number, Window.mark: a raise that gets that
// sequence or a later one comes here. Whoever lowers the mark looks afterwards whether it was passed meanwhile.
//
// Where pending signals are limited, raises pass an open gate without asking until one of them makes the limit full and
// closes it. Raises that find it closed, and all batches, claim their room first, and wait for it in a queue. As long as
// somebody waits the gate stays closed: whoever comes later waits behind, so that neither a batch nor a raise is
// starved. Beyond the limit are at most the raises that had passed the gate when it closed.
type trip struct {
	w        *Window
	mu       sync.Mutex
	flushAt  uint64 // sequence that makes HighWater pending; never while the flusher is told already
	fullAt   uint64 // sequence that leaves no room for raises that do not ask; never while the gate is closed
	limit    uint64 // sequence for which there is no room
	most     uint64 // signals that may be pending
	claimed  uint64 // room given to raises that have not appended yet
	queue    []*place
	sleepers []*Watcher
	holding  int           // watchers that hold the gate
	open     chan struct{} // closed when no watcher holds the gate any more
	closed   chan struct{}
	flush    chan struct{} // tells the flusher
}

// A place in the queue for room.
type place struct {
	n       uint64
	granted bool          // guarded by trip.mu
	ready   chan struct{} // closed when the room is granted, or will never be
}

func (t *trip) init(w *Window) {
	t.w = w
	t.open, t.closed, t.flush = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	t.flushAt, t.fullAt, t.limit, t.most = never, never, never, never
	if w.o.Store != nil {
		t.rearm(w.start, w.o.Capacity, true)
	}
	t.setMark()
}

// crossed is called by raises that passed the mark.
func (t *trip) crossed(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.sleepers {
		x.wake()
	}
	clear(t.sleepers)
	t.sleepers = t.sleepers[:0]
	t.look(sequence)
}

// look does what a sequence asks for.
func (t *trip) look(sequence uint64) {
	if sequence >= t.flushAt {
		t.flushAt = never
		tell(t.flush)
	}
	if sequence >= t.fullAt {
		t.fullAt = never
		t.w.gate.Or(gateFull)
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

// rearm sets the marks of pending signals after the flusher moved or the capacity changed: everything below flushed is
// done. With again it may be told of the high water anew. Window.mu is held, so that no older news comes later.
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
	if t.w.bounded() {
		t.limit, t.most = flushed+most, most
	}
	t.level()
}

// level gives the room that there is to those who wait for it, and opens or closes the gate for the others. The mark is
// set before the gate opens, or else raises run through it while this goroutine is stopped in between.
func (t *trip) level() {
	if t.w.bounded() {
		for len(t.queue) > 0 && t.grant(t.queue[0]) {
			t.queue[0] = nil
			t.queue = t.queue[1:]
		}
		t.fullAt = 0
		if len(t.queue) == 0 {
			t.fullAt = t.limit - min(t.limit, t.claimed+1)
		}
	}
	t.setMark()
	if t.w.next() <= t.fullAt {
		t.w.gate.And(^(gateFull | gateClaim))
	}
	if next := t.w.next(); next > min(t.flushAt, t.fullAt) {
		t.look(next - 1)
	}
	t.w.gate.And(^gateClaim)
}

// room returns for how many signals there is room.
func (t *trip) room() uint64 { return t.limit - min(t.limit, t.w.next()+t.claimed) }

// grant lets the first of the queue go if there is room for it, or if there never will be because the capacity shrank.
func (t *trip) grant(x *place) bool {
	switch {
	case x.n <= t.room():
		x.granted = true
		t.claimed += x.n
	case x.n <= t.most:
		return false
	}
	close(x.ready)
	return true
}

// claim takes room for n signals. When there is none it returns a place in the queue, or nothing for those who do not
// wait.
func (t *trip) claim(n int, wait bool) (ok bool, x *place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.level()
	t.w.gate.Or(gateClaim) // nobody passes without asking while the room is looked at
	switch {
	case len(t.queue) == 0 && uint64(n) <= t.room():
		t.claimed += uint64(n)
		return true, nil
	case !wait || uint64(n) > t.most:
		return false, nil
	}
	x = &place{n: uint64(n), ready: make(chan struct{})}
	t.queue = append(t.queue, x)
	return false, x
}

// leave ends the wait at a place and reports whether there is room now.
func (t *trip) leave(x *place) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.queue, x); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
		t.level()
	}
	return x.granted
}

// unclaim says that n signals were appended to the room that they had claimed.
func (t *trip) unclaim(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed -= uint64(n)
	t.level()
}

// coming returns the sequence behind everything that was raised or has claimed room.
func (t *trip) coming() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.next() + t.claimed
}

// hurry starts a write for those who found no room, unless HighWater says that only Flush does.
func (t *trip) hurry() {
	if high := t.w.o.HighWater; high <= t.w.maxPending(t.w.state.Load().capacity) {
		tell(t.flush)
	}
}

// opened returns a channel that is closed when no watcher holds the gate any more, or when it is closed for ever.
func (t *trip) opened() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
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
	switch {
	case on:
		t.holding++
		t.w.gate.Or(gateWatch)
	default:
		if t.holding--; t.holding == 0 {
			t.w.gate.And(^gateWatch)
			t.wakeRaises()
		}
	}
}

func (t *trip) wakeRaises() {
	close(t.open)
	t.open = make(chan struct{})
}

// close refuses raises for ever.
func (t *trip) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.w.gate.Or(gateClosed)
	close(t.closed)
	t.wakeRaises()
}
