package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // registers its scheme, as the others do
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
	_ "github.com/ephemera-go/ephemera/storage-postgres"
	_ "github.com/ephemera-go/ephemera/storage-s3"
	_ "github.com/ephemera-go/ephemera/storage-sqlite"
	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/window"
)

// A State is what a server keeps. Its fields are for reading; all of them are safe for concurrent use.
type State struct {
	Log     *streams.Local
	Events  *snapshot.Saver[streams.Record] // saves Log
	Metrics *snapshot.Saver[Metric]
	Signals *window.Window
	Loaded  window.LoadReport // signals that came back
	Runs    *Runs

	o        Options
	blobs    sinks.BlobStore
	stored   sinks.SignalStore
	owner    sinks.BlobStore // has the lease of the data directory, and its runs
	held     []*holding
	restored bool // everything
	closing  sync.Once
	closed   error
}

// Open is Claim and Restore.
func Open(ctx context.Context, o Options) (*State, error) {
	s, err := Claim(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Restore(ctx); err != nil {
		_ = s.Close(ctx) // nothing has happened yet that could be lost
		return nil, err
	}
	return s, nil
}

// Claim makes the data directory this process's own. Restore must follow before anything but Close.
func Claim(ctx context.Context, o Options) (*State, error) {
	if err := o.Validate(); err != nil {
		return nil, wrap("open", "options", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := claimData(o.Data)
	if err != nil {
		return nil, wrap("open", o.Data, err)
	}
	o.Data = path
	s := &State{o: o}
	if err := s.claim(ctx); err != nil {
		_ = s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// Restore brings back what was saved. When it fails nothing is restored, and Close gives everything back.
func (s *State) Restore(ctx context.Context) error {
	err := s.openSnapshots(ctx)
	if err == nil && !s.o.NoSignals {
		err = s.openSignals(ctx)
	}
	s.restored = err == nil
	return err
}

// claim takes the lease of the data directory.
func (s *State) claim(ctx context.Context) error {
	at, err := below("file", s.o.Data, "owner")
	if err != nil {
		return err
	}
	if s.owner, err = sinks.OpenBlobs(ctx, at); err != nil {
		return wrap("open", s.o.Data, err)
	}
	_, err = s.hold(ctx, s.o.Data, s.owner)
	return err
}

// A holding is a store that is open, and its lease if it has leases.
type holding struct {
	object string
	store  io.Closer
	lease  *sinks.Lease
}

// hold takes the lease of a store until the State is closed; nil for a store without leases.
func (s *State) hold(ctx context.Context, object string, store io.Closer) (*sinks.Lease, error) {
	h := &holding{object: object, store: store}
	s.held = append(s.held, h)
	lease, err := sinks.Hold(ctx, store, sinks.Claim{Owner: s.o.Owner})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil, nil
	case errors.Is(err, sinks.ErrLeased):
		return nil, wrap("open", object, fmt.Errorf("%w: %w", ErrHeld, err))
	case err != nil:
		return nil, wrap("open", object, err)
	}
	h.lease = lease
	return lease, nil
}

func (s *State) openSnapshots(ctx context.Context) (err error) {
	at := s.o.Snapshots
	if at == "" {
		if at, err = SnapshotsURL(s.o.Data); err != nil {
			return err
		}
	}
	if s.blobs, err = sinks.OpenBlobs(ctx, at); err != nil {
		return wrap("open", "snapshots", err)
	}
	lease, err := s.hold(ctx, "snapshots", s.blobs)
	if err != nil {
		return err
	}
	streamOptions, err := streams.StoreOptions(s.o.Streams)
	if err != nil {
		return wrap("open", "streams", err)
	}
	s.Events, err = openSaver(ctx, s, lease, StreamsName, streamOptions, snapshot.Codec[streams.Record](streams.Codec{}))
	if err != nil {
		return err
	}
	if s.Log, err = streams.Over(s.Events.Store(), s.o.Streams); err != nil {
		return wrap("open", "streams", err)
	}
	if err := s.Events.Attach(s.Log); err != nil {
		return wrap("open", "streams", err)
	}
	s.Metrics, err = openSaver(ctx, s, lease, MetricsName, metricOptions(s.o.MetricEvents), metricCodec())
	return err
}

func (s *State) openSignals(ctx context.Context) (err error) {
	at := s.o.Signals
	if at == "" {
		if at, err = SignalsURL(s.o.Data); err != nil {
			return err
		}
	}
	if s.stored, err = sinks.OpenSignals(ctx, at); err != nil {
		return wrap("open", "signals", err)
	}
	if _, err := s.hold(ctx, "signals", s.stored); err != nil {
		return err
	}
	// A request costs far more than reading the time. The window's own clock wakes an idle server a thousand times a second.
	s.Signals, err = window.New(ctx, window.Options{
		Clock:    time.Now,
		Capacity: s.o.SignalCount, MaxAge: s.o.SignalAge, Store: s.stored, RetainCount: s.o.SignalKeep,
	})
	if err != nil {
		return wrap("open", "signals", err)
	}
	if s.Loaded, err = s.Signals.Load(ctx, window.LoadOptions{}); err != nil {
		return wrap("open", "signals", err)
	}
	s.Runs, err = beginRun(ctx, s.owner, s.Signals.Stats().LastSequence)
	return wrap("open", "runs", err)
}
