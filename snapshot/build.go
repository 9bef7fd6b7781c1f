package snapshot

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/ephemera-go/ephemera/core"
)

// builder makes a store of a manifest.
type builder[E any] struct {
	r         *restorer[E]
	m         *Manifest
	options   core.Options[E]
	source    *source
	regrouped bool
}

func (b *builder[E]) build(ctx context.Context) (*core.Store[E], error) {
	if err := b.fit(); err != nil {
		return nil, err
	}
	names, err := b.source.names(ctx)
	if err != nil {
		return nil, err
	}
	o := &b.options
	o.KeyNames = names
	o.Restore.PurgedBefore = b.m.PurgedBefore
	if b.regrouped {
		o.Restore.Events, o.StartAt = b.regroup(ctx), b.beyond()
		return core.New(*o)
	}
	o.StartAt = make([]uint64, b.m.Layout.Fixed)
	for i := range b.m.Partitions {
		if p := &b.m.Partitions[i]; p.Number < b.m.Layout.Fixed {
			o.StartAt[p.Number] = p.First
		} else {
			o.Restore.Added = append(o.Restore.Added, core.AddedPartition{Number: p.Number, PartitionOptions: core.PartitionOptions{
				Capacity: p.Capacity, MaxAge: p.MaxAge, MaxBytes: p.MaxBytes, StartAt: p.First,
			}})
		}
	}
	if o.Epoch, err = b.r.claim(ctx, b.m); err != nil {
		return nil, err
	}
	o.Restore.Events = b.blocks(ctx)
	return core.New(*o)
}

// fit compares the partitions of the snapshot with those of the options.
func (b *builder[E]) fit() error {
	was, o := b.m.Layout, &b.options
	if was.Lanes > 0 && o.Lanes > 0 {
		o.Lanes = was.Lanes // whatever the number of processors is now
	}
	fixed := max(o.Partitions, 1)
	if o.Lanes > 0 {
		fixed = o.Lanes + 1
	}
	keyed := o.Key != nil
	added := len(b.m.Partitions) > 0 && b.m.Partitions[len(b.m.Partitions)-1].Number >= was.Fixed
	switch {
	case was.Fixed == fixed && (was.Lanes > 0) == (o.Lanes > 0) && (was.Keyed == keyed || fixed == 1):
		return nil
	case o.Lanes > 0:
		return fmt.Errorf("%w: the snapshot has no lanes; restore it without Lanes", ErrPartitions)
	case added:
		return fmt.Errorf("%w: %d instead of %d, and partitions were added, whose numbers would change", ErrPartitions, fixed, was.Fixed)
	case fixed > 1 && !keyed:
		return fmt.Errorf("%w: %d instead of %d, and no Key says where events belong", ErrPartitions, fixed, was.Fixed)
	}
	b.regrouped = true
	return nil
}

// decode returns the events of a frame, from the first one that the snapshot holds on.
func (b *builder[E]) decode(p *Partition, f frame, dst []E) (events []E, arrived []int64, err error) {
	r := &reader{rest: f.rest}
	if f.kind == blockArrived {
		arrived = make([]int64, f.count)
		for at := arrived; len(at) > 0; at = at[min(len(at), groupSize):] {
			readInts(r, at[:min(len(at), groupSize)])
		}
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	events, err = b.decodeEvents(dst[:0], r.rest, f.count)
	if err != nil {
		return nil, nil, fmt.Errorf("partition %d at %d: %w", p.Number, f.first, err)
	}
	drop := 0
	if old := p.First - f.first; old < uint64(f.count) {
		drop = int(old)
	}
	switch {
	case !b.options.Arrival && (b.options.MaxAge == 0 || b.options.Time != nil):
		arrived = nil
	case arrived == nil: // the store that was saved did not record it: they arrived before it was
		arrived = slices.Repeat([]int64{b.m.TakenAt.UnixNano()}, f.count)
	}
	if arrived != nil {
		arrived = arrived[drop:]
	}
	return events[drop:], arrived, nil
}

func (b *builder[E]) decodeEvents(dst []E, src []byte, n int) (events []E, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = corrupt("codec %q panicked: %v", b.r.o.Codec.Name(), r)
		}
	}()
	events, err = b.r.o.Codec.Decode(dst, src, n)
	if err == nil && len(events) != n {
		err = corrupt("codec %q: %d events instead of %d", b.r.o.Codec.Name(), len(events), n)
	}
	return events, err
}

// blocks yields the events to where they were.
func (b *builder[E]) blocks(ctx context.Context) iter.Seq2[core.Block[E], error] {
	return func(yield func(core.Block[E], error) bool) {
		var scratch []E
		stopped := false
		err := b.source.events(ctx, func(p *Partition, f frame) error {
			events, arrived, err := b.decode(p, f, scratch)
			if err != nil {
				return err
			}
			if cap(events) > cap(scratch) {
				scratch = events[:0]
			}
			if !yield(core.Block[E]{Partition: p.Number, Events: events, Arrived: arrived}, nil) {
				stopped = true
				return context.Canceled
			}
			return nil
		})
		if err != nil && !stopped {
			yield(core.Block[E]{}, err)
		}
	}
}

// beyond returns sequences that no partition of the snapshot has given.
func (b *builder[E]) beyond() []uint64 {
	next := uint64(0)
	for i := range b.m.Partitions {
		next = max(next, b.m.Partitions[i].Next)
	}
	return slices.Repeat([]uint64{next}, max(b.options.Partitions, 1))
}
