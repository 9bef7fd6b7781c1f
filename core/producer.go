package core

import "github.com/ephemera-go/ephemera/core/internal/atomicx"

// A Producer is the exclusive writer of one partition: without other writers an append needs no reservation and costs
// about half. It is for one goroutine at a time; readers are not restricted. Close gives the partition back.
type Producer[E any] struct {
	p     *partition[E]
	s     *segment[E]
	i     uint64         // next slot of s
	limit atomicx.Uint64 // slots of s that may be used; 0 makes the next append look why
	shut  bool
	seen  *observer
}

// produce takes exclusive ownership of the partition.
func (p *partition[E]) produce(seen *observer) (*Producer[E], error) {
	if !p.owner.CompareAndSwap(0, 1) {
		return nil, p.refusal()
	}
	w := &Producer[E]{p: p, seen: seen}
	if w.s = p.claim(ownedMark); w.s == nil {
		p.owner.Store(0)
		return nil, p.refusal()
	}
	p.producer.Store(w)
	w.arm()
	return w, nil
}

// resume makes a writer of a partition whose former writer was lost; what it needs stands in the segment.
func (p *partition[E]) resume(seen *observer) *Producer[E] {
	w := &Producer[E]{p: p, seen: seen, s: p.tail.Load()}
	w.i = w.s.done.Load()
	p.producer.Store(w)
	w.arm()
	return w
}

// arm allows appends to s, unless the partition was closed. The order settles the race with stop: whoever comes
// second sees the other.
func (w *Producer[E]) arm() {
	w.limit.Store(uint64(len(w.s.ev)))
	if w.p.state.Load() != stateOpen {
		w.limit.Store(0)
	}
}

// Append stores e. It does not allocate, wait or retry. After the store was closed it returns ErrClosed.
func (w *Producer[E]) Append(e E) (Position, error) {
	i := w.i
	if i >= w.limit.Load() {
		if err := w.advance(1); err != nil {
			return Position{}, err
		}
		i = w.i
	}
	p, s := w.p, w.s
	atomicx.Writing(&s.ev[i])
	s.ev[i] = e
	if s.at != nil {
		s.at[i] = p.conf.clock()
	}
	q := s.base.Load() + i
	w.i = i + 1
	s.done.Store(i + 1) // reserves and publishes at once
	if i&atomicx.DutyMask == atomicx.DutyMask {
		p.duty(q + 1)
	}
	if w.seen != nil {
		w.seen.appended(1)
	}
	return Position{p.index, p.start + q}, nil
}

// AppendBatch stores events in parts of at most MaxBatch, each contiguous and visible as a whole. On an error the
// result lists what was stored before it.
func (w *Producer[E]) AppendBatch(events []E) (Batch, error) {
	var b Batch
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
	if w.i+n > w.limit.Load() {
		if err := w.advance(len(events)); err != nil {
			return Position{}, err
		}
	}
	p, s, i := w.p, w.s, w.i
	s.write(i, events, p.conf)
	q := s.base.Load() + i
	w.i = i + n
	s.done.Store(i + n)
	p.duties(q, i, n)
	if w.seen != nil {
		w.seen.appended(len(events))
	}
	return Position{p.index, p.start + q}, nil
}

// advance makes the next segment with enough room the writer's own.
func (w *Producer[E]) advance(room int) error {
	p := w.p
	for {
		if w.shut {
			return ErrClosed
		}
		if p.state.Load() != stateOpen {
			w.limit.Store(0)
			return p.refusal()
		}
		if w.i+uint64(room) <= w.limit.Load() {
			return nil
		}
		s := w.s // the newest segment: it cannot be retired before the next one took its place
		nx := p.successor(s, room)
		end := s.base.Load() + w.i
		nx.base.Store(end)
		p.own(nx, ownedMark) // nobody else opens it: s does not look full
		s.finish(w.i)
		p.tail.CompareAndSwap(s, nx)
		w.s, w.i = nx, 0
		w.arm()
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
	w.limit.Store(0)
	w.s.finish(w.i)
	w.p.producer.Store(nil)
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
	if w := p.producer.Load(); w != nil {
		w.limit.Store(0)
	}
	p.kill()
}

// kill ends the chain, if no Producer owns it; a Producer's Close does it otherwise.
func (p *partition[E]) kill() {
	if p.owner.CompareAndSwap(0, 1) {
		p.claim(deadMark)
	}
}
