package core

import (
	"math"
	"slices"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// Append stores e where the store's placement says and returns its position. It is lock-free, never waits and does not
// allocate once segments are being reused, but for Options.Lanes, which takes a lock now and then, and Options.OnStats,
// which the append calls and waits for. Errors: ErrClosed; ErrOwned while a Producer owns the partition; ErrKeysFull
// when the key is new and MaxKeys is reached; ErrNoKey when there are several partitions and no Key.
func (s *Store[E]) Append(e E) (Position, error) {
	p := s.only
	if p == nil {
		if s.lanes != nil {
			return s.lanes.append(e)
		}
		return s.appendPlaced(e)
	}
	for { // partition.append written out: one call less is a quarter of the time
		g, ev, i := p.reserve()
		if i < uint64(len(ev)) {
			q := g.base.Load() + i
			atomicx.Writing(&ev[i])
			ev[i] = e
			g.mark(i)
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

// appendPlaced routes, interns and reports as the options ask.
func (s *Store[E]) appendPlaced(e E) (pos Position, err error) {
	p := s.fixed[0]
	if s.key != nil {
		if p, err = s.route(s.key(e)); err != nil {
			return Position{}, err
		}
	} else if len(s.fixed) > 1 {
		return Position{}, ErrNoKey
	}
	if pos, err = p.append(e); err == nil {
		s.note(1)
	}
	return pos, err
}

// route returns the partition of a key, and interns the key if Append has to.
func (s *Store[E]) route(key string) (*partition[E], error) {
	if s.bound {
		if _, err := s.keys.Intern(key); err != nil {
			return nil, err
		}
	}
	if len(s.fixed) == 1 {
		return s.fixed[0], nil
	}
	return s.fixed[partitionOf(hashKey(key), len(s.fixed))], nil
}

// note tells the stats observer about n stored events.
func (s *Store[E]) note(n int) {
	if s.seen != nil {
		s.seen.appended(n)
	}
}

// target returns an addressable partition.
func (s *Store[E]) target(i int) (*partition[E], error) {
	if s.lanes != nil {
		return nil, ErrLanes
	}
	if p := s.part(i); p != nil {
		return p, nil
	}
	return nil, ErrNoPartition
}

// AppendTo stores e in the given partition, whatever its key. Errors: as Append, and ErrNoPartition, ErrLanes.
func (s *Store[E]) AppendTo(partition int, e E) (Position, error) {
	if uint(partition) >= uint(len(s.direct)) {
		return s.appendAside(partition, e)
	}
	for p := s.direct[partition]; ; { // as in Append
		g, ev, i := p.reserve()
		if i < uint64(len(ev)) {
			q := g.base.Load() + i
			atomicx.Writing(&ev[i])
			ev[i] = e
			g.mark(i)
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

// appendAside is AppendTo for added partitions, and for stores that record arrival times or report to an observer.
func (s *Store[E]) appendAside(partition int, e E) (Position, error) {
	p, err := s.target(partition)
	if err != nil {
		return Position{}, err
	}
	pos, err := p.append(e)
	if err == nil {
		s.note(1)
	}
	return pos, err
}

// AppendIf stores events in the partition only if the first of them gets the expected sequence: a compare-and-swap, so
// of several callers with the same expectation exactly one succeeds. All or nothing, at most MaxBatch events. On
// ErrConflict the returned position is that of the next append. No events: the check alone.
func (s *Store[E]) AppendIf(partition int, expected uint64, events ...E) (Position, error) {
	p, err := s.target(partition)
	if err != nil {
		return Position{}, err
	}
	switch {
	case len(events) > MaxBatch:
		return Position{}, ErrBatchSize
	case len(events) == 0 && p.state.Load() != stateOpen:
		return Position{}, p.refusal()
	case len(events) == 0:
		pos := Position{partition, p.start + p.next()}
		if pos.Sequence != expected {
			return pos, ErrConflict
		}
		return pos, nil
	}
	pos, err := p.appendMany(events, condition{true, expected - p.start})
	if err == nil {
		s.note(len(events))
	}
	return pos, err
}

// AppendBatch stores events in their order, in parts that are each contiguous in one partition and become visible as a
// whole. Without Key a part is up to MaxBatch events; with Key each partition's share is split off first. On an error
// the batch lists what was stored before it. The slice is not kept.
func (s *Store[E]) AppendBatch(events []E) (BatchResult, error) {
	switch {
	case s.only != nil && 0 < len(events) && len(events) <= MaxBatch:
		pos, err := s.only.appendMany(events, condition{})
		if err != nil {
			return BatchResult{}, err
		}
		return BatchResult{first: Run{pos, len(events)}}, nil
	case s.lanes != nil:
		return s.lanes.appendBatch(events)
	case s.key != nil:
		return s.appendKeyed(events)
	case len(s.fixed) > 1:
		return BatchResult{}, ErrNoKey
	}
	return s.appendParts(s.fixed[0], events)
}

// AppendBatchTo is AppendBatch into the given partition, whatever the keys.
func (s *Store[E]) AppendBatchTo(partition int, events []E) (BatchResult, error) {
	p, err := s.target(partition)
	if err != nil {
		return BatchResult{}, err
	}
	return s.appendParts(p, events)
}

func (s *Store[E]) appendParts(p *partition[E], events []E) (BatchResult, error) {
	var b BatchResult
	err := s.appendTo(&b, p, events)
	return b, err
}

func (s *Store[E]) appendTo(b *BatchResult, p *partition[E], events []E) error {
	for len(events) > 0 {
		part := events[:min(len(events), MaxBatch)]
		pos, err := p.appendMany(part, condition{})
		if err != nil {
			return err
		}
		b.add(Run{pos, len(part)})
		s.note(len(part))
		events = events[len(part):]
	}
	return nil
}

// scratch is the workspace of one keyed batch.
type scratch[E any] struct {
	order  []uint64 // partition<<32 | index of each event
	events []E      // of one partition
}

// appendKeyed routes the whole batch first, so that a full key dictionary refuses it before anything is stored.
func (s *Store[E]) appendKeyed(events []E) (BatchResult, error) {
	w, _ := s.scratch.Get().(*scratch[E])
	if w == nil {
		w = new(scratch[E])
	}
	defer func() {
		clear(w.events[:cap(w.events)]) // do not keep the caller's events alive
		s.scratch.Put(w)
	}()
	var b BatchResult
	for len(events) > 0 {
		part := events[:min(len(events), math.MaxInt32)]
		if err := s.appendRouted(&b, w, part); err != nil {
			return b, err
		}
		events = events[len(part):]
	}
	return b, nil
}

func (s *Store[E]) appendRouted(b *BatchResult, w *scratch[E], events []E) error {
	w.order = w.order[:0]
	for i := range events {
		p, err := s.route(s.key(events[i]))
		if err != nil {
			return err
		}
		w.order = append(w.order, uint64(p.index)<<32|uint64(i))
	}
	slices.Sort(w.order) // by partition, and in each by the batch's own order
	for order := w.order; len(order) > 0; {
		k := order[0] >> 32
		w.events = w.events[:0]
		for len(order) > 0 && order[0]>>32 == k {
			w.events = append(w.events, events[uint32(order[0])])
			order = order[1:]
		}
		if err := s.appendTo(b, s.fixed[k], w.events); err != nil {
			return err
		}
	}
	return nil
}

// Producer returns an exclusive writer of the partition. Until it is closed everybody else's appends there return
// ErrOwned.
func (s *Store[E]) Producer(partition int) (*Producer[E], error) {
	p, err := s.target(partition)
	if err != nil {
		return nil, err
	}
	w, err := p.produce(s.seen)
	if err != nil {
		return nil, wrap(err, "producer of partition %d", partition)
	}
	return w, nil
}
