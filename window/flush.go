package window

import (
	"context"
	"errors"
	"fmt"
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

	// maxFlushBytes ends a batch: stores bound what one write may hold, and a batch that is above would never be stored.
	maxFlushBytes = 16 << 20
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
	tried  uint64 // greatest sequence that the store may hold unless somebody else writes

	mu      sync.Mutex
	waiters []chan error
	ended   bool // no more of them
}

// startFlusher is told the last sequence that the store holds of earlier runs.
func startFlusher(w *Window, last uint64) *flusher {
	f := &flusher{w: w, asked: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), tried: last}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f
}

// Flush writes everything that was raised before the call. When it returns nil all of that is durable. Calls at the
// same time share their writes. When the context ends first its error is returned, and the write goes on; one without a
// deadline waits for a store that hangs, as long as that does. To end with a limit, use Shutdown. Errors: that
// of the store, with the signals still pending; ErrDropped, also beside that of the store, when a signal raised
// before the call was given up unwritten and no earlier Flush has told so; ErrNoStore; ErrClosed. A store that holds
// sequences which this window did not write has another writer: sinks.ErrConflict, before anything is written.
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
			_ = f.round(true) // f.last has it, with what was given up
			return
		case <-f.w.trip.flush:
			if failed > 0 {
				continue // the timer tries again, after a pause
			}
		case <-f.asked:
		case <-timer.C:
		}
		if f.round(false) != nil {
			failed++
			timer.Reset(pause(failed))
			continue
		}
		failed = 0
		timer.Reset(f.w.o.FlushInterval)
	}
}

// pause grows with the number of failures in a row; half of it is chance.
func pause(failed int) time.Duration {
	d := maxPause
	if failed < 10 {
		d = min(maxPause, firstPause<<(failed-1))
	}
	return d/2 + rand.N(d/2+1)
}

// round writes everything that is pending when it begins, and answers those who waited then. It returns the error of the
// store; that signals were too late for it is told to those who waited alone.
func (f *flusher) round(last bool) error {
	f.mu.Lock()
	waiters := f.waiters
	f.waiters = nil
	f.mu.Unlock()
	w := f.w
	written, err := f.write()
	if err == nil {
		f.prune(written)
	}
	w.mu.Lock()
	capacity := w.state.Load().capacity
	_ = w.resize(capacity) // a shrinking that had to wait; after Close it is of no use
	w.trip.rearm(w.account.flushed, capacity, err == nil)
	answer := err
	if last || len(waiters) > 0 {
		answer = errors.Join(err, w.account.tellMissed())
	}
	w.mu.Unlock()
	w.tellDrops()
	if last {
		f.last = answer
	}
	for _, done := range waiters {
		done <- answer
	}
	return err
}

