package window

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// A Window holds signals. Make one with New, and Close it. All methods are safe for concurrent use. Raise waits for no
// reader, callback or disk, unless a policy says so.
type Window struct {
	// Read by every raise and rarely written.
	store  *core.Store[record] // holds more than is shown: what expired, was cleared or waits for the Store; nothing restored
	gate   atomic.Uint32       // not 0: a raise has to ask before it appends
	mark   atomic.Uint64       // whoever raises this sequence or a later one has something to do
	start  uint64              // first sequence of this run
	sample sampler
	ticker *ticker
	clock  func() time.Time // nil with a ticker
	names  *core.Keys
	_      [64]byte

	o         Options
	indexes   *core.Rollup[record, *index]
	selectors selectors
	spelling  spelling
	state     atomic.Pointer[state]
	refused   refusals
	trip      trip
	operation atomic.Uint64
	watchers  watchers

	mu      sync.Mutex // guards the account and changes of state
	account account

	flusher *flusher      // nil without a Store
	told    *teller       // nil in the window of the diagnostics itself
	quit    chan struct{} // ends keep
	kept    chan struct{} // it has ended
	loading chan struct{} // holds a token while a Load is under way
	closing atomic.Bool
	ended   chan struct{} // Close has done everything
	closed  error         // what it returned
}

// New makes a window. With a Store it asks the store for the last sequence it ever held, so that sequences continue;
// the context is for that. Bad options are refused together, each an ErrOption.
func New(ctx context.Context, o Options) (*Window, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	var stat sinks.SignalStat
	if o.Store != nil {
		var err error
		if stat, err = o.Store.Stat(ctx); err != nil {
			return nil, fmt.Errorf("window: open: %w", err)
		}
		if stat.Last >= sinks.MaxSequence {
			return nil, fmt.Errorf("window: open: %w: the store is at sequence %d, which leaves none", sinks.ErrInvalid, stat.Last)
		}
	}
	earlier, err := o.restored(stat)
	if err != nil {
		return nil, fmt.Errorf("window: open: %w", err)
	}
	var c *ticker
	if o.Clock == nil {
		c = startTicker()
	}
	told, err := newTeller(o.Clock, c)
	if err != nil {
		c.stop()
		return nil, err
	}
	w, err := build(o, max(stat.Last, earlier.last)+1, c, told)
	if err != nil {
		c.stop()
		return nil, errors.Join(err, told.w.Close())
	}
	if err := w.putAside(earlier); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.account.durable = stat.Last
	if o.Store != nil {
		w.flusher = startFlusher(w, stat.Last)
	}
	told.say("window.initialized", "")
	return w, nil
}

