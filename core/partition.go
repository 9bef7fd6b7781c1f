package core

import (
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// Lifecycle of a partition.
const (
	stateOpen = iota
	stateClosed
	stateRemoved
)

// A partition is a chain of segments. Writers append to the newest; a maintainer (whoever gets the try-lock while
// appending) unlinks segments below the logical head and reuses them once nobody can touch them. Nobody waits for
// anybody on this path.
//
// Offsets count from 0 whatever the first sequence is, so that no comparison ever meets a wrap-around; only the
// exported positions add start.
type partition[E any] struct {
	tail    atomicx.Pointer[segment[E]] // newest open (or owned) segment
	start   uint64                      // sequence of offset 0
	index   int
	conf    *config[E]
	cap     atomicx.Uint64 // events; SetCapacity changes it
	unit    int            // slots of a full-grown segment
	state   atomicx.Uint32
	owner   atomicx.Uint32 // 1 while a Producer owns the partition
	arrival bool           // segments record arrival times
	_       [7]byte        // above: read by every append, written once a segment

	head  atomicx.Pointer[segment[E]] // oldest linked segment
	floor atomicx.Uint64              // offsets below it are gone, whatever the capacity says
	hint  atomicx.Pointer[segment[E]] // no offset of the window below hint.base is unpublished; always linked
	pins  hazards
	leash atomicx.Pointer[leash] // of the Producer, if any

	maintenance[E]
	account[E]
}

// config is what all partitions of a store share.
type config[E any] struct {
	pointers   bool             // E holds pointers: reused slots are cleared
	arrival    bool             // segments record arrival times
	maxPending int              // events; 0: by capacity
	clock      func() int64     // Unix nanoseconds, for arrival times
	now        func() time.Time // the store's clock
	time       func(*E) time.Time
	size       func(*E) int
	deliver    func(Position, *E) // OnDiscard
	rollups    atomic.Pointer[[]folder]
	panics     atomic.Uint64
	eventBytes uint64        // size of an E
	copied     atomic.Uint64 // bytes of events handed out as copies
}

func newPartition[E any](c *config[E], index, capacity int, start uint64) *partition[E] {
	p := &partition[E]{start: start, index: index, conf: c, arrival: c.arrival, unit: unitFor(capacity)}
	p.cap.Store(uint64(capacity))
	s := newSegment[E](0, min(p.unit, minSegment), c.arrival)
	s.resv.Store(openWord(0))
	p.tail.Store(s)
	p.head.Store(s)
	p.hint.Store(s)
	p.limit = retiredLimit(capacity, p.unit)
	return p
}

// pendingLimit is how many segments may wait to be settled.
func (p *partition[E]) pendingLimit() int {
	events := p.conf.maxPending
	if events == 0 {
		events = int(min(max(4*p.cap.Load(), 1<<16), 1<<20))
	}
	return events / p.unit
}

// retiredLimit is how many retired segments a partition keeps for reuse while cuts pin them.
func retiredLimit(capacity, unit int) int { return 8 + capacity/unit/8 }

// unitFor returns the size of full-grown segments: a quarter of the capacity, as a power of two in [min, max]Segment.
func unitFor(capacity int) int {
	u := min(minSegment, maxSegment)
	for u < maxSegment && u*4 <= capacity {
		u *= 2
	}
	return u
}

// reserve takes the next slot of the newest segment, unless i is not below the returned length of ev.
func (p *partition[E]) reserve() (s *segment[E], ev []E, i uint64) {
	s = p.tail.Load()
	return s, s.ev, (s.resv.Add(1) - 1) & countMask
}

// mark publishes a reserved slot that has been written. It is the writer's last access to s.
func (s *segment[E]) mark(i uint64) {
	s.pub[i>>atomicx.WordShift%words].Or(1 << (i & atomicx.WordMask))
}

// append stores e. It is lock-free: a failed step means that another writer made progress. Store.Append has the same
// loop without the clock.
func (p *partition[E]) append(e E) (Position, error) {
	now := int64(0)
	if p.arrival {
		now = p.conf.clock() // before the reservation: a clock that panics must not leave a hole
	}
	for {
		s, ev, i := p.reserve()
		if i < uint64(len(ev)) {
			q := s.base.Load() + i // our slot is reserved and unpublished, so s cannot be reused
			atomicx.Writing(&ev[i])
			ev[i] = e
			if p.arrival {
				s.at[i] = now
			}
			s.mark(i)
			if i&atomicx.DutyMask == atomicx.DutyMask {
				p.duty(q + 1)
			}
			return Position{p.index, p.start + q}, nil
		}
		if err := p.roll(1); err != nil {
			return Position{}, err
		}
	}
}

// A condition makes a batch depend on the next offset.
type condition struct {
	set  bool
	want uint64 // offset the first event must get
}

// appendMany stores events contiguously in one segment; a reader sees all of them or none. len(events) is in
// [1, MaxBatch]. When the condition fails, the position names the actual next sequence.
func (p *partition[E]) appendMany(events []E, c condition) (Position, error) {
	n, now := uint64(len(events)), int64(0)
	if p.arrival {
		now = p.conf.clock()
	}
	for {
		s := p.tail.Load()
		w := s.resv.Load()
		i := w & countMask
		if i >= uint64(len(s.ev)) {
			if err := p.roll(len(events)); err != nil {
				return Position{}, err
			}
			continue
		}
		if c.set {
			q := s.base.Load() + i
			if s.resv.Load()>>tagShift != w>>tagShift {
				continue // reused in between: base belongs to another life than w
			}
			if q != c.want {
				return Position{p.index, p.start + q}, ErrConflict
			}
		}
		if i+n > uint64(len(s.ev)) {
			s.resv.CompareAndSwap(w, endedWord(w>>tagShift, i)) // too short for the batch: the next segment takes it
			continue
		}
		if s.resv.CompareAndSwap(w, w+n) {
			return Position{p.index, p.start + p.fill(s, i, events, now)}, nil
		}
	}
}

// fill writes and publishes the reserved slots [i, i+len(events)) and returns their first offset.
func (p *partition[E]) fill(s *segment[E], i uint64, events []E, now int64) uint64 {
	n := uint64(len(events))
	q := s.base.Load() + i
	s.write(i, events, now)
	if s.done.Load() != i || !s.done.CompareAndSwap(i, i+n) { // batch after batch: one step publishes all of it
		s.publish(i, i+n)
	}
	p.duties(q, i, n)
	return q
}

// write copies events into slots that the caller reserved.
func (s *segment[E]) write(i uint64, events []E, now int64) {
	dst := s.ev[i : i+uint64(len(events))]
	atomicx.WritingRange(dst)
	copy(dst, events)
	if s.at != nil {
		for k := range events {
			s.at[i+uint64(k)] = now
		}
	}
}
