package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

const (
	firstPause = 100 * time.Millisecond // after a failed write; it doubles
	maxPause   = 30 * time.Second
	pruneBatch = 1000   // signals deleted in one step
	pruneLeast = 10_000 // how many one round may delete, at least
)

// flusher writes pending signals; one goroutine does all of it.
type flusher struct {
	w      *Window
	ctx    context.Context // ends with the goroutine that the flusher is
	cancel context.CancelFunc
	asked  chan struct{} // somebody waits
	quit   chan struct{}
	done   chan struct{}
	last   error // of the write that ended it
	batch  []sinks.Signal

	mu      sync.Mutex
	waiters []chan error // nil after the end
	ended   bool
}

func startFlusher(w *Window) *flusher {
	f := &flusher{w: w, asked: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f
}

// Flush writes everything that was raised before the call. When it returns nil all of that is durable. Calls at the
// same time share their writes. When the context ends first its error is returned, and the write goes on. Errors: that
// of the store, with the signals still pending; ErrOverloaded when signals had to be given up meanwhile; ErrNoStore;
// ErrClosed.
func (w *Window) Flush(ctx context.Context) error {
	if w.flusher == nil {
		return ErrNoStore
	}
	done, err := w.flusher.ask()
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("window: flush: %w", ctx.Err())
	}
}

func (f *flusher) ask() (<-chan error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil, ErrClosed
	}
	done := make(chan error, 1)
	f.waiters = append(f.waiters, done)
	tell(f.asked)
	return done, nil
}

func (f *flusher) run() {
	defer close(f.done)
	defer f.cancel()
	timer := time.NewTimer(f.w.o.FlushInterval)
	defer timer.Stop()
	failed := 0 // rounds in a row
	for {
		select {
		case <-f.quit:
			f.last = f.round(true)
			return
		case <-f.w.trip.flush:
			if failed > 0 {
				continue // the timer tries again, after a pause
			}
		case <-f.asked:
		case <-timer.C:
		}
		if !healthy(f.round(false)) {
			failed++
			timer.Reset(pause(failed))
			continue
		}
		failed = 0
		timer.Reset(f.w.o.FlushInterval)
	}
}

// healthy reports that the store took all that was written, although some signals were too late for it.
func healthy(err error) bool { return err == nil || errors.Is(err, ErrOverloaded) }

// pause grows with the number of failures in a row; half of it is chance.
func pause(failed int) time.Duration {
	d := maxPause
	if failed < 10 {
		d = min(maxPause, firstPause<<(failed-1))
	}
	return d/2 + rand.N(d/2+1)
}

// round writes everything that is pending when it begins, and answers those who waited then; the last one answers
// everybody.
func (f *flusher) round(last bool) error {
	f.mu.Lock()
	waiters := f.waiters
	f.waiters, f.ended = nil, last
	f.mu.Unlock()
	w := f.w
	written, err := f.write(w.next())
	if healthy(err) {
		f.prune(written)
	}
	w.mu.Lock()
	resume, capacity := w.account.resume, w.state.Load().capacity
	_ = w.resize(capacity) // a shrinking that had to wait; after Close it is of no use
	w.mu.Unlock()
	w.trip.rearm(resume, capacity, healthy(err))
	w.tellDrops()
	for _, done := range waiters {
		done <- err
	}
	return err
}

