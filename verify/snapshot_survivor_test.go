package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A survivor opens what a crash left and goes on.
type survivor struct{ *trace }

// check opens a crash and compares what is found with what was promised. It returns the trace of what it did itself.
func (v survivor) check(ctx context.Context, c crash) (*trace, error) {
	space, err := c.space(ctx)
	if err != nil {
		return nil, err
	}
	rec := &recorder{BlobStore: space.OpenBlobs()}
	defer func() { _ = rec.BlobStore.Close() }()
	if !c.torn { // what is torn is damage, and is told
		if _, err := snapshot.Verify(ctx, rec, snapshot.DefaultName, nil); err != nil {
			return nil, err
		}
	}
	o := tryingOnce()
	o.Keep, o.NoLease = v.keep, true
	saver, err := snapshot.Open(ctx, sinks.BlobStore(rec), tracedOptions(), o)
	if errors.Is(err, snapshot.ErrNoValid) && c.torn && v.nothing(c.after) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = saver.Store().Close() }()
	found := pictureOf(saver.Store())
	if err := v.expected(saver, found, c.after); err != nil {
		return nil, err
	}
	positions, err := v.goOn(saver.Store(), c.after, len(rec.steps))
	if err != nil {
		return nil, err
	}
	more := pictureOf(saver.Store())
	next := &trace{keep: v.keep, base: c.blobs, pictures: []picture{found, more}, given: v.before(c.after)}
	next.given[saver.Store().Epoch()] = positions
	rec.note(step{kind: "saving", save: 1})
	if err := saver.Save(ctx); err != nil {
		return nil, err
	}
	rec.note(step{kind: "saved", save: 1})
	next.steps = rec.steps
	return next, v.again(ctx, rec, more, c.torn)
}

// before returns the positions that had been given after so many steps, as those of the time before another trace.
func (v survivor) before(after int) map[core.Epoch]given {
	all := map[core.Epoch]given{}
	for epoch, positions := range v.given {
		all[epoch] = given{}
		for pos, s := range positions {
			if s.after <= after {
				all[epoch][pos] = stamp{s.check, 0}
			}
		}
	}
	return all
}

// nothing reports whether no save had been acknowledged.
func (v survivor) nothing(after int) bool {
	_, empty, _ := v.allowed(after)
	return empty
}

// expected compares what was found with what may be.
func (v survivor) expected(saver *snapshot.Saver[event], found picture, after int) error {
	list, empty, keep := v.allowed(after)
	print, ok := found.print(), false
	for _, id := range list {
		ok = ok || v.pictures[id].print() == print
	}
	if empty && saver.Report().Ordinal == 0 {
		ok = len(found.Partitions) == writersAtOnce && saver.Store().Empty()
	}
	if !ok {
		return fmt.Errorf("found %v, which is none of %v: %v", found, list, saver.Report())
	}
	if epoch := saver.Store().Epoch(); keep && epoch != v.epochs[list[0]] {
		return fmt.Errorf("the epoch %v does not go on", epoch)
	}
	epoch := saver.Store().Epoch()
	for _, p := range found.Partitions {
		for i := range p.Events {
			pos := core.Position{Partition: p.Number, Sequence: p.First + uint64(i)}
			if err := v.taken(epoch, pos, p.Events[i].Check, after); err != nil {
				return err
			}
		}
	}
	return nil
}

// goOn appends to every partition: no position may be given a second time. now is how many steps of its own there were.
func (v survivor) goOn(s *core.Store[event], after, now int) (given, error) {
	positions := given{}
	for _, partition := range s.PartitionNumbers() {
		e := makeEvent(1000+partition, 1<<32+uint64(after)) // no Purge hides it
		pos, err := s.AppendTo(partition, e)
		if err == nil {
			err = v.taken(s.Epoch(), pos, e.Check, after)
		}
		if err != nil {
			return nil, err
		}
		positions[pos] = stamp{e.Check, now}
	}
	return positions, nil
}

// again opens what the survivor saved. Nothing may lie about that belongs to no snapshot.
func (v survivor) again(ctx context.Context, rec *recorder, want picture, torn bool) error {
	found, err := snapshot.Verify(ctx, rec, snapshot.DefaultName, nil)
	if !torn {
		if err != nil {
			return err
		}
		if n := len(found.Snapshots); n > v.keep || len(found.Unused)+len(found.Foreign) > 0 {
			return fmt.Errorf("%d snapshots stay; nobody needs %v; %v are foreign", n, found.Unused, found.Foreign)
		}
	}
	s, report, err := snapshot.Load(ctx, sinks.BlobStore(rec), tracedOptions(), tryingOnce())
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if got := pictureOf(s); got.print() != want.print() {
		return fmt.Errorf("after another save: found %v instead of %v: %v", got, want, report)
	}
	return nil
}
