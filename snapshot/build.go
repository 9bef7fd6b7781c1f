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
		o.Epoch = core.Epoch{} // its sequences are others
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
	o.Restore.Events = b.blocks(ctx)
	last, err := lastNumber(b.m)
	if err != nil {
		return nil, err
	}
	if last < 0 {
		return core.New(*o)
	}
	o.Restore.Added = append(o.Restore.Added, core.AddedPartition{Number: last, PartitionOptions: core.PartitionOptions{Capacity: 1}})
	store, err := core.New(*o)
	if err != nil {
		return nil, err
	}
	return store, store.RemovePartition(last) // now its number is used
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
	// Where events were placed by hand, or by lanes, a key puts them elsewhere; without one they stay where they are.
	elsewhere := keyed && !was.Keyed && fixed > 1
	switch {
	case was.Fixed == fixed && (was.Lanes > 0) == (o.Lanes > 0) && !elsewhere:
		return nil
	case o.Lanes > 0:
		return fmt.Errorf("%w: the snapshot has no lanes; restore it without Lanes", ErrPartitions)
	case added:
		return fmt.Errorf("%w: %s, and partitions were added, whose numbers would change", ErrPartitions, b.differ(fixed))
	case fixed > 1 && !keyed:
		return fmt.Errorf("%w: %s, and no Key says where events belong", ErrPartitions, b.differ(fixed))
	}
	b.regrouped = true
	return nil
}

// differ says how the partitions of the snapshot differ from what the options make.
func (b *builder[E]) differ(fixed int) string {
	was := b.m.Layout
	switch {
	case was.Lanes > 0:
		return fmt.Sprintf("the snapshot has %d lanes, the options make %d partitions", was.Lanes, fixed)
	case was.Fixed != fixed:
		return fmt.Sprintf("the snapshot has %d partitions, the options make %d", was.Fixed, fixed)
	}
	return fmt.Sprintf("the events of the %d partitions were placed without a key, the options have one", fixed)
}

// decode returns the events of a frame, from the first one that the snapshot holds on, and when they arrived, if that was
// recorded.
func (b *builder[E]) decode(p *Partition, f frame, dst []E) (events []E, arrived []int64, err error) {
	if b.m.Layout.Arrival != (f.kind == blockArrived) {
		return nil, nil, corrupt("partition %d at %d: a block of kind %d in a snapshot with arrival %v", p.Number, f.first, f.kind, b.m.Layout.Arrival)
	}
	events, err = b.decodeEvents(dst[:0], f.events, f.count)
	if err != nil {
		return nil, nil, fmt.Errorf("partition %d at %d: %w", p.Number, f.first, err)
	}
	drop := 0
	if old := p.First - f.first; old < uint64(f.count) {
		drop = int(old)
	}
	if f.arrived != nil {
		arrived = f.arrived[drop:]
	}
	return events[drop:], arrived, nil
}

// arrivals returns the times of arrival of n events as the store wants them.
func (b *builder[E]) arrivals(arrived []int64, n int) []int64 {
	switch {
	case !b.options.Arrival && (b.options.MaxAge == 0 || b.options.Time != nil):
		return nil
	case len(arrived) == 0: // the store that was saved did not record it: they arrived before it was
		return slices.Repeat([]int64{b.m.TakenAt.UnixNano()}, n)
	}
	return arrived
}

// decodeEvents calls the codec. The bytes are known to be those that were written, so a codec that cannot make sense of
// them is another one, or the events' type has changed.
func (b *builder[E]) decodeEvents(dst []E, src []byte, n int) (events []E, err error) {
	codec := b.r.o.Codec.Name()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: codec %q panicked: %v", ErrSchema, codec, r)
		}
	}()
	events, err = b.r.o.Codec.Decode(dst, src, n)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: codec %q cannot read what is whole: %w", ErrSchema, codec, err)
	case len(events) != n:
		return nil, fmt.Errorf("%w: codec %q made %d events of %d", ErrSchema, codec, len(events), n)
	}
	return events, nil
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
			if !yield(core.Block[E]{Partition: p.Number, Events: events, Arrived: b.arrivals(arrived, len(events))}, nil) {
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