// build makes a window whose first signal gets sequence start.
func build(o Options, start uint64, c *ticker, told *teller) (*Window, error) {
	w := &Window{
		o: o, start: start, told: told, clock: o.Clock, ticker: c, selectors: selectors{list: map[string]*selector{}},
		loading: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	var err error
	if w.names, err = core.NewKeys(o.MaxNames); err != nil {
		return nil, err
	}
	w.account = account{flushed: start, batchEnd: start, resume: start}
	w.state.Store(&state{floor: start, capacity: o.Capacity, maxAge: o.MaxAge})
	w.store, err = core.New(core.Options[record]{
		Capacity: w.room(o.Capacity), StartAt: []uint64{start}, Time: (*record).Time, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	if w.indexes, err = core.NewRollup(w.store, indexing(), core.RollupOptions{Name: "names"}); err != nil {
		return nil, errors.Join(err, w.store.Close())
	}
	if told != nil {
		w.sample = newSampler(o.SampleEvery)
	}
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // crypto/rand.Read ends the program rather than return an error
	w.operation.Store(binary.LittleEndian.Uint64(seed[:]))
	w.trip.init(w)
	w.quit, w.kept = make(chan struct{}), make(chan struct{})
	go w.keep()
	return w, nil
}

// keep settles now and then what left the window, so that the expired are told from the discarded and memory is given
// back. That is by time, not by the number of raises: signals that stay for less than MaxAge are all discarded, unseen.
func (w *Window) keep() {
	defer close(w.kept)
	last := w.start
	for {
		t := time.NewTimer(min(max(w.MaxAge()/8, minKeep), maxKeep))
		select {
		case <-w.quit:
			t.Stop()
			return
		case <-t.C:
		}
		if s := w.state.Load(); w.next() != last || s.floor != last || len(s.aside) > 0 {
			w.settle()
			last = w.next()
		}
		w.tellDrops() // a store that hangs must not keep that secret
	}
}

const (
	minKeep = 100 * time.Millisecond
	maxKeep = time.Minute
)

// room returns the capacity of the core store: what the window shows, what may be pending, and a reserve in which
// signals that left are looked at once more, to tell the expired from the discarded.
func (w *Window) room(capacity int) int {
	most := max(capacity, w.maxPending(capacity))
	return most + min(reserve(capacity), math.MaxInt-most) // an int may have 32 bits
}

func reserve(capacity int) int { return max(capacity/8, 1024) }

// maxPending is 0 without a Store.
func (w *Window) maxPending(capacity int) int {
	switch {
	case w.o.Store == nil:
		return 0
	case w.o.MaxPending > 0:
		return w.o.MaxPending
	}
	return capacity
}

// now returns the time of a signal that is raised now.
func (w *Window) now() (sec int64, nsec uint32) {
	if c := w.ticker; c != nil {
		v := c.word.Load()
		return int64(v >> nsecBits), uint32(v & nsecMask)
	}
	t := w.clock()
	return t.Unix(), uint32(t.Nanosecond())
}

// reading returns the time by which reads judge age.
func (w *Window) reading() time.Time {
	if w.clock != nil {
		return w.clock()
	}
	return time.Now()
}

// cutAttempts is how often a read looks again when a raise stands between reserving its place and filling it.
const cutAttempts = 64

// cut opens a cut of the core store. It lets raises that are under way finish, so that what a caller raised before is
// seen, but not for ever.
func (w *Window) cut() *core.Cut[record] {
	c := w.store.Cut()
	for range cutAttempts {
		if c.Holes() == 0 {
			break
		}
		c.Close()
		runtime.Gosched()
		c = w.store.Cut()
	}
	return c
}

// through opens a cut that covers every sequence below end, which were given out before. It waits for the raises that
// got them and have not finished, each a few instructions before its end.
func (w *Window) through(end uint64) *core.Cut[record] {
	for {
		c := w.store.Cut()
		if _, next, _ := c.Bounds(0); next >= end {
			return c
		}
		c.Close()
		runtime.Gosched()
	}
}

// next returns the sequence that the next signal will get.
func (w *Window) next() uint64 {
	n, _ := w.store.Next(0) // partition 0 always exists
	return n
}

// NewOperation returns a number for [Signal.Operation]. It begins at a random number of 64 bits and counts, so that
// operations of several runs do not meet.
func (w *Window) NewOperation() uint64 {
	for {
		if id := w.operation.Add(1); id != 0 {
			return id
		}
	}
}

// Capacity returns how many signals the window shows at most.
func (w *Window) Capacity() int { return w.state.Load().capacity }

// MaxAge returns the age beyond which signals are not shown.
func (w *Window) MaxAge() time.Duration { return w.state.Load().maxAge }

// Len returns how many signals the window shows.
func (w *Window) Len() int {
	n, _ := w.Find("").Count()
	return n
}

// Diagnostics returns the window that tells what this one does: window.initialized, window.raise for one in SampleEvery
// signals, with the name as its key, window.flush.start:{n}, window.flush.done:{n} and window.flush.error for each
// batch, window.load.done:{n}, window.prune.done:{n}, window.prune.error, and window.dropped with the number as its
// key. Errors have number and cause as key. It is in memory only, and its own Diagnostics is nil.
func (w *Window) Diagnostics() *Window {
	if w.told == nil {
		return nil
	}
	return w.told.w
}

// Close refuses signals from now on, cancels the watchers, writes what is pending, ends the background work, and returns
// the error of that last write. Later calls return the same. Signals stay readable. What watchers had not delivered they
// do not deliver any more, and a callback that is running is not waited for. The Store stays open: it is the caller's.
// Close has no limit: it waits for a store that hangs, as long as that does. Use Shutdown where that must not be.
func (w *Window) Close() error { return w.Shutdown(context.Background()) }

// Shutdown is Close with a limit for the last write. When the context ends first, its error is returned and what is
// still pending stays so. A call during another one waits for that, no longer than its own context lasts.
func (w *Window) Shutdown(ctx context.Context) error {
	if w.closing.CompareAndSwap(false, true) {
		w.closed = w.end(ctx)
		close(w.ended)
		return w.closed
	}
	select {
	case <-w.ended:
		return w.closed
	case <-ctx.Done():
		return fmt.Errorf("window: close: %w", ctx.Err())
	}
}

// end is the one call of Shutdown that does something.
func (w *Window) end(ctx context.Context) (err error) {
	w.trip.close()
	_ = w.store.Close() // always nil; now the last sequence is known
	w.watchers.close()
	if w.flusher != nil {
		err = w.flusher.shutdown(ctx)
	}
	close(w.quit)
	<-w.kept
	if w.told != nil { // the window of the diagnostics shares the ticker and closes first
		err = errors.Join(err, w.told.w.Close())
		w.ticker.stop()
	}
	return err
}

const never = math.MaxUint64
