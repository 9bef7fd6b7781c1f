package window

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ephemera-go/ephemera/core"
)

// DefaultBuffer is the default of WatchOptions.Buffer.
const DefaultBuffer = 1024

// WatchOptions configures a Watcher.
type WatchOptions struct {
	Policy Policy    // what happens when the watcher is Buffer signals behind
	Buffer int       // matching signals that may wait for the callback; 0 means DefaultBuffer
	OnGap  func(Gap) // told what was not delivered, at its place in the order; never at the same time as the callback
}

// A Gap is a stretch of signals that a watcher did not deliver.
type Gap struct {
	From, To uint64 // sequences of the first and the last one
	Dropped  uint64 // matching signals that the policy dropped
	Unseen   uint64 // signals, matching or not, that left memory before the watcher could look at them
}

func (g *Gap) merge(o Gap) {
	if o.From == 0 {
		return
	}
	if g.From == 0 || o.From < g.From {
		g.From = o.From
	}
	g.To = max(g.To, o.To)
	g.Dropped += o.Dropped
	g.Unseen += o.Unseen
}

// String describes the gap.
func (g Gap) String() string {
	return fmt.Sprintf("gap from %d to %d: %d matching signals dropped, %d signals unseen", g.From, g.To, g.Dropped, g.Unseen)
}

// WatchStats counts what a watcher did.
type WatchStats struct {
	Delivered uint64 // signals whose callback returned or panicked
	Dropped   uint64 // matching signals that the policy dropped
	Unseen    uint64 // signals, matching or not, that left memory before the watcher could look at them
	Panics    uint64 // panics of the callback and of OnGap, which were contained
	Waiting   int    // matching signals that wait for the callback now, replayed ones included
}

// A Watcher hands the signals that a pattern covers to a callback, one at a time, in the order in which they were
// raised. It has goroutines of its own, so a callback that is slow, panics or raises signals disturbs nobody else;
// under policy Block it makes raises wait, and then a callback that raises waits for itself, at most MaxBlock.
type Watcher struct {
	w        *Window
	selector *selector
	call     func(Signal)
	o        WatchOptions
	cursor   uint64 // next sequence to look at
	woken    chan struct{}
	room     chan struct{} // the queue became shorter
	filled   chan struct{} // there is something to deliver
	quit     chan struct{}
	cancel   sync.Once
	done     sync.WaitGroup

	mu       sync.Mutex
	queue    []delivery
	tail     Gap      // behind the queue
	restored []Signal // before the queue: older than all that is raised in this run
	stats    WatchStats
}

// A delivery is a signal and the gap before it.
type delivery struct {
	gap    Gap
	signal Signal
}

// Watch starts to deliver signals that are raised from now on, whatever their age, and also if they are cleared before
// their turn. Stop or Cancel the watcher when it is no longer needed; Close of the window cancels it.
func (w *Window) Watch(pattern string, call func(Signal), o WatchOptions) (*Watcher, error) {
	selector, err := w.compile(pattern)
	if err != nil {
		return nil, err
	}
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if call == nil || o.Buffer < 0 || o.Policy < DropOldest || o.Policy > Block {
		return nil, fmt.Errorf("%w: watch needs a callback, no negative Buffer, and one of the policies", ErrOption)
	}
	x := &Watcher{
		w: w, selector: selector, call: call, o: o, cursor: w.next(),
		woken: make(chan struct{}, 1), room: make(chan struct{}, 1), filled: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if !w.watchers.add(x) {
		return nil, ErrClosed
	}
	x.done.Add(2)
	go x.scan()
	go x.deliver()
	return x, nil
}

// Stop ends the watcher and waits for a callback that is running: nothing is delivered after it returned. It is
// idempotent. The callback and OnGap must call Cancel instead.
func (x *Watcher) Stop() {
	x.Cancel()
	x.done.Wait()
}

// Cancel ends the watcher without waiting: a callback that is running, or just beginning, is the last one.
func (x *Watcher) Cancel() {
	x.cancel.Do(func() {
		close(x.quit)
		x.w.watchers.remove(x)
	})
}

// Stats returns the watcher's counters.
func (x *Watcher) Stats() WatchStats {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.stats
	s.Waiting = len(x.restored) + len(x.queue)
	return s
}

func (x *Watcher) wake() { tell(x.woken) }

func (x *Watcher) ended() bool {
	select {
	case <-x.quit:
		return true
	default:
		return false
	}
}

// scanChunk bounds how many signals are copied out of the window before they are offered to the queue.
const scanChunk = 256

// scan looks at every signal once and offers the matching ones to the queue.
func (x *Watcher) scan() {
	defer x.done.Done()
	var chunk []Signal
	asleep := false
	for !x.ended() {
		from := x.cursor
		chunk = x.read(chunk[:0])
		for i := range chunk {
			x.offer(&chunk[i])
		}
		clear(chunk)
		if x.cursor > from {
			asleep = false
			continue
		}
		if !asleep { // announce it first, look again, and only then wait
			x.w.trip.sleep(x)
			asleep = true
			continue
		}
		select {
		case <-x.woken:
		case <-x.quit:
		}
		asleep = false
	}
	x.w.trip.awake(x)
}

// read appends the next matching signals to the chunk and moves the cursor over what it looked at.
func (x *Watcher) read(chunk []Signal) []Signal {
	cut := x.w.store.Cut()
	defer cut.Close()
	first, next, _ := cut.Bounds(0)
	if x.cursor < first {
		x.miss(Gap{From: x.cursor, To: first - 1, Unseen: first - x.cursor})
		x.cursor = first
	}
	if x.cursor >= next {
		return chunk
	}
	set := x.selector.current()
	for pos, records := range cut.From(core.Position{Sequence: x.cursor}).Runs() {
		for i := range records {
			if set.has(records[i].name) {
				chunk = append(chunk, x.w.signal(pos.Sequence+uint64(i), &records[i]))
			}
			if x.cursor++; len(chunk) == scanChunk {
				return chunk
			}
		}
	}
	return chunk
}

// miss books signals that were not seen.
func (x *Watcher) miss(g Gap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tail.merge(g)
	x.stats.Unseen += g.Unseen
	tell(x.filled)
}

// offer puts a signal into the queue, as the policy says.
func (x *Watcher) offer(s *Signal) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) >= x.o.Buffer {
		switch x.o.Policy {
		case DropNewest:
			x.tail.merge(dropped(s))
			x.stats.Dropped++
			return
		case DropOldest:
			x.dropOldest()
		case Block:
			if !x.await() {
				return
			}
		}
	}
	x.queue = append(x.queue, delivery{x.tail, *s})
	x.tail = Gap{}
	tell(x.filled)
}

