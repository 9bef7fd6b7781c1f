package core

import "github.com/ephemera-go/ephemera/core/internal/atomicx"

// A Producer is the exclusive writer of one partition: without other writers an append needs no reservation and costs
// about half. It is for one goroutine at a time; readers are not restricted. Close gives the partition back.
type Producer[E any] struct {
	p     *partition[E]
	index int
	s     *segment[E]
	ev    []E    // of s
	first uint64 // sequence of slot 0 of s
	i     uint64 // next slot of s
	leash *leash
	plain bool // neither arrival times nor an observer
	shut  bool
	seen  *observer
	_     [40]byte // 128 bytes: i is written by every append, and lanes have several Producers side by side
}

// leash is how a partition stops its Producer. It does not lead back to the Producer, so that a lost one is collected.
type leash struct {
	limit atomicx.Uint64 // slots that may be used; 0 makes the next append look why
	_     [56]byte       // read by every append of the Producer
}

// produce takes exclusive ownership of the partition.
func (p *partition[E]) produce(seen *observer) (*Producer[E], error) {
	if !p.owner.CompareAndSwap(0, 1) {
		return nil, p.refusal()
	}
	w := newProducer(p, seen)
	s := p.claim(ownedMark)
	if s == nil {
		p.owner.Store(0)
		return nil, p.refusal()
	}
	p.leash.Store(w.leash)
	w.arm(s, 0)
	return w, nil
}

func newProducer[E any](p *partition[E], seen *observer) *Producer[E] {
	return &Producer[E]{p: p, index: p.index, leash: new(leash), seen: seen}
}

// resume makes a writer of a partition whose former writer was lost; what it needs stands in the segment.
func (p *partition[E]) resume(seen *observer) *Producer[E] {
	w := newProducer(p, seen)
	p.leash.Store(w.leash)
	s := p.tail.Load()
	w.arm(s, s.done.Load())
	return w
}

// arm allows appends to s from slot i on, unless the partition was closed. The order settles the race with stop:
// whoever comes second sees the other.
func (w *Producer[E]) arm(s *segment[E], i uint64) {
	w.s, w.ev, w.i, w.first = s, s.ev, i, w.p.start+s.base.Load()
	w.plain = s.at == nil && w.seen == nil
	w.leash.limit.Store(uint64(len(s.ev)))
	if w.p.state.Load() != stateOpen {
		w.leash.limit.Store(0)
	}
}

// Append stores e. It does not allocate, wait or retry. After the store was closed it returns ErrClosed.
func (w *Producer[E]) Append(e E) (Position, error) {
	i := w.i
	if i >= w.leash.limit.Load() {
		if err := w.advance(1); err != nil {
			return Position{}, err
		}
		i = w.i
	}
	if !w.plain {
		return w.appendSeen(e)
	}
	atomicx.Writing(&w.ev[i])
	w.ev[i] = e
	w.i = i + 1
	w.s.done.Store(i + 1) // reserves and publishes at once
	if i&atomicx.DutyMask == atomicx.DutyMask {
		w.p.duty(w.first - w.p.start + i + 1)
	}
	return Position{w.index, w.first + i}, nil
}

// appendSeen is the rest of Append when arrival times or an observer are asked for; there is room.
func (w *Producer[E]) appendSeen(e E) (Position, error) {
	return w.appendPart([]E{e})
}

// AppendBatch stores events in parts of at most MaxBatch, each contiguous and visible as a whole. On an error the
// result lists what was stored before it.
func (w *Producer[E]) AppendBatch(events []E) (BatchResult, error) {
	var b BatchResult
	for len(events) > 0 {
		part := events[:min(len(events), MaxBatch)]
		pos, err := w.appendPart(part)
		if err != nil {
			return b, err
		}
		b.add(Run{pos, len(part)})
		events = events[len(part):]
	}
	return b, nil
}

func (w *Producer[E]) appendPart(events []E) (Position, error) {
	n := uint64(len(events))
	if w.i+n > w.leash.limit.Load() {
		if err := w.advance(len(events)); err != nil {
			return Position{}, err
		}
	}
	p, now := w.p, int64(0)
	if p.arrival {
		now = p.conf.clock()
	}
	i := w.i
	w.s.write(i, events, now)
	w.i = i + n
	w.s.done.Store(i + n)
	p.duties(w.first-p.start+i, i, n)
	if w.seen != nil {
		w.seen.appended(len(events))
	}
	return Position{p.index, w.first + i}, nil
}

// advance makes the next segment with enough room the writer's own.
func (w *Producer[E]) advance(room int) error {
	p := w.p
	for {
		if w.shut {
			return ErrClosed
		}
		if p.state.Load() != stateOpen {
			w.leash.limit.Store(0)
			return p.refusal()
		}
		if w.i+uint64(room) <= w.leash.limit.Load() {
			return nil
		}
		s := w.s // the newest segment: it cannot be retired before the next one took its place
		nx := p.successor(s, room)
		end := s.base.Load() + w.i
		nx.base.Store(end)
		p.own(nx, ownedMark) // nobody else opens it: s does not look full
		s.finish(w.i)
		p.tail.CompareAndSwap(s, nx)
		w.arm(nx, 0)
		if len(s.ev) <= smallSegment {
			p.tend(end)
		}
	}
}

// Close gives the partition back to shared writers. It is idempotent; later appends return ErrClosed.
func (w *Producer[E]) Close() error {
	if w.shut {
		return nil
	}
	w.shut = true
	w.leash.limit.Store(0)
	w.s.finish(w.i)
	w.p.leash.Store(nil)
	w.p.owner.Store(0)
	if w.p.state.Load() != stateOpen {
		w.p.kill()
	}
	return nil
}

// stop closes the partition for every writer, for the given reason. Appends that began earlier may still succeed;
// those that begin after stop returned are refused.
func (p *partition[E]) stop(state uint32) {
	p.state.Store(state)
	if l := p.leash.Load(); l != nil {
		l.limit.Store(0)
	}
	p.kill()
}

// kill ends the chain, unless a Producer owns its end: then its Close does, which gives that back before it looks at the
// state. p.owner does not tell whose turn it is, because a Producer that is being closed still holds it.
func (p *partition[E]) kill() { p.claim(deadMark) }
