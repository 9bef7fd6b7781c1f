package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A deed is something that a program does to snapshots. Operations on blobs fail in its course, one after the other. Before
// it there are two snapshots.
type deed struct {
	name  string
	looks bool // changes nothing, so that others may follow it
	// do calls begin when faults may begin. It returns what the deed returned, and tries again when the cause is gone.
	do func(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error)
}

// A faulted is one run of a deed.
type faulted struct {
	name     string          // of the snapshots
	plain    sinks.BlobStore // without faults
	faulty   sinks.BlobStore // the same with faults
	attempts int
	old      picture // of the newest snapshot before the deed
	fresh    picture // that the deed may leave instead; only old if it has no partitions
}

func (r *faulted) options() snapshot.Options[event] {
	o := tryingOnce()
	o.Name, o.MaxAttempts, o.Keep = r.name, r.attempts, 2
	return o
}

func smallOptions() core.Options[event] {
	return core.Options[event]{Capacity: 300, Partitions: 3, MaxKeys: 64, Key: func(e event) string { return e.Name }}
}

// fill appends n events.
func fill(s *core.Store[event], writer, n int) error {
	for i := range n {
		if _, err := s.Append(makeEvent(writer, uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

// prepare saves twice and ends without a final snapshot.
func (r *faulted) prepare(ctx context.Context) error {
	s, err := snapshot.Open(ctx, r.plain, smallOptions(), r.options())
	if err != nil {
		return err
	}
	for n := range 2 {
		err = errors.Join(err, fill(s.Store(), n, 40), s.Save(ctx))
	}
	r.old = pictureOf(s.Store())
	return errors.Join(err, s.Close()) // what it saves is the same, but final
}

// found compares what a restart would find. changed says that it must be the new state.
func (r *faulted) found(ctx context.Context, b sinks.BlobStore, changed bool) error {
	s, report, err := snapshot.Load(ctx, b, smallOptions(), r.options())
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	print := pictureOf(s).print()
	if print == r.fresh.print() && r.fresh.Partitions != nil || print == r.old.print() && !changed {
		return nil
	}
	return fmt.Errorf("found %v; was %v, then %v; changed: %t; %v", pictureOf(s), r.old, r.fresh, changed, report)
}

func deeds() []deed {
	return []deed{
		{"open", true, doOpen},
		{"load", true, doLoad},
		{"verify", true, doVerify},
		{"save", false, doSave},
		{"close", false, doClose},
		{"prune", false, doPrune},
		{"copy from", true, func(ctx context.Context, r *faulted, begin func()) (error, func() error, error) {
			return doCopy(ctx, r, begin, r.faulty, new(memstore.Space).OpenBlobs())
		}},
		{"copy to", false, func(ctx context.Context, r *faulted, begin func()) (error, func() error, error) {
			space := new(memstore.Space)
			source := &faulted{name: r.name, plain: space.OpenBlobs(), attempts: 1}
			if err := source.prepare(ctx); err != nil {
				return nil, nil, err
			}
			r.name = "to-" + r.name
			source.name = r.name
			if err := source.prepare(ctx); err != nil {
				return nil, nil, err
			}
			r.old = source.old
			return doCopy(ctx, r, begin, source.plain, r.faulty)
		}},
	}
}

func doOpen(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	open := func() error {
		o := r.options()
		o.NoFinal = true
		s, err := snapshot.Open(ctx, r.faulty, smallOptions(), o)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		if got := pictureOf(s.Store()); got.print() != r.old.print() {
			err = fmt.Errorf("wrong content: %v instead of %v", got, r.old)
		}
		return err
	}
	begin()
	return open(), open, nil
}

func doLoad(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	begin()
	load := func() error { return r.found(ctx, r.faulty, false) }
	return load(), load, nil
}

func doSave(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	s, err := snapshot.Open(ctx, r.faulty, smallOptions(), r.options())
	if err != nil {
		return nil, nil, err
	}
	err = fill(s.Store(), 3, 40)
	r.fresh = pictureOf(s.Store())
	begin()
	result = s.Save(ctx)
	if err == nil && result == nil {
		err = r.found(ctx, r.plain, true)
	}
	again = func() error {
		err := s.Save(ctx)
		if err == nil {
			err = r.found(ctx, r.plain, true)
		}
		return errors.Join(err, s.Close())
	}
	return result, again, err
}

func doClose(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	s, err := snapshot.Open(ctx, r.faulty, smallOptions(), r.options())
	if err != nil {
		return nil, nil, err
	}
	err = fill(s.Store(), 3, 40)
	r.fresh = pictureOf(s.Store())
	begin()
	if result = s.Close(); err == nil && result == nil {
		err = r.found(ctx, r.plain, true)
	}
	// The next program finds one or the other.
	return result, func() error {
		s, err := snapshot.Open(ctx, r.faulty, smallOptions(), r.options())
		if err != nil {
			return err
		}
		return s.Close()
	}, err
}

func doPrune(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	begin()
	_, result = snapshot.Prune(ctx, r.faulty, r.name, 1)
	return result, func() error {
		_, err := snapshot.Prune(ctx, r.faulty, r.name, 1)
		if err != nil {
			return err
		}
		found, err := snapshot.Verify(ctx, r.plain, r.name, nil)
		if err == nil && (len(found.Snapshots) != 1 || len(found.Unused) > 0) {
			err = fmt.Errorf("%d snapshots; nobody needs %v", len(found.Snapshots), found.Unused)
		}
		return err
	}, nil
}

func doVerify(ctx context.Context, r *faulted, begin func()) (result error, again func() error, err error) {
	begin()
	verify := func() error {
		found, err := snapshot.Verify(ctx, r.faulty, r.name, nil)
		if err == nil && len(found.Snapshots) != 2 {
			err = fmt.Errorf("%d snapshots", len(found.Snapshots))
		}
		return err
	}
	return verify(), verify, nil
}

func doCopy(ctx context.Context, r *faulted, begin func(), from, to sinks.BlobStore) (result error, again func() error, err error) {
	begin()
	run := func() error {
		_, err := snapshot.Copy(ctx, from, to, snapshot.CopyOptions{Name: r.name})
		return err
	}
	result = run()
	// What is there is whole snapshots, or none.
	err = r.found(ctx, to, false)
	partly := errors.Is(err, snapshot.ErrNoValid) && !errors.Is(err, snapshot.ErrCorrupt)
	if err != nil && !partly && !errors.Is(err, snapshot.ErrNoSnapshot) && !errors.Is(err, faultstore.ErrInjected) {
		return result, nil, err
	}
	return result, func() error { return errors.Join(run(), r.found(ctx, to, false)) }, nil
}
