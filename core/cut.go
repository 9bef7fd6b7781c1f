package core

import (
	"iter"
	"slices"
	"time"
)

// A Cut is a consistent, zero-copy view of the store as of the moment it was opened: per partition a contiguous prefix
// of what was published then, never more than the capacity. Partitions are cut one after the other, not at one
// instant. Opening and closing cost a few atomic operations and block nobody. A cut that is not closed keeps its own
// events in memory, no later ones; Ledger.OpenCuts shows it.
//
// A Cut is for one goroutine at a time. Close is idempotent; a closed cut is empty.
type Cut[E any] struct {
	store    *Store[E]
	one      section[E]   // the only section, so that the common case needs no allocation
	sections []section[E] // several; nil when one is in use
	now      time.Time    // of the store's clock
	asked    bool         // somebody asked what now is
	err      error
}

// Cut opens a view of the given partitions, or of all. It never fails and never waits. A partition that does not exist
// shows nothing, and the view's Err says so.
func (s *Store[E]) Cut(partitions ...int) *Cut[E] {
	c := new(Cut[E]) // kept apart from the work, so that it is inlined and the cut can stay on the caller's stack
	s.open(c, partitions)
	return c
}

func (s *Store[E]) open(c *Cut[E], partitions []int) {
	c.store = s
	var list []*partition[E]
	switch {
	case len(partitions) > 0:
		for k, i := range partitions {
			p := s.part(i)
			switch {
			case slices.Contains(partitions[:k], i):
				c.err = wrap(ErrArgument, "cut of partition %d, named twice", i)
			case p == nil:
				c.err = wrap(ErrNoPartition, "cut of partition %d", i)
			default:
				list = append(list, p)
			}
		}
	case len(s.all()) == 1:
		c.one.open(s.fixed[0], cutFlag)
		c.one.limit(s.conf.now)
		return
	default:
		list = s.all()
	}
	c.sections = make([]section[E], len(list))
	for i, p := range list {
		c.sections[i].open(p, cutFlag)
		c.sections[i].limit(c.clock)
	}
}

// clock returns the store's time, read once for the whole cut.
func (c *Cut[E]) clock() time.Time {
	if !c.asked {
		c.now, c.asked = c.store.conf.now(), true
	}
	return c.now
}

// PartitionNumbers returns the numbers of the partitions that the cut covers.
func (c *Cut[E]) PartitionNumbers() []int {
	var list []int
	for _, s := range c.all() {
		list = append(list, s.p.index)
	}
	return list
}

// Close gives the cut's segments back. Nothing that the cut yielded may be used afterwards.
func (c *Cut[E]) Close() {
	if c.sections == nil {
		c.one.close()
	}
	for i := range c.sections {
		c.sections[i].close()
	}
}

// section returns the cut's view of a partition, or nil.
func (c *Cut[E]) section(partition int) *section[E] {
	if c.sections == nil && c.one.p != nil && c.one.p.index == partition {
		return &c.one
	}
	for i := range c.sections {
		if c.sections[i].p.index == partition {
			return &c.sections[i]
		}
	}
	return nil
}

func (c *Cut[E]) all() []*section[E] {
	if c.sections == nil {
		if c.one.p == nil {
			return nil
		}
		return []*section[E]{&c.one}
	}
	list := make([]*section[E], len(c.sections))
	for i := range c.sections {
		list[i] = &c.sections[i]
	}
	return list
}

// Holes returns how many reserved positions the cut leaves out because a writer had not published one of them.
func (c *Cut[E]) Holes() uint64 {
	n := c.one.holes()
	for i := range c.sections {
		n += c.sections[i].holes()
	}
	return n
}

// holes is 0 for a closed section and for one that was never opened.
func (c *section[E]) holes() uint64 {
	if c.pin == nil {
		return 0
	}
	c.resolve()
	return c.reserved - c.hi
}

// Len returns how many events the cut shows.
func (c *Cut[E]) Len() int {
	n := c.one.visible()
	for i := range c.sections {
		n += c.sections[i].visible()
	}
	return int(n)
}

// Bounds returns the sequences [first, next) of a partition that the cut covers, hidden events included. They are
// equal when it is empty.
func (c *Cut[E]) Bounds(partition int) (first, next uint64, err error) {
	s := c.section(partition)
	if s == nil {
		return 0, 0, wrap(ErrNoPartition, "cut of partition %d", partition)
	}
	s.resolve()
	return s.p.start + s.lo, s.p.start + s.hi, nil
}

// The methods below are those of View, for the whole cut.

// All is View().All.
func (c *Cut[E]) All() iter.Seq2[Position, *E] { return c.View().All() }

// Runs is View().Runs.
func (c *Cut[E]) Runs() iter.Seq2[Position, []E] { return c.View().Runs() }

// ByTime is View().ByTime.
func (c *Cut[E]) ByTime() View[E] { return c.View().ByTime() }

// Partition is View().Partition.
func (c *Cut[E]) Partition(i int) View[E] { return c.View().Partition(i) }

// From is View().From.
func (c *Cut[E]) From(pos Position) View[E] { return c.View().From(pos) }

// Between is View().Between.
func (c *Cut[E]) Between(from, to time.Time) View[E] { return c.View().Between(from, to) }

// Within is View().Within.
func (c *Cut[E]) Within(d time.Duration) View[E] { return c.View().Within(d) }

// Key is View().Key.
func (c *Cut[E]) Key(key string) View[E] { return c.View().Key(key) }

// Where is View().Where.
func (c *Cut[E]) Where(f func(*E) bool) View[E] { return c.View().Where(f) }

// Newest is View().Newest.
func (c *Cut[E]) Newest(n int) View[E] { return c.View().Newest(n) }
