package snapshot

import (
	"container/heap"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// regroup yields the events to where their keys say in a store of other partitions. It reads all of them first. They are
// merged by their time, or else by that of their arrival, so that what leaves first is the oldest; events of one partition
// keep their order, and so do those of one key where keys had placed them. Without times it is partition after partition.
func (b *builder[E]) regroup(ctx context.Context) iter.Seq2[core.Block[E], error] {
	return func(yield func(core.Block[E], error) bool) {
		lists := make([]run[E], len(b.m.Partitions))
		err := b.source.events(ctx, func(p *Partition, f frame) error {
			events, arrived, err := b.decode(p, f, nil)
			if err != nil {
				return err
			}
			at, _ := slices.BinarySearchFunc(b.m.Partitions, p.Number, func(p Partition, n int) int { return p.Number - n })
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
	events  []E
	arrived []int64
	next    time.Time // of the first event
	number  int       // decides where times are equal
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
			ok := yield(core.Block[E]{Partition: i, Events: o.events, Arrived: b.arrivals(o.arrived, len(o.events))})
			o.events, o.arrived = o.events[:0], o.arrived[:0]
			return ok
		}
		for waiting := b.queue(lists); len(waiting) > 0; {
			l := waiting[0]
			to := 0
			if b.options.Key != nil {
				to = core.PartitionOf(b.options.Key(l.events[0]), len(out))
			}
			out[to].events, l.events = append(out[to].events, l.events[0]), l.events[1:]
			if len(l.arrived) > 0 {
				out[to].arrived, l.arrived = append(out[to].arrived, l.arrived[0]), l.arrived[1:]
			}
			if len(l.events) > 0 {
				l.next = b.timeOf(l)
				heap.Fix(&waiting, 0)
			} else {
				heap.Pop(&waiting)
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

// timeOf returns when the first event of a run happened; the same for all if that is not known.
func (b *builder[E]) timeOf(l *run[E]) time.Time {
	switch {
	case b.options.Time != nil:
		return b.options.Time(&l.events[0])
	case len(l.arrived) > 0:
		return time.Unix(0, l.arrived[0])
	}
	return time.Time{}
}

// queue returns the runs that are not empty, as a heap.
func (b *builder[E]) queue(lists []run[E]) runs[E] {
	var q runs[E]
	for i := range lists {
		if l := &lists[i]; len(l.events) > 0 {
			l.number, l.next = i, b.timeOf(l)
			q = append(q, l)
		}
	}
	heap.Init(&q)
	return q
}

// runs is a heap: the run whose next event is the oldest comes first.
type runs[E any] []*run[E]

// Len, Less, Swap, Push and Pop are for package heap.
func (q runs[E]) Len() int { return len(q) }

func (q runs[E]) Less(i, j int) bool {
	if c := q[i].next.Compare(q[j].next); c != 0 {
		return c < 0
	}
	return q[i].number < q[j].number
}

func (q runs[E]) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *runs[E]) Push(x any) { *q = append(*q, x.(*run[E])) }

func (q *runs[E]) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
