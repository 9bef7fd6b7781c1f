package core

import (
	"slices"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// smallSegment is the size up to which maintenance happens when a segment rolls; larger ones spread it.
const smallSegment = 4 * atomicx.SlotsPerWord

// firstDuties is the length of a segment's beginning in which maintenance always looks at what there is to do.
const firstDuties = 2 * (atomicx.DutyMask + 1)

// maintenance is the state behind the try-lock: only the holder of busy touches the plain fields.
type maintenance[E any] struct {
	busy      atomicx.Uint32
	retired   queue[segment[E]] // unlinked, oldest first, not reused yet
	spare     *segment[E]       // being cleaned for reuse
	clean     int               // publication words of spare that are clean
	wiped     int               // event slots of spare that are clean
	seen      uint64            // id of the newest segment at the last retirement
	limit     int               // retired segments worth keeping
	lingering []*segment[E]     // dropped, the last segment of some cut, in the middle of another: one per open cut at most
	watched   bool              // retired segments wait until the account has settled them

	fresh, recycled, abandoned atomicx.Uint64
}

func (m *maintenance[E]) try() bool { return m.busy.CompareAndSwap(0, 1) }
func (m *maintenance[E]) leave()    { m.busy.Store(0) }

// enter waits for the try-lock. Only cold operations that are not appends use it; holders never block.
func (m *maintenance[E]) enter() {
	for !m.try() {
		atomicx.Yield()
	}
}

// duty does the next small step of maintenance. The writer of every 64th slot calls it, so that no single append pays
// for a whole segment. Steps follow from the state, not from the slot: a lost try-lock delays a step and loses nothing.
// Once the newest segment has its successor, the work that its writers owe is done.
//
//go:noinline
func (p *partition[E]) duty(reserved uint64) {
	if t := p.tail.Load(); t.next.Load() != nil && reserved-t.base.Load() > firstDuties {
		return
	}
	if p.try() {
		p.step(reserved)
		p.leave()
	}
}

// duties does the steps that n appends from slot i on, at offset q, owe.
func (p *partition[E]) duties(q, i, n uint64) {
	for d := i | atomicx.DutyMask; d < i+n; d += atomicx.DutyMask + 1 {
		p.duty(q + d - i + 1)
	}
}

// tend does all the steps at once, for segments that are too small to spread them.
func (p *partition[E]) tend(reserved uint64) {
	if !p.try() {
		return
	}
	for range 4 {
		p.step(reserved)
	}
	p.leave()
}

func (p *partition[E]) step(reserved uint64) {
	t := p.tail.Load() // only a maintainer reuses segments, so the newest needs no pin here
	p.advanceHint(t)
	if id := t.id.Load(); p.seen != id {
		p.seen = id
		p.retire(reserved)
		p.trim()
		return
	}
	if p.retired.len() > p.limit {
		p.trim()
	}
	switch {
	case p.spare == nil:
		if p.spare = p.reuse(); p.spare == nil && reserved-t.base.Load() >= uint64(len(t.ev))*3/4 {
			p.install(t)
		}
	case p.clean < p.wordsUsed() || p.wiped < len(p.spare.ev):
		p.wipe()
	default:
		p.install(t)
	}
}

// wordsUsed is how many publication words a full-grown segment uses.
func (p *partition[E]) wordsUsed() int {
	return (p.unit + atomicx.SlotsPerWord - 1) / atomicx.SlotsPerWord
}

// advanceHint moves the watermark of published slots by at most one segment.
func (p *partition[E]) advanceHint(t *segment[E]) {
	if m := p.hint.Load(); m != t && m.seal() {
		p.hint.Store(m.next.Load())
	}
}

// retire unlinks segments that lie wholly below the logical head.
func (p *partition[E]) retire(reserved uint64) {
	low := p.lowest(reserved)
	for {
		s := p.head.Load()
		if s == p.tail.Load() {
			return
		}
		nx := s.next.Load()
		if nx.base.Load() > low {
			return
		}
		if p.hint.Load() == s { // s has a hole, but no cut that loads the new watermark reaches down to s
			p.hint.Store(nx)
		}
		p.head.Store(nx)
		p.retired.push(s)
	}
}

// lowest returns the logical head when the given number of offsets is reserved.
func (p *partition[E]) lowest(reserved uint64) uint64 {
	low := p.floor.Load()
	if n := p.cap.Load(); reserved > n {
		low = max(low, reserved-n)
	}
	return low
}

// reuse takes the oldest retired segment that is settled, published whole and not pinned. The order matters: a segment
// is unlinked first, then judged published, then looked up in the pins.
func (p *partition[E]) reuse() *segment[E] {
	for i := range min(p.retired.len(), 8) {
		s := p.retired.at(i)
		if !p.isSettled(s) || !s.seal() || p.pins.of(s.id.Load()) != unpinned {
			continue
		}
		p.retired.take(i)
		if len(s.ev) != p.unit { // still growing, or made for one large batch
			p.abandoned.Add(1)
			return nil
		}
		s.resv.Store(closedWord(s.id.Load()))
		s.done.Store(0)
		s.next.Store(nil)
		s.fold.Store(nil)
		p.clean, p.wiped = 0, 0
		if !p.conf.pointers {
			p.wiped = len(s.ev)
		}
		p.recycled.Add(1)
		return s
	}
	return nil
}

// wipe cleans a part of the spare segment: its bits, and events that would keep garbage alive.
func (p *partition[E]) wipe() {
	s := p.spare
	for n := 0; n < 4 && p.clean < p.wordsUsed(); n++ {
		if w := &s.pub[p.clean]; w.Load() != 0 { // a segment filled by a Producer has nothing to clean
			w.Store(0)
		}
		p.clean++
	}
	if end := min(p.wiped+256, len(s.ev)); p.wiped < end {
		atomicx.WritingRange(s.ev[p.wiped:end])
		clear(s.ev[p.wiped:end])
		p.wiped = end
	}
}

// install links the successor of the newest segment ahead of need, closed.
func (p *partition[E]) install(t *segment[E]) {
	if t.next.Load() != nil {
		return
	}
	s, id := p.spare, t.id.Load()+1
	if s == nil {
		s = newSegment[E](id, min(len(t.ev)*4, p.unit), p.conf.arrival)
		p.fresh.Add(1)
	} else {
		s.id.Store(id)
		s.resv.Store(closedWord(id))
	}
	p.spare = nil
	if !t.next.CompareAndSwap(nil, s) && len(s.ev) == p.unit {
		p.spare, p.clean, p.wiped = s, p.wordsUsed(), len(s.ev)
	}
}

// trim leaves the oldest surplus segments to the garbage collector, a few at a time.
func (p *partition[E]) trim() {
	if len(p.lingering) > 0 {
		p.unlinkLingering()
	}
	for n := 0; n < 4 && p.retired.len() > p.limit; n++ {
		s := p.retired.at(0)
		if !p.isSettled(s) {
			if p.retired.len() <= p.limit+p.pendingLimit() || !p.skip() {
				return
			}
			continue
		}
		p.drop(s)
	}
}

// tidy unlinks what left and gives surplus segments back although nobody appends; the sweeper calls it. Steps that
// appends had to leave out, because a maintainer was preempted, would else wait for the next append.
func (p *partition[E]) tidy() {
	if !p.try() {
		return
	}
	defer p.leave()
	p.advanceHint(p.tail.Load())
	p.retire(p.next())
	p.unlinkLingering()
	for n := -1; p.retired.len() > p.limit && p.retired.len() != n; {
		n = p.retired.len()
		p.trim()
	}
}

// drop forgets the oldest retired segment s. A cut that ends in s must not keep everything newer alive, so the link is
// cut; if another cut walks on through s, that is done later.
func (p *partition[E]) drop(s *segment[E]) {
	switch k := p.pins.of(s.id.Load()); {
	case k&(interior|transient) == 0:
		s.next.Store(nil)
	case k&(edge|transient) != 0 && len(p.lingering) < maxLingering:
		p.lingering = append(p.lingering, s)
	}
	p.retired.take(0)
	p.abandoned.Add(1)
}

// maxLingering bounds the segments that are remembered because their link must be cut later.
const maxLingering = 64

// unlinkLingering cuts the links that could not be cut when their segments were dropped.
func (p *partition[E]) unlinkLingering() {
	p.lingering = slices.DeleteFunc(p.lingering, func(s *segment[E]) bool {
		if p.pins.of(s.id.Load())&(interior|transient) != 0 {
			return false
		}
		s.next.Store(nil)
		return true
	})
}
