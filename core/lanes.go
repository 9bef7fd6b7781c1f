package core

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// lanes are partitions that appenders borrow from a pool that is local to the processor, so that appends on different
// processors touch no common memory. The last partition, the overflow, is always open to everybody.
//
// The pool holds two kinds of things. A *Producer is the exclusive and fastest way into a lane; whoever has it out keeps
// it for the length of one append. A *partition is an open lane: it goes back to the pool before the append, so that
// it is never out for long. Lanes are exclusive as long as there are no fewer than processors and than goroutines that
// append. Else writers that the scheduler stops in the middle of an append would keep most Producers to themselves:
// then lanes are opened one by one as their Producers come back, and are tried as exclusive ones again much later.
type lanes[E any] struct {
	parts    []*partition[E] // the overflow is the last
	overflow *partition[E]
	seen     *observer
	pool     sync.Pool // *Producer[E] or *partition[E]

	openFor uint64        // appends that an open lane takes before it is tried as an exclusive one again
	crowded atomic.Bool   // a Producer that comes back opens its lane
	idle    atomic.Int32  // length of free, to look at it without the lock
	turn    atomic.Uint32 // round robin over parts
	_       [40]byte      // above: read by every append

	mu    sync.Mutex
	free  []int             // lanes whose Producer was lost
	guard []runtime.Cleanup // of each lane's Producer
}

const (
	laneOpenFor     = 1 << 22 // rare enough for a trial to cost nothing
	overflowOpenFor = 1 << 20 // rare enough while it is needed: at 1 << 17 eight writers cost 0.2 to 0.3 of a mutex ring, not 0.14
)

func newLanes[E any](parts []*partition[E], seen *observer) *lanes[E] {
	n := len(parts) - 1
	l := &lanes[E]{parts: parts, overflow: parts[n], seen: seen, openFor: laneOpenFor, guard: make([]runtime.Cleanup, n)}
	for i, p := range parts[:n] {
		p.owner.Store(1)
		p.claim(ownedMark)
		l.free = append(l.free, i)
	}
	l.idle.Store(int32(n))
	return l
}

func (l *lanes[E]) append(e E) (Position, error) {
	for {
		switch lane := l.pool.Get().(type) {
		case *Producer[E]:
			pos, err := lane.Append(e)
			l.giveBack(lane)
			return pos, err
		case *partition[E]:
			if !l.reopen(lane) {
				continue
			}
			if pos, err := lane.append(e); err == nil || !errors.Is(err, ErrOwned) {
				l.took(lane, pos, 1, err)
				return pos, err
			}
		default:
			l.provide()
		}
	}
}

func (l *lanes[E]) appendBatch(events []E) (BatchResult, error) {
	var b BatchResult
	for len(events) > 0 {
		switch lane := l.pool.Get().(type) {
		case *Producer[E]:
			rest, err := lane.AppendBatch(events)
			l.giveBack(lane)
			for r := range rest.Runs() {
				b.add(r)
			}
			return b, err
		case *partition[E]:
			if !l.reopen(lane) {
				continue
			}
			part := events[:min(len(events), MaxBatch)]
			pos, err := lane.appendMany(part, condition{})
			if err != nil && errors.Is(err, ErrOwned) {
				continue
			}
			l.took(lane, pos, len(part), err)
			if err != nil {
				return b, err
			}
			b.add(Run{pos, len(part)})
			events = events[len(part):]
		default:
			l.provide()
		}
	}
	return b, nil
}

// giveBack returns a Producer to the pool, or opens its lane if there are more appenders than lanes.
func (l *lanes[E]) giveBack(w *Producer[E]) {
	if !l.crowded.Load() {
		l.pool.Put(w)
		return
	}
	l.mu.Lock()
	l.guard[w.index].Stop()
	l.mu.Unlock()
	_ = w.Close() // cannot fail
	l.pool.Put(w.p)
}

// reopen puts an open lane back at once. It reports false, and drops the lane, if it is exclusive by now.
func (l *lanes[E]) reopen(p *partition[E]) bool {
	if p.owner.Load() != 0 && p.state.Load() == stateOpen {
		return false
	}
	l.pool.Put(p)
	return true
}

// took follows an append of n events to an open lane.
func (l *lanes[E]) took(p *partition[E], pos Position, n int, err error) {
	if err != nil {
		return
	}
	if l.seen != nil {
		l.seen.appended(n)
	}
	if p == l.overflow {
		if pos.Sequence%overflowOpenFor+uint64(n) >= overflowOpenFor {
			l.leaveOverflow()
		}
	} else if pos.Sequence%l.openFor+uint64(n) >= l.openFor {
		l.reclaim(p)
	}
}

// leaveOverflow takes the overflow out of the pool if it comes first there: a processor would else go on using it while
// lanes that were opened later lie behind it.
func (l *lanes[E]) leaveOverflow() {
	if first := l.pool.Get(); first != nil && first != any(l.overflow) {
		l.pool.Put(first)
	}
}

// reclaim makes an open lane exclusive again.
func (l *lanes[E]) reclaim(p *partition[E]) {
	l.crowded.Store(false)
	if w, err := p.produce(l.seen); err == nil {
		l.mu.Lock()
		l.watch(w)
		l.mu.Unlock()
		l.pool.Put(w)
	}
}

// provide puts something into the pool, which was found empty: the Producer of a lane that lost its own, else an open
// lane or the overflow.
func (l *lanes[E]) provide() {
	if l.idle.Load() != 0 {
		if w := l.issue(); w != nil {
			l.crowded.Store(false) // there was a lane to spare
			l.pool.Put(w)
			return
		}
	}
	if !l.crowded.Load() {
		l.crowded.Store(true)
	}
	for range l.parts {
		p := l.parts[int(l.turn.Add(1)%uint32(len(l.parts)))]
		if p.owner.Load() == 0 {
			l.pool.Put(p)
			return
		}
	}
	l.pool.Put(l.overflow)
}

// issue makes a Producer for a lane that has none. The pool may lose them to the garbage collector; the cleanup then
// frees the lane, and the next Producer starts from what stands in the partition.
func (l *lanes[E]) issue() *Producer[E] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return nil
	}
	lane := l.free[n-1]
	l.free = l.free[:n-1]
	l.idle.Store(int32(n - 1))
	w := l.parts[lane].resume(l.seen)
	l.watch(w)
	return w
}

// watch frees the lane when its Producer is lost. The caller holds the lock.
func (l *lanes[E]) watch(w *Producer[E]) { l.guard[w.index] = runtime.AddCleanup(w, l.lost, w.index) }

func (l *lanes[E]) lost(lane int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, lane)
	l.idle.Store(int32(len(l.free)))
}
