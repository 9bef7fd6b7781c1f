package benchmarks

import "sync/atomic"

// A Counter is the least that any shared append can cost: one atomic add.
type Counter struct {
	_ [64]byte
	n atomic.Uint64
	_ [56]byte
}

// Append counts.
func (c *Counter) Append(Event) { c.n.Add(1) }

// Pair adds and takes away again: the least that opening and closing anything can cost.
func (c *Counter) Pair() {
	c.n.Add(1)
	c.n.Add(^uint64(0))
}

// Appended returns the count.
func (c *Counter) Appended() uint64 { return c.n.Load() }

// Slots is the floor of a lock-free append: reserve by an atomic add, store, publish by an atomic exchange. It is no
// usable store: nothing stops a reader from seeing half an event after a lap.
type Slots struct {
	_      [64]byte
	n      atomic.Uint64
	_      [56]byte
	events []Event
	marks  []atomic.Uint64
}

// NewSlots makes one; the capacity is a power of two.
func NewSlots(capacity int) *Slots {
	return &Slots{events: make([]Event, capacity), marks: make([]atomic.Uint64, capacity)}
}

// Append stores e.
func (s *Slots) Append(e Event) {
	n := s.n.Add(1)
	i := n & uint64(len(s.events)-1)
	s.events[i] = e
	s.marks[i].Swap(n)
}

// Appended returns how many events were ever stored.
func (s *Slots) Appended() uint64 { return s.n.Load() }
