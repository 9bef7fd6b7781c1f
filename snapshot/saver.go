package snapshot

import (
	"context"
	"errors"
	"fmt"
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
	putter *putter
	store  *core.Store[E]
	report Report
	grip   *grip
	writer string       // random
	object atomic.Int64 // number of the last object

	turn chan struct{} // holds one token: who has it saves

	// Guarded by turn.
	base    *Manifest // the newest snapshot that this Saver knows to be whole
	keys    uint64    // version of the dictionary that base knows
	ordinal uint64    // greatest that was ever seen
	lineage []Ancestor
	known   map[uint64][]Object // objects of the manifests that stay, by ordinal
	held    map[string]uint64   // events that the objects of base were written with; those that are absent are unknown

	final      atomic.Bool // the newest snapshot that this Saver has taken is final
	parts      attachments[E]
	figures    figures
	workspaces sync.Pool // of *objectWriter[E]

	life    sync.Mutex // guards closed together with running
	closed  bool
	running sync.WaitGroup
	quit    chan struct{}   // closed by Close: nothing new begins, and nothing is tried again
	work    context.Context // ends when Close gives up waiting
	kill    context.CancelFunc
	closing sync.Once
	result  error

	stalled func() uint64 // for tests: events that a stalled writer hides
}

// Open restores a store from blobs, or makes an empty one if there is no snapshot, and returns what will save it. It owns
// the store: closing the Saver closes it. The caller closes blobs, after the Saver. Epoch, StartAt, KeyNames and
// Restore of the store's options come from the snapshot and must not be set; with lanes, so does their number. Capacity
// and the other limits of the partitions that the store's options make are those of the options.
//
// Errors: ErrOption; sinks.ErrLeased while another Saver holds the place; ErrNoValid, ErrSchema, ErrPartitions, ErrTooNew;
// if Options.Restore asks for one snapshot, ErrNoSnapshot or ErrCorrupt; and those of the blob store.
func Open[E any](ctx context.Context, blobs sinks.BlobStore, store core.Options[E], o Options[E]) (*Saver[E], error) {
	o.setDefaults()
	if err := errors.Join(o.validate(), checkStoreOptions(&store)); err != nil {
		return nil, wrap("open", "", err)
	}
	grip, err := acquireAs(ctx, blobs, &o)
	if err != nil {
		return nil, wrap("open", "", err)
	}
	s := &Saver[E]{
		o: o, blobs: blobs, putter: newPutter(blobs, &o), grip: grip, writer: newWriter(), quit: make(chan struct{}),
		turn: make(chan struct{}, 1), known: map[uint64][]Object{},
	}
	s.work, s.kill = context.WithCancel(context.Background())
	s.turn <- struct{}{}
	if err := s.restore(ctx, store); err != nil {
		s.kill()
		return nil, wrap("open", "", also(err, grip.close()))
	}
	return s, nil
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

// Run takes snapshots as Interval and EveryEvents say, until the context ends or Close is called, and returns nil. What goes
// wrong is in Stats and in the log, and a snapshot is tried again after a pause of Backoff, which goes on growing; only
// when another Saver has taken over the place does Run end with an error. With Manual it only waits.
func (s *Saver[E]) Run(ctx context.Context) error {
	if !s.enter() {
		return nil // closed already
	}
	defer s.running.Done()
	t := newTriggers(s.o.Interval, uint64(s.o.EveryEvents), s.o.Backoff, s.o.MaxAttempts, s.atRisk)
	for t.wait(ctx, s.quit) {
		taken, err := s.attempt(ctx)
		switch {
		case errors.Is(err, sinks.ErrFenced):
			return wrap("save", "", err)
		case err != nil && ctx.Err() == nil && !s.closes():
			s.o.Logger.ErrorContext(ctx, "snapshot: not saved", "error", err)
			t.failed(err)
		default:
			t.succeeded(taken)
		}
	}
	return nil
}

// closes reports whether Close was called.
func (s *Saver[E]) closes() bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.closed
}

// Save takes a snapshot now, unless nothing has changed since the last one, and returns when it is durable. It waits for
// one that is being taken. After Close it returns ErrClosed. Where several goroutines append to one partition, an event whose
// append has returned is not in the snapshot if it lies behind one that another of them is still appending; it counts as at
// risk, and the next snapshot has it. The final one waits for such writers.
func (s *Saver[E]) Save(ctx context.Context) error {
	_, err := s.attempt(ctx)
	return wrap("save", "", err)
}

// attempt is Save. It reports false if there was no need for a snapshot.
func (s *Saver[E]) attempt(ctx context.Context) (taken bool, err error) {
	if !s.enter() {
		return false, ErrClosed
	}
	defer s.running.Done()
	select {
	case <-s.turn:
	case <-s.quit:
		return false, ErrClosed
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.work, cancel)()
	return s.save(ctx, s.quit, false)
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

// Close closes the store, waits for a snapshot that is being taken, takes the final one, gives the lease up and returns
// what went wrong: ErrUnsaved, with an *UnsavedError, if the final snapshot does not hold everything. It takes at most
// FinalTimeout, even if the blob store hangs; then calls that do not heed their contexts are left behind. Later calls return
// the same.
func (s *Saver[E]) Close() error { return s.Shutdown(context.Background()) }

// Shutdown is Close that ends with the context too, or within a tenth of FinalTimeout after that.
func (s *Saver[E]) Shutdown(ctx context.Context) error {
	s.closing.Do(func() {
		s.life.Lock()
		s.closed = true
		s.life.Unlock()
		close(s.quit)
		_ = s.store.Close() // always nil
		s.result = wrap("save", "", s.shutdown(ctx))
	})
	return s.result
}

// shutdown does what is left to do, in a time that does not depend on the blob store: for nine tenths of it the work may
// go on, in the last one it may come to its end.
func (s *Saver[E]) shutdown(ctx context.Context) error {
	grace := s.o.FinalTimeout / 10
	ctx, cancel := context.WithTimeout(ctx, s.o.FinalTimeout-grace)
	defer cancel()
	defer s.kill()
	ended := make(chan error, 1)
	go func() {
		err := s.finish(ctx)
		s.running.Wait()
		ended <- also(err, s.grip.close())
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.kill()
	last := time.NewTimer(grace)
	defer last.Stop()
	select {
	case err := <-ended:
		return err
	case <-last.C:
		return s.unsaved(fmt.Errorf("the blob store hangs: %w", ctx.Err()))
	}
}

// finish takes the last snapshot once nobody else does.
func (s *Saver[E]) finish(ctx context.Context) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return s.unsaved(fmt.Errorf("a snapshot did not end in time: %w", ctx.Err()))
	}
	defer func() { s.turn <- struct{}{} }()
	if s.o.NoFinal {
		return nil
	}
	if _, err := s.save(ctx, nil, true); err != nil {
		return s.unsaved(err)
	}
	if !s.final.Load() {
		return s.unsaved(errStalled)
	}
	return nil
}

// unsaved lists what is in no snapshot. If the final one is there, or none is wanted, it is only the cause.
func (s *Saver[E]) unsaved(cause error) error {
	if s.final.Load() || s.o.NoFinal {
		return cause
	}
	u := &UnsavedError{Err: cause}
	for _, p := range s.PartitionStats() {
		if p.AtRisk > 0 {
			u.Partitions, u.Events = append(u.Partitions, p.Partition), u.Events+p.AtRisk
		}
	}
	return u
}

// pause waits, unless the context ends or stop is closed first.
func pause(ctx context.Context, stop <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
