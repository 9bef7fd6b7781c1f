package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

func openSaver[E any](
	ctx context.Context, s *State, lease *sinks.Lease, name string, store core.Options[E], codec snapshot.Codec[E],
) (*snapshot.Saver[E], error) {
	restore, err := choose(ctx, s.blobs, name, s.o.Restore)
	if ordinal := s.o.Ordinals[name]; ordinal > 0 {
		restore, err = snapshot.RestoreOptions{Ordinal: ordinal}, nil
	}
	if err != nil {
		return nil, wrap("restore", name, err)
	}
	saver, err := snapshot.Open(ctx, s.blobs, store, snapshot.Options[E]{
		Name: name, Codec: codec, Interval: s.o.SnapshotInterval, EveryEvents: s.o.SnapshotEvents, Keep: s.o.Keep,
		Manual:       s.o.SnapshotInterval == 0 && s.o.SnapshotEvents == 0,
		FinalTimeout: s.o.FinalTimeout, Restore: restore, Lease: lease, NoLease: lease == nil,
		Progress: s.o.Progress, Logger: s.o.Logger,
	})
	if errors.Is(err, snapshot.ErrNoValid) {
		err = damagedSnapshot(err)
	}
	return saver, wrap("restore", name, err)
}

// choose turns a Restore into the options of a Saver. The newest is asked for by its number, so that a damaged one is an
// error: going back without being told to would be loss in silence.
func choose(ctx context.Context, blobs sinks.BlobStore, name string, r Restore) (o snapshot.RestoreOptions, err error) {
	switch r {
	case Empty:
		return snapshot.RestoreOptions{Fresh: true}, nil
	case Older:
		return snapshot.RestoreOptions{}, nil
	}
	list, err := snapshot.List(ctx, blobs, name)
	if err != nil && len(list) == 0 {
		return o, err
	}
	if len(list) == 0 {
		return o, nil
	}
	newest := list[len(list)-1]
	if newest.Err != nil {
		return o, damagedSnapshot(fmt.Errorf("snapshot %d: %w", newest.Ordinal, newest.Err))
	}
	return snapshot.RestoreOptions{Ordinal: newest.Ordinal}, nil
}

func damagedSnapshot(err error) error {
	return fmt.Errorf("%w; nothing was changed; --restore=older starts from the newest one that is whole, --restore=empty"+
		" from nothing: %w", ErrDamaged, err)
}