// write stores everything raised before it in batches and returns how many signals that were.
func (f *flusher) write() (written int, err error) {
	a := &f.w.account
	f.w.mu.Lock()
	end := f.w.next() // with the lock: whatever was dropped so far lies below it
	a.target, a.missed, a.late = end, a.missed+a.late, 0
	f.w.mu.Unlock()
	for n := f.fill(end); n > 0; n = f.fill(end) {
		if err = f.append(n); err != nil {
			err = fmt.Errorf("window: flush: %w", err)
			break
		}
		written += n
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if written > 0 {
		a.flushes++
		a.lastFlush = f.w.reading()
	}
	return written, err
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
	bytes := 0
collect:
	for pos, records := range cut.From(core.Position{Sequence: a.resume}).Runs() {
		for i := range records {
			sequence := pos.Sequence + uint64(i)
			if sequence == end || len(f.batch) == w.o.MaxPerFlush || bytes >= maxFlushBytes {
				break collect
			}
			f.batch = append(f.batch, w.stored(sequence, &records[i]))
			bytes += sizeOf(&f.batch[len(f.batch)-1])
		}
	}
	a.flushed = a.resume
	a.resume += uint64(len(f.batch))
	a.batchEnd = a.resume
	return len(f.batch)
}

// stored returns a record as a signal of the store.
func (w *Window) stored(sequence uint64, r *record) sinks.Signal {
	name, _ := w.names.Name(keyID(r.name))
	s := sinks.Signal{Sequence: sequence, Time: r.Time(), Name: name, Key: r.key, Operation: r.operation}
	if r.extra != nil {
		s.Path, s.Data = r.extra.path, r.extra.data
	}
	return s
}

// sizeOf returns how many bytes of text and data a signal has.
func sizeOf(s *sinks.Signal) int {
	n := len(s.Name) + len(s.Key) + len(s.Data)
	for _, name := range s.Path {
		n += len(name)
	}
	return n
}

// keepPending gives up pending signals beyond the limit, and those that left the core store, and counts them. w.mu is
// held. What is being written is not touched.
func (w *Window) keepPending(cut *core.Cut[record]) {
	a := &w.account
	low, next, _ := cut.Bounds(0)
	if most := uint64(w.maxPending(w.state.Load().capacity)); w.o.Overload == DropOldest && next > most {
		low = max(low, next-most)
	}
	if low <= a.resume {
		return
	}
	a.drop(a.resume, low)
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
	w.account.book(err)
	if err == nil {
		w.trip.rearm(w.account.flushed, w.state.Load().capacity, false)
	}
	w.mu.Unlock()
	clear(f.batch) // keep nothing alive
	if err != nil {
		w.told.say("window.flush.error", fmt.Sprintf("%d signals: %v", n, err))
		return err
	}
	w.told.count("window.flush.done", n)
	return nil
}

// store contains a store that panics: it must not end the program from a goroutine that nobody can guard.
func (f *flusher) store() (err error) {
	if p := contain(func() { err = f.writeOwn() }); p != nil {
		return p
	}
	return err
}

// writeOwn writes the batch unless the store holds sequences that this window never wrote: a store skips what it has
// trimmed, so that such a batch would seem stored. It is a check and no lock; only a lease keeps another writer out.
func (f *flusher) writeOwn() error {
	store := f.w.o.Store
	stat, err := store.Stat(f.ctx)
	if err != nil {
		return err
	}
	if stat.Last > f.tried {
		return f.conflict(stat.Last)
	}
	tried := f.tried
	f.tried = max(tried, f.batch[len(f.batch)-1].Sequence) // also if it panics
	err = store.Append(f.ctx, f.batch)
	if errors.Is(err, sinks.ErrConflict) || errors.Is(err, sinks.ErrLeased) || errors.Is(err, sinks.ErrFenced) {
		f.tried = tried // none of it is stored
	}
	return err
}

// conflict returns why the batch cannot be written to a store that another writer brought to the sequence last. The
// store itself knows best, such as who has the lease; asked with what it has passed, it stores nothing.
func (f *flusher) conflict(last uint64) error {
	passed := 0
	for passed < len(f.batch) && f.batch[passed].Sequence <= last {
		passed++
	}
	if err := f.w.o.Store.Append(f.ctx, f.batch[:passed]); err != nil {
		return err
	}
	return fmt.Errorf("%w: another writer brought the store to sequence %d", sinks.ErrConflict, last)
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
		a.drop(a.flushed, a.batchEnd)
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
	if w.o.RetainAge == 0 && w.o.RetainCount == 0 {
		return
	}
	var before time.Time
	if w.o.RetainAge > 0 {
		before = w.reading().Add(-w.o.RetainAge)
	}
	total := 0
	for total < max(pruneLeast, 2*written) {
		n, err := f.pruneSome(before)
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

// pruneSome contains a store that panics.
func (f *flusher) pruneSome(before time.Time) (n int, err error) {
	o := &f.w.o
	if p := contain(func() { n, err = sinks.Prune(f.ctx, o.Store, before, o.RetainCount, pruneBatch) }); p != nil {
		return 0, p
	}
	return n, err
}

// shutdown writes a last time and ends the goroutine. When the context ends first, so does the write.
func (f *flusher) shutdown(ctx context.Context) error {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	close(f.quit)
	select {
	case <-f.done:
		return f.last
	case <-ctx.Done():
		f.cancel() // a store that heeds its context lets go; run ends then
		return fmt.Errorf("window: close: %w", ctx.Err())
	}
}
