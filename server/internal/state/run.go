package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// Run saves as the options say until the context ends, and returns nil then. It ends with ErrLost when another process took
// over one of the places: what is appended from then on would be saved nowhere.
func (s *State) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 2
	ended := make(chan error, n+len(s.held))
	go func() { ended <- s.Events.Run(ctx) }()
	go func() { ended <- s.Metrics.Run(ctx) }()
	for _, h := range s.held {
		l := h.lease
		if l == nil {
			continue
		}
		n++
		go func() {
			select {
			case <-l.Done():
				if err := l.Err(); !errors.Is(err, sinks.ErrClosed) { // which is Close
					ended <- err
					return
				}
				ended <- nil
			case <-ctx.Done():
				ended <- nil
			}
		}()
	}
	var failed []error
	for range n {
		if err := <-ended; err != nil {
			failed = append(failed, err)
			cancel()
		}
	}
	if err := errors.Join(failed...); err != nil {
		return wrap("run", s.o.Data, fmt.Errorf("%w: %w", ErrLost, err))
	}
	return nil
}

// Save takes snapshots now and writes the signals that wait.
func (s *State) Save(ctx context.Context) error {
	return errors.Join(
		wrap("save", StreamsName, s.Events.Save(ctx)),
		wrap("save", MetricsName, s.Metrics.Save(ctx)),
		wrap("save", "signals", s.Signals.Flush(ctx)),
	)
}

// Snapshots lists what is kept under StreamsName or MetricsName, oldest first, damaged ones with their error.
func (s *State) Snapshots(ctx context.Context, name string) ([]snapshot.Info, error) {
	list, err := snapshot.List(ctx, s.blobs, name)
	return list, wrap("list", name, err)
}

// Verify reads all snapshots and compares every byte with its checksum.
func (s *State) Verify(ctx context.Context) (map[string]*snapshot.Verified, error) {
	found := map[string]*snapshot.Verified{}
	var failed []error
	for _, name := range []string{StreamsName, MetricsName} {
		v, err := snapshot.Verify(ctx, s.blobs, name, nil)
		found[name] = v
		failed = append(failed, wrap("verify", name, err))
	}
	if err := sinks.Verify(ctx, s.stored); !errors.Is(err, errors.ErrUnsupported) {
		failed = append(failed, wrap("verify", "signals", err))
	}
	return found, errors.Join(failed...)
}

// Close refuses what comes, writes pending signals, takes final snapshots and gives everything back. Where Restore failed it
// saves nothing, and the next start finds what this one found. It takes as long as FinalTimeout says, or as the context lasts if
// that is shorter, and at most FinalTimeout/10 + 1 s more for places that hang. What was not saved is ErrUnsaved and named. Later
// calls return the same.
func (s *State) Close(ctx context.Context) error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, s.o.FinalTimeout)
		defer cancel()
		if s.restored {
			s.closed = s.finish(ctx)
		} else {
			s.closed = s.abandon(ctx)
		}
		s.closed = errors.Join(s.closed, s.release(ctx))
	})
	return s.closed
}

// finish saves everything side by side, so that a place that hangs keeps nothing else from being saved.
func (s *State) finish(ctx context.Context) error {
	var failed [4]error
	var all sync.WaitGroup
	if s.Log != nil {
		failed[3] = s.Log.Close()
	}
	if s.Events != nil {
		all.Go(func() { failed[0] = unsaved(StreamsName, s.Events.Shutdown(ctx)) })
	}
	if s.Metrics != nil {
		all.Go(func() { failed[1] = unsaved(MetricsName, s.Metrics.Shutdown(ctx)) })
	}
	if s.Signals != nil {
		all.Go(func() { failed[2] = s.closeSignals(ctx) })
	}
	all.Wait()
	return errors.Join(failed[:]...)
}

// abandon leaves everything as it was before Restore. Saving what came back would push out an older snapshot with each start
// that fails, make an older one that was asked for the newest, and hide from the next start that the newest was not final.
func (s *State) abandon(ctx context.Context) error {
	over, cancel := context.WithCancel(ctx)
	cancel() // so that nothing is saved
	var failed []error
	if s.Log != nil {
		_ = s.Log.Close()
	}
	if s.Events != nil {
		_ = s.Events.Shutdown(over)
		failed = append(failed, s.unmark(ctx, StreamsName, s.Events.Report()))
	}
	if s.Metrics != nil {
		_ = s.Metrics.Shutdown(over)
		failed = append(failed, s.unmark(ctx, MetricsName, s.Metrics.Report()))
	}
	if s.Signals != nil {
		failed = append(failed, s.closeSignals(ctx))
	}
	return errors.Join(failed...)
}

// unmark takes back that a final snapshot was opened, so that its epoch can go on: nothing was appended. With a new epoch the mark
// was there before, or none was needed. docs/formats/snapshot.md has its name.
func (s *State) unmark(ctx context.Context, name string, r snapshot.Report) error {
	if !r.Final || r.NewEpoch {
		return nil
	}
	return wrap("close", name, s.blobs.Delete(ctx, fmt.Sprintf("%s/opened/%016x", name, r.Ordinal)))
}

func (s *State) closeSignals(ctx context.Context) error {
	err := s.Signals.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return unsaved("signals", fmt.Errorf("%d signals: %w", s.Signals.Stats().Pending, err))
}

func unsaved(what string, err error) error {
	if err == nil {
		return nil
	}
	return wrap("close", what, fmt.Errorf("%w: %w", ErrUnsaved, err))
}

// releaseGrace is for what can be given back although the time for saving is over.
const releaseGrace = time.Second

// release gives back what open took, side by side. It does not wait for a place that hangs, whose lease ends by itself.
func (s *State) release(ctx context.Context) error {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(releaseGrace, cancel) })()
	failed := make([]error, len(s.held))
	var all sync.WaitGroup
	for i, h := range s.held {
		all.Go(func() { failed[i] = wrap("close", h.object, h.release(grace)) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func (h *holding) release(ctx context.Context) error {
	over := make(chan error, 1)
	go func() {
		var err error
		if h.lease != nil {
			err = h.lease.Close()
		}
		over <- errors.Join(err, h.store.Close())
	}()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return fmt.Errorf("it hangs, and its lease ends by itself: %w", ctx.Err())
	}
}
