package core

import (
	"slices"
	"sync"
	"sync/atomic"
)

// directory holds the partitions added at run time. Numbers are never used again. Reading is lock-free; the list
// behind the pointer only grows, and an entry becomes nil when its partition is removed.
type directory[E any] struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*entry[E]]
}

type entry[E any] struct{ p atomic.Pointer[partition[E]] }

func (d *directory[E]) get(i int) *partition[E] {
	l := d.list.Load()
	if l == nil || i < 0 || i >= len(*l) {
		return nil
	}
	return (*l)[i].p.Load()
}

// add appends what make returns for the next free index.
func (d *directory[E]) add(make func(i int) *partition[E]) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*entry[E]
	if l := d.list.Load(); l != nil {
		list = *l
	}
	e := &entry[E]{}
	e.p.Store(make(len(list)))
	list = append(list, e) // readers of the old list never look behind its length
	d.list.Store(&list)
	return len(list) - 1
}

// remove takes the partition out and returns it.
func (d *directory[E]) remove(i int) *partition[E] {
	l := d.list.Load()
	if l == nil || i < 0 || i >= len(*l) {
		return nil
	}
	return (*l)[i].p.Swap(nil)
}

func (d *directory[E]) live() []*partition[E] {
	l := d.list.Load()
	if l == nil {
		return nil
	}
	var out []*partition[E]
	for _, e := range *l {
		if p := e.p.Load(); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// part returns a partition by its number, or nil.
func (s *Store[E]) part(i int) *partition[E] {
	if uint(i) < uint(len(s.fixed)) {
		return s.fixed[i]
	}
	return s.added.get(i - len(s.fixed))
}

// all returns the partitions there are now.
func (s *Store[E]) all() []*partition[E] {
	if added := s.added.live(); len(added) > 0 {
		return slices.Concat(s.fixed, added)
	}
	return s.fixed
}

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
// AppendIf, AppendBatchTo and Producer; Options.Key never chooses it. Numbers are not used again. Lanes refuse it.
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
	i := len(s.fixed) + s.added.add(func(i int) *partition[E] {
		p := newPartition(s.conf, len(s.fixed)+i, o.Capacity, o.StartAt)
		p.maxAge, p.maxBytes = o.MaxAge, o.MaxBytes
		s.prepare(p)
		return p
	})
	if s.closed.Load() { // Close may have missed it
		s.added.remove(i - len(s.fixed)).stop(stateClosed)
		return 0, ErrClosed
	}
	return i, nil
}

// RemovePartition refuses further appends to an added partition and forgets its events, which count as Cleared. Cuts
// that are open keep it. ErrOwned while a Producer owns it; lanes and the partitions of New cannot be removed.
func (s *Store[E]) RemovePartition(i int) error {
	if i >= 0 && i < len(s.fixed) {
		return ErrFixedPartition
	}
	p := s.added.get(i - len(s.fixed))
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
	s.added.remove(i - len(s.fixed))
	s.removed.leaving = append(s.removed.leaving, p)
	s.removed.mu.Unlock()
	return nil
}