// write stores the signals below end in batches and returns how many.
func (f *flusher) write(end uint64) (written int, err error) {
	a := &f.w.account
	f.w.mu.Lock()
	a.target, a.missed = end, 0
	f.w.mu.Unlock()
	for {
		n := f.fill(end)
		if n == 0 {
			break
		}
		if err = f.append(n); err != nil {
			return written, fmt.Errorf("window: flush: %w", err)
		}
		written += n
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if written > 0 {
		a.flushes++
		a.lastFlush = f.w.reading()
	}
	if a.missed > 0 {
		return written, fmt.Errorf("window: flush: %d signals were given up: %w", a.missed, ErrOverloaded)
	}
	return written, nil
}

// fill puts the next pending signals below end into the batch.
func (f *flusher) fill(end uint64) int {
	w := f.w
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &w.account
	cut := w.through(end)
	defer cut.Close()
	w.keepPending(cut)
	f.batch = f.batch[:0]
	if a.resume >= end {
		return 0
	}
	for pos, records := range cut.From(core.Position{Sequence: a.resume}).Runs() {
		room := w.o.MaxPerFlush - len(f.batch)
		if pos.Sequence >= end || room == 0 {
			break
		}
		for i := range min(len(records), room, int(min(end-pos.Sequence, math.MaxInt32))) {
			s := w.Signal(pos.Sequence+uint64(i), &records[i])
			f.batch = append(f.batch, sinks.Signal{
				Sequence: s.Sequence, Time: s.Time, Name: s.Name, Key: s.Key, Operation: s.Operation, Path: s.Path, Data: s.Data,
			})
		}
	}
	a.flushed = a.resume
	a.resume += uint64(len(f.batch))
	a.batchEnd = a.resume
	return len(f.batch)
}

// keepPending gives up pending signals beyond the limit, and those that left the core store, and counts them. w.mu is
// held. What is being written is not touched.
func (w *Window) keepPending(cut *core.Cut[Record]) {
	a := &w.account
	low, next, _ := cut.Bounds(0)
	if most := uint64(w.maxPending(w.state.Load().capacity)); w.o.Overload == DropOldest && next > most {
		low = max(low, next-most)
	}
	if low <= a.resume {
		return
	}
	a.overflow += low - a.resume
	a.missed += min(low, a.target) - min(a.resume, a.target)
	a.resume = low
	if a.batchEnd == a.flushed {
		a.flushed, a.batchEnd = low, low
	}
}

// append writes the batch of n signals and books the outcome.
func (f *flusher) append(n int) error {
	w := f.w
	w.told.count("window.flush.start", n)
	err := f.store()
	w.mu.Lock()
	a := &w.account
	a.book(err)
	resume, capacity := a.resume, w.state.Load().capacity
	w.mu.Unlock()
	clear(f.batch) // keep nothing alive
	if err != nil {
		w.told.say("window.flush.error", fmt.Sprintf("%d signals: %v", n, err))
		return err
	}
	w.told.count("window.flush.done", n)
	w.trip.rearm(resume, capacity, false)
	return nil
}

// store contains a store that panics: it must not end the program from a goroutine that nobody can guard.
func (f *flusher) store() (err error) {
	if p := contain(func() { err = f.w.o.Store.Append(f.ctx, f.batch) }); p != nil {
		return p
	}
	return err
}

// book decides what became of the batch [flushed, batchEnd).
func (a *account) book(err error) {
	n := a.batchEnd - a.flushed
	switch {
	case err == nil:
		a.persisted += n
		a.batches++
		a.durable = a.batchEnd - 1
		a.lastError = nil
	case a.resume == a.batchEnd: // pending again
		a.resume = a.flushed
	default: // signals behind it were given up meanwhile, so it has no room any more either
		a.overflow += n
		a.missed += n
	}
	if err != nil {
		a.failures++
		a.lastError = err
	}
	a.flushed, a.batchEnd = a.resume, a.resume
}

// prune deletes what the retention of the store does not want, little by little but faster than the window writes.
func (f *flusher) prune(written int) {
	w := f.w
	if w.o.RetainAge == 0 && w.o.RetainRows == 0 {
		return
	}
	var before time.Time
	if w.o.RetainAge > 0 {
		before = w.reading().Add(-w.o.RetainAge)
	}
	total := 0
	for total < max(pruneLeast, 2*written) {
		n, err := sinks.Prune(f.ctx, w.o.Store, before, w.o.RetainRows, pruneBatch)
		total += n
		if err != nil {
			w.told.say("window.prune.error", err.Error())
			break
		}
		if n < pruneBatch {
			break
		}
	}
	if total > 0 {
		w.mu.Lock()
		w.account.pruned += uint64(total)
		w.mu.Unlock()
		w.told.count("window.prune.done", total)
	}
}

// shutdown writes a last time and ends the goroutine. When the context ends first, so does the write.
func (f *flusher) shutdown(ctx context.Context) error {
	stop := context.AfterFunc(ctx, f.cancel)
	defer stop()
	close(f.quit)
	select {
	case <-f.done:
		return f.last
	case <-ctx.Done():
		return fmt.Errorf("window: close: %w", ctx.Err())
	}
}
