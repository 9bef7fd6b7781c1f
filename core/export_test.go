//go:build !explore

package core

import "github.com/ephemera-go/ephemera/core/internal/atomicx"

// ReserveOnly does the first half of an append to the partition: it reserves a slot. The returned function does the
// second half: it writes the event, publishes it and does the maintenance that the slot owes. Until then the slot is
// what a writer leaves that was preempted between the two.
func ReserveOnly[E any](s *Store[E], partition int) (finish func(E) Position) {
	p, err := s.target(partition)
	if err != nil {
		panic(err)
	}
	now := int64(0)
	if p.arrival {
		now = p.conf.clock()
	}
	for {
		s := p.tail.Load()
		i := (s.resv.Add(1) - 1) & countMask
		if i >= uint64(len(s.ev)) {
			if err := p.roll(1); err != nil {
				panic(err)
			}
			continue
		}
		return func(e E) Position {
			q := s.base.Load() + i
			s.write(i, []E{e}, now)
			s.pub[i>>atomicx.WordShift%words].Or(1 << (i & atomicx.WordMask))
			if i&atomicx.DutyMask == atomicx.DutyMask {
				p.duty(q + 1)
			}
			return Position{p.index, p.start + q}
		}
	}
}

// ReserveBatchOnly does the same for a batch of n events, at most MaxBatch.
func ReserveBatchOnly[E any](s *Store[E], partition, n int) (finish func([]E) Position) {
	p, err := s.target(partition)
	if err != nil {
		panic(err)
	}
	now := int64(0)
	if p.arrival {
		now = p.conf.clock()
	}
	for {
		s := p.tail.Load()
		w := s.resv.Load()
		i := w & countMask
		switch {
		case i >= uint64(len(s.ev)):
			if err := p.roll(n); err != nil {
				panic(err)
			}
		case i+uint64(n) > uint64(len(s.ev)):
			s.resv.CompareAndSwap(w, endedWord(w>>tagShift, i))
		case s.resv.CompareAndSwap(w, w+uint64(n)):
			return func(events []E) Position { return Position{p.index, p.start + p.fill(s, i, events, now)} }
		}
	}
}
