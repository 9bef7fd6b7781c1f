package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// A Saver owns a store and saves it. Make one with Open, let Run save by the options, and Close it. All methods are safe
// for concurrent use; one snapshot is taken at a time.
type Saver[E any] struct {
	o      Options[E]
	blobs  sinks.BlobStore
	store  *core.Store[E]
	report Report
	lease  *sinks.Lease // ours to close; nil if given or none
	writer string       // random
	object atomic.Int64 // number of the next object

	turn chan struct{} // holds one token: who has it saves

	// Guarded by turn.
	base    *Manifest // the newest snapshot that this Saver knows to be whole
	keys    uint64    // version of the dictionary that base knows
	ordinal uint64    // greatest that was ever seen
	lineage []Ancestor
	kept    map[uint64][]string // objects of the manifests that stay, by ordinal

	parts attachments[E]

	eventBytes atomic.Uint64 // of one event in the codec's form; 0: unknown
	retries    atomic.Uint64
	figures    figures

	life    sync.Mutex // guards closed together with running
	closed  bool
	running sync.WaitGroup
	quit    chan struct{}
	closing sync.Once
	result  error
}

// Open restores a store from blobs, or makes an empty one if there is no snapshot, and returns what will save it. It owns
// the store: closing the Saver closes it. The caller closes blobs, after the Saver. o.Epoch, StartAt, KeyNames and
// Restore of the store's options come from the snapshot and must not be set; with lanes, so does their number.
//
// Errors: ErrOption; sinks.ErrLeased while another Saver holds the place; ErrNoValid; ErrSchema; ErrPartitions; ErrTooNew;
// and those of the store of blobs.
func Open[E any](ctx context.Context, blobs sinks.BlobStore, store core.Options[E], o Options[E]) (*Saver[E], error) {
	o.setDefaults()
	if err := errors.Join(o.validate(), checkStoreOptions(&store)); err != nil {
		return nil, wrap("open", "", err)
	}
	lease, err := acquire(ctx, blobs, &o)
	if err != nil {
		return nil, wrap("open", "", err)
	}
	s := &Saver[E]{
		o: o, blobs: blobs, lease: lease, writer: newWriter(), quit: make(chan struct{}),
		turn: make(chan struct{}, 1), kept: map[uint64][]string{},
	}
	s.turn <- struct{}{}
	if err := s.restore(ctx, store); err != nil {
		if lease != nil {
			err = errors.Join(err, lease.Close())
		}
		return nil, wrap("open", "", err)
	}
	return s, nil
}

// acquire takes the lease of the place. Stores of blobs without leases do without.
func acquire[E any](ctx context.Context, blobs sinks.BlobStore, o *Options[E]) (*sinks.Lease, error) {
	if o.NoLease || o.Lease != nil {
		return nil, nil
	}
	lease, err := sinks.Hold(ctx, blobs, sinks.Claim{Owner: o.Owner})
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	return lease, err
}

func checkStoreOptions[E any](o *core.Options[E]) error {
	var p problems
	p.add(!o.Epoch.IsZero(), "Epoch", "comes from the snapshot")
	p.add(o.StartAt != nil, "StartAt", "comes from the snapshot")
	p.add(o.KeyNames != nil, "KeyNames", "come from the snapshot")
	p.add(o.Restore.Added != nil || o.Restore.Events != nil || !o.Restore.PurgedBefore.IsZero(), "Restore", "comes from the snapshot")
	return errors.Join(p...)
}

// Store returns the store.
func (s *Saver[E]) Store() *core.Store[E] { return s.store }

// Report returns what Open restored.
func (s *Saver[E]) Report() Report { return s.report }

// Run takes snapshots as Interval and MinEvents say, until the context ends or Close is called, and returns nil. What goes
// wrong is in Stats and in the log; the next snapshot is tried all the same. With Manual it only waits.
func (s *Saver[E]) Run(ctx context.Context) error {
	if !s.enter() {
		return wrap("save", "", ErrClosed)
	}
	defer s.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // Close ends what Run is doing
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	t := s.newTriggers()
	for t.wait(ctx) {
		if err := s.Save(ctx); err != nil && ctx.Err() == nil {
			t.failed()
			s.o.Logger.ErrorContext(ctx, "snapshot: not saved", "error", err)
			if errors.Is(err, sinks.ErrFenced) {
				return wrap("save", "", err) // never again
			}
		}
		t.begin()
	}
	return nil
}

// Save takes a snapshot now, unless nothing has changed since the last one, and returns when it is durable. It waits for
// one that is being taken.
func (s *Saver[E]) Save(ctx context.Context) error {
	if !s.enter() {
		return wrap("save", "", ErrClosed)
	}
	defer s.running.Done()
	select {
	case <-s.turn:
	case <-s.quit:
		return wrap("save", "", ErrClosed)
	case <-ctx.Done():
		return wrap("save", "", ctx.Err())
	}
	defer func() { s.turn <- struct{}{} }()
	return wrap("save", "", s.save(ctx, false))
}

// enter reports false when the Saver is closed; else the caller does running.Done at the end.
func (s *Saver[E]) enter() bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// Close closes the store, takes the final snapshot, gives the lease up and returns what went wrong: an *UnsavedError if
// events are in no snapshot. It takes at most FinalTimeout. Later calls return the same.
func (s *Saver[E]) Close() error { return s.Shutdown(context.Background()) }

// Shutdown is Close that ends with the context too.
func (s *Saver[E]) Shutdown(ctx context.Context) error {
	s.closing.Do(func() {
		s.life.Lock()
		s.closed = true
		s.life.Unlock()
		ctx, cancel := context.WithTimeout(ctx, s.o.FinalTimeout)
		defer cancel()
		close(s.quit)
		_ = s.store.Close() // always nil
		s.result = s.finish(ctx)
		s.running.Wait()
		if s.lease != nil {
			s.result = errors.Join(s.result, s.lease.Close())
		}
	})
	return s.result
}

// finish takes the last snapshot once nobody else does.
func (s *Saver[E]) finish(ctx context.Context) error {
	select {
	case <-s.turn: // Run's own was told to end by quit
	case <-ctx.Done():
		return s.unsaved(fmt.Errorf("a snapshot did not end in time: %w", ctx.Err()))
	}
	defer func() { s.turn <- struct{}{} }()
	if s.o.NoFinal {
		return nil
	}
	if err := s.save(ctx, true); err != nil {
		return s.unsaved(err)
	}
	return nil
}

// unsaved lists what is in no snapshot.
func (s *Saver[E]) unsaved(cause error) error {
	u := &UnsavedError{Err: cause}
	for _, p := range s.PartitionStats() {
		if p.AtRisk > 0 {
			u.Partitions, u.Events = append(u.Partitions, p.Partition), u.Events+p.AtRisk
		}
	}
	return wrap("save", "", u)
}

// hold makes sure that nobody has taken over. A lease of our own that could not be renewed for a while is taken again, if
// nobody held it in between.
func (s *Saver[E]) hold(ctx context.Context) error {
	if l := s.o.Lease; l != nil {
		return l.Err()
	}
	if s.lease == nil || s.lease.Err() == nil {
		return nil
	}
	if err := s.lease.Err(); errors.Is(err, sinks.ErrFenced) {
		return err
	}
	again, err := acquire(ctx, s.blobs, &s.o)
	if err != nil {
		return err
	}
	if again.Generation() != s.lease.Generation() {
		return errors.Join(sinks.ErrFenced, again.Close())
	}
	s.lease = again // the old one has ended by itself, and giving it up would give up this one
	return nil
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newBytes(b []byte) io.Reader { return bytes.NewReader(b) }
