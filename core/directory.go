package core

import (
	"slices"
	"sync"
	"sync/atomic"
)

// directory holds the partitions. Those that New made come first and stay; numbers of the others are never used again.
// Reading is lock-free: slots only grows, and alive is replaced as a whole.
type directory[E any] struct {
	mu    sync.Mutex
	slots atomic.Pointer[[]*entry[E]]     // of the added partitions, removed ones included
	alive atomic.Pointer[[]*partition[E]] // all that there are
}

type entry[E any] struct{ p atomic.Pointer[partition[E]] }

// get returns the i-th added partition, or nil.
func (d *directory[E]) get(i int) *partition[E] {
	l := d.slots.Load()
	if l == nil || i < 0 || i >= len(*l) {
		return nil
	}
	return (*l)[i].p.Load()
}

// add appends what make returns for index i, or for the next free one if that is greater. Both lists grow in place:
// readers of an older one never look behind its length.
func (d *directory[E]) add(i int, make func(i int) *partition[E]) *partition[E] {
	d.mu.Lock()
	defer d.mu.Unlock()
	var slots []*entry[E]
	if l := d.slots.Load(); l != nil {
		slots = *l
	}
	for len(slots) < i {
		slots = append(slots, &entry[E]{}) // a number that was used and must not come back
	}
	e, p := &entry[E]{}, make(len(slots))
	e.p.Store(p)
	slots = append(slots, e)
	alive := append(*d.alive.Load(), p)
	d.slots.Store(&slots)
	d.alive.Store(&alive)
	return p
}

// next returns the index that add uses next.
func (d *directory[E]) next() int {
	if l := d.slots.Load(); l != nil {
		return len(*l)
	}
	return 0
}

// remove takes the i-th added partition out.
func (d *directory[E]) remove(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := (*d.slots.Load())[i].p.Swap(nil)
	var alive []*partition[E]
	for _, q := range *d.alive.Load() {
		if q != p {
			alive = append(alive, q)
		}
	}
	d.alive.Store(&alive)
}

// part returns a partition by its number, or nil.
func (s *Store[E]) part(i int) *partition[E] {
	if uint(i) < uint(len(s.fixed)) {
		return s.fixed[i]
	}
	return s.dir.get(i - len(s.fixed))
}

// all returns the partitions there are now. The slice is shared.
func (s *Store[E]) all() []*partition[E] { return *s.dir.alive.Load() }

// PartitionNumbers returns the numbers of the partitions there are now, ascending.
func (s *Store[E]) PartitionNumbers() []int {
	var list []int
	for _, p := range s.all() {
		list = append(list, p.index)
	}
	return list
}

// NextPartition returns the number that AddPartition gives next: a greater one than every partition ever had.
func (s *Store[E]) NextPartition() int { return len(s.fixed) + s.dir.next() }

// removals remembers partitions that are gone: the ledger of those that are settled, and the others until the sweeper
// has told OnDiscard what it is owed.
type removals[E any] struct {
	mu      sync.Mutex
	ledger  Ledger
	leaving []*partition[E]
}

// settled moves partitions that owe nothing any more, and that no cut shows, into the ledger and returns the others.
func (r *removals[E]) settled() []*partition[E] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = slices.DeleteFunc(r.leaving, func(p *partition[E]) bool {
		if p.settled.Load() < p.next() || p.pins.cuts() > 0 {
			return false
		}
		r.ledger.add(p.ledger())
		return true
	})
	return slices.Clone(r.leaving)
}

// AddPartition adds a partition with its own limits and returns its number. Events reach it through AppendTo,
// AppendIf, AppendBatchTo and Producer; Options.Key never chooses it. Numbers are not used again, so
// there are MaxPartitionNumbers of them in the life of a store; then it is ErrPartitionNumbers. Lanes refuse it.
func (s *Store[E]) AddPartition(o PartitionOptions) (int, error) {
	if s.lanes != nil {
		return 0, ErrLanes
	}
	if err := s.checkPartition(o); err != nil {
		return 0, err
	}
	if s.closed.Load() {
		return 0, ErrClosed
	}
	s.registering.Lock() // a rollup that is being registered must see it, or it the rollup
	defer s.registering.Unlock()
	if s.NextPartition() == MaxPartitionNumbers {
		return 0, ErrPartitionNumbers
	}
	p := s.dir.add(0, func(i int) *partition[E] { return s.newAdded(i, o) })
	if s.closed.Load() { // Close may have missed it
		s.dir.remove(p.index - len(s.fixed))
		p.stop(stateClosed)
		return 0, ErrClosed
	}
	return p.index, nil
}

// newAdded makes the i-th partition beside those of New.
func (s *Store[E]) newAdded(i int, o PartitionOptions) *partition[E] {
	p := newPartition(s.conf, len(s.fixed)+i, o.Capacity, o.StartAt)
	p.maxAge.Store(int64(o.MaxAge))
	p.maxBytes.Store(o.MaxBytes)
	s.prepare(p)
	s.purge(p)
	return p
}

// RemovePartition refuses further appends to an added partition and forgets its events, which count as Cleared. Cuts
// that are open keep it. ErrOwned while a Producer owns it; lanes and the partitions of New cannot be removed.
func (s *Store[E]) RemovePartition(i int) error {
	if i >= 0 && i < len(s.fixed) {
		return ErrFixedPartition
	}
	p := s.dir.get(i - len(s.fixed))
	switch {
	case p == nil:
		return ErrNoPartition
	case s.closed.Load():
		return ErrClosed
	case !p.owner.CompareAndSwap(0, 1):
		return p.refusal()
	}
	p.state.Store(stateRemoved)
	p.claim(deadMark)
	p.clear()
	s.removed.mu.Lock()
	s.dir.remove(i - len(s.fixed))
	s.removed.leaving = append(s.removed.leaving, p)
	s.removed.mu.Unlock()
	return nil
}