func dropped(s *Signal) Gap { return Gap{From: s.Sequence, To: s.Sequence, Dropped: 1} }

func (x *Watcher) dropOldest() {
	old := x.pop()
	old.gap.merge(dropped(&old.signal))
	next := &x.tail
	if len(x.queue) > 0 {
		next = &x.queue[0].gap
	}
	next.merge(old.gap)
	x.stats.Dropped++
}

// pop takes the first of the queue. What is left is moved only when it is appended to and has no room behind it, so a
// long queue costs no more than a short one.
func (x *Watcher) pop() delivery {
	d := x.queue[0]
	x.queue[0] = delivery{}
	x.queue = x.queue[1:]
	return d
}

// await holds the gate until half of the queue is free. It reports false when the watcher ends.
func (x *Watcher) await() bool {
	x.w.trip.hold(true)
	defer x.w.trip.hold(false)
	for len(x.queue) > x.o.Buffer/2 {
		x.mu.Unlock()
		select {
		case <-x.room:
		case <-x.quit:
			x.mu.Lock()
			return false
		}
		x.mu.Lock()
	}
	return true
}

// deliver calls the callbacks.
func (x *Watcher) deliver() {
	defer x.done.Done()
	defer x.Cancel() // when a callback ends this goroutine, nobody must wait for it
	for !x.ended() {
		gap, s, ok := x.next()
		if !ok {
			select {
			case <-x.filled:
			case <-x.quit:
			}
			continue
		}
		if gap.From > 0 && x.o.OnGap != nil {
			x.guard(func() { x.o.OnGap(gap) })
		}
		if s.Sequence > 0 && !x.ended() {
			x.guard(func() { x.call(s) })
			x.mu.Lock()
			x.stats.Delivered++
			x.mu.Unlock()
		}
	}
}

// next takes the next delivery; a gap at the end comes alone.
func (x *Watcher) next() (Gap, Signal, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.restored) > 0 {
		s := x.restored[0]
		x.restored[0] = Signal{}
		x.restored = x.restored[1:]
		return Gap{}, s, true
	}
	if len(x.queue) > 0 {
		d := x.pop()
		tell(x.room)
		return d.gap, d.signal, true
	}
	gap := x.tail
	x.tail = Gap{}
	return gap, Signal{}, gap.From > 0
}

func (x *Watcher) guard(f func()) {
	if contain(f) != nil {
		x.mu.Lock()
		x.stats.Panics++
		x.mu.Unlock()
	}
}

// watchers is the list of those that run.
type watchers struct {
	mu     sync.Mutex
	list   []*Watcher
	closed bool
}

func (l *watchers) add(x *Watcher) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.list = append(l.list, x)
	}
	return !l.closed
}

func (l *watchers) remove(x *Watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(y *Watcher) bool { return x == y })
}

func (l *watchers) all() []*Watcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// close ends all watchers and lets no new ones in.
func (l *watchers) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, x := range l.all() {
		x.Cancel()
	}
}

// replay hands restored signals to those whose patterns cover them. They were asked for, so no policy applies to them.
func (l *watchers) replay(rows []row) {
	for _, x := range l.all() {
		set := x.selector.current()
		x.mu.Lock()
		for i := range rows {
			if set.has(rows[i].record.name) {
				x.restored = append(x.restored, x.w.signal(rows[i].sequence, &rows[i].record))
			}
		}
		x.mu.Unlock()
		tell(x.filled)
	}
}
