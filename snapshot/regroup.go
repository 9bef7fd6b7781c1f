package snapshot

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// regroup yields the events to where their keys say in a store of other partitions. It reads all of them first. With a time
// source they are merged by time, and so what leaves first is the oldest; events of one key keep their order, because
// they come from one partition.
func (b *builder[E]) regroup(ctx context.Context) iter.Seq2[core.Block[E], error] {
	return func(yield func(core.Block[E], error) bool) {
		lists := make([]run[E], len(b.m.Partitions))
		for i := range lists {
			lists[i].number = b.m.Partitions[i].Number
		}
		err := b.source.events(ctx, func(p *Partition, f frame) error {
			events, arrived, err := b.decode(p, f, nil)
			if err != nil {
				return err
			}
			at, _ := slices.BinarySearchFunc(lists, p.Number, func(r run[E], n int) int { return r.number - n })
			lists[at].events = append(lists[at].events, events...)
			lists[at].arrived = append(lists[at].arrived, arrived...)
			return nil
		})
		if err != nil {
			yield(core.Block[E]{}, err)
			return
		}
		for part := range b.merged(lists) {
			if !yield(part, nil) {
				return
			}
		}
	}
}

// A run is what is left of one partition.
type run[E any] struct {
	number  int
	events  []E
	arrived []int64
}

// merged yields blocks for the new partitions.
func (b *builder[E]) merged(lists []run[E]) iter.Seq[core.Block[E]] {
	return func(yield func(core.Block[E]) bool) {
		out := make([]run[E], max(b.options.Partitions, 1))
		send := func(i int) bool {
			o := &out[i]
			if len(o.events) == 0 {
				return true
			}
			ok := yield(core.Block[E]{Partition: i, Events: o.events, Arrived: o.arrived})
			o.events, o.arrived = o.events[:0], o.arrived[:0]
			return ok
		}
		for at := b.oldest(lists); at >= 0; at = b.oldest(lists) {
			l := &lists[at]
			to := 0
			if b.options.Key != nil {
				to = core.PartitionOf(b.options.Key(l.events[0]), len(out))
			}
			out[to].events, l.events = append(out[to].events, l.events[0]), l.events[1:]
			if len(l.arrived) > 0 {
				out[to].arrived, l.arrived = append(out[to].arrived, l.arrived[0]), l.arrived[1:]
			}
			if len(out[to].events) == core.MaxBatch && !send(to) {
				return
			}
		}
		for i := range out {
			if !send(i) {
				return
			}
		}
	}
}

// oldest returns the list whose next event is the oldest, or the first that is not empty if events have no times; -1 if all
// are empty.
func (b *builder[E]) oldest(lists []run[E]) int {
	best, at := -1, time.Time{}
	for i := range lists {
		l := &lists[i]
		if len(l.events) == 0 {
			continue
		}
		var t time.Time
		switch {
		case b.options.Time != nil:
			t = b.options.Time(&l.events[0])
		case len(l.arrived) > 0:
			t = time.Unix(0, l.arrived[0])
		}
		if best < 0 || t.Before(at) {
			best, at = i, t
		}
	}
	return best
}
