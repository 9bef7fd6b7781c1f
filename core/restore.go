package core

import (
	"fmt"
	"iter"
	"time"
)

// A Restore is what New takes over from an earlier incarnation of a store, beside Options.Epoch, StartAt and KeyNames.
type Restore[E any] struct {
	Added        []AddedPartition           // partitions that AddPartition had made, by ascending numbers
	PurgedBefore time.Time                  // the latest Purge; zero: none
	Events       iter.Seq2[Block[E], error] // put into the store by New, in their order per partition; an error ends New
}

// An AddedPartition is a partition that exists beside those of Options. Numbers that the list leaves out stay unused.
type AddedPartition struct {
	Number int
	PartitionOptions
}

// A Block is a run of consecutive events of one partition as they stand in memory.
type Block[E any] struct {
	Partition int
	First     uint64  // sequence of Events[0]; New ignores it and goes on counting
	Events    []E     // read only
	Arrived   []int64 // when each event arrived, in Unix nanoseconds; nil unless the store records it
}

// Blocks yields what the cut holds of a partition from a sequence on, which lies within Bounds or before them; events
// that are hidden by MaxAge or Purge are included, so the sequences are dense. This is what has to be saved. Blocks are
// good until the cut is closed. A partition that the cut does not cover has none.
func (c *Cut[E]) Blocks(partition int, from uint64) iter.Seq[Block[E]] {
	return func(yield func(Block[E]) bool) {
		s := c.section(partition)
		if s == nil {
			return
		}
		low := from - s.p.start
		if low >= 1<<63 {
			low = 0 // before the first sequence of the partition
		}
		for x := range s.segments {
			base := x.s.base.Load()
			if low > base {
				x.a = max(x.a, min(x.b, low-base))
			}
			if x.a == x.b {
				continue
			}
			b := Block[E]{Partition: partition, First: x.position().Sequence, Events: x.events()}
			if x.s.at != nil {
				b.Arrived = x.s.at[x.a:x.b:x.b]
			}
			if !yield(b) {
				return
			}
		}
	}
}

// A Layout says how a store's partitions came about.
type Layout struct {
	Fixed   int  // partitions made by New from Options, the overflow partition of lanes included; numbers from here on were added
	Lanes   int  // 0: no lanes
	Keyed   bool // Options.Key chooses among the fixed partitions
	Arrival bool // arrival times are recorded
}

// Layout returns how the store's partitions came about.
func (s *Store[E]) Layout() Layout {
	l := Layout{Fixed: len(s.fixed), Keyed: s.key != nil, Arrival: s.conf.arrival}
	if s.lanes != nil {
		l.Lanes = l.Fixed - 1
	}
	return l
}

// Limits returns the options that would make a partition like this one, as they are now.
func (s *Store[E]) Limits(partition int) (PartitionOptions, error) {
	p := s.part(partition)
	if p == nil {
		return PartitionOptions{}, ErrNoPartition
	}
	return PartitionOptions{Capacity: int(p.cap.Load()), MaxAge: time.Duration(p.maxAge.Load()), MaxBytes: p.maxBytes.Load(), StartAt: p.start}, nil
}

// PurgedBefore returns the moment of the latest Purge; zero if there was none.
func (s *Store[E]) PurgedBefore() time.Time {
	if t := s.purged.Load(); t != nil {
		return t.toTime()
	}
	return time.Time{}
}

// validateRestore is part of validate.
func (o *Options[E]) validateRestore(p *problems) {
	p.add(len(o.Restore.Added) > 0 && o.Lanes > 0, "Restore.Added", "is excluded by Lanes")
	last := o.count() - 1
	for _, a := range o.Restore.Added {
		p.add(a.Number <= last, "Restore.Added", fmt.Sprintf("has number %d where more than %d is wanted", a.Number, last))
		p.add(a.Number >= MaxPartitionNumbers, "Restore.Added", fmt.Sprintf("has number %d; less than MaxPartitionNumbers is wanted", a.Number))
		last = max(last, a.Number)
	}
	p.add(!o.Restore.PurgedBefore.IsZero() && o.Time == nil && !o.Arrival, "Restore.PurgedBefore", "needs a time source")
}

// restore makes the store what an earlier one was. Nobody else uses it yet.
func (s *Store[E]) restore(o *Restore[E]) error {
	for _, a := range o.Added {
		if err := s.checkPartition(a.PartitionOptions); err != nil {
			return wrap(err, "restore partition %d", a.Number)
		}
		s.dir.add(a.Number-len(s.fixed), func(i int) *partition[E] { return s.newAdded(i, a.PartitionOptions) })
	}
	if o.Events != nil {
		for b, err := range o.Events {
			if err == nil {
				err = s.restoreBlock(&b)
			}
			if err != nil {
				return wrap(err, "restore")
			}
		}
	}
	if !o.PurgedBefore.IsZero() {
		s.purgeAll(instantOf(o.PurgedBefore))
	}
	return nil
}

func (s *Store[E]) restoreBlock(b *Block[E]) error {
	p := s.part(b.Partition)
	switch {
	case p == nil:
		return fmt.Errorf("events of partition %d: %w", b.Partition, ErrNoPartition)
	case p.arrival && len(b.Arrived) != len(b.Events):
		return fmt.Errorf("%d events of partition %d with %d arrival times: %w", len(b.Events), b.Partition, len(b.Arrived), ErrArgument)
	}
	events, arrived := b.Events, b.Arrived
	for len(events) > 0 {
		n := min(len(events), MaxBatch)
		pos, err := p.appendMany(events[:n], condition{})
		if err != nil {
			return err
		}
		p.restored += uint64(n)
		events = events[n:]
		if t := p.tail.Load(); p.arrival { // a batch stands in one segment, still the newest
			copy(t.at[pos.Sequence-p.start-t.base.Load():], arrived[:n])
			arrived = arrived[n:]
		}
	}
	return nil
}
