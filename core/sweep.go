package core

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// The sweeper is the store's background goroutine. It settles what left, tells OnDiscard, folds for rollups, lets
// expired segments go and samples the rate. No appender ever wakes or waits for it.
type sweeper[E any] struct {
	quit, done chan struct{}

	mu    sync.Mutex // guards phase
	turn  sync.Cond
	phase phase
	left  bool           // Close found a callback running and left the last sweep to the goroutine; good behind quit
	out   []departure[E] // owned by whoever is not in phase free
	spent atomic.Int64   // nanoseconds in callbacks since the last round began
}

type phase int

const (
	free phase = iota
	sweeping
	delivering // OnDiscard or OnFull runs: it may call back into the store
)

const (
	sweepMin    = time.Millisecond
	sweepMax    = 10 * time.Millisecond
	sweepLazy   = 100 * time.Millisecond // nothing to settle in this store
	sweepBudget = 20                     // looking around may take 1/20 of the time, working half of it, callbacks all
	outbox      = 1024                   // events copied out between two calls of OnDiscard
)

func (w *sweeper[E]) start(s *Store[E]) {
	w.turn.L = &w.mu
	w.quit, w.done = make(chan struct{}), make(chan struct{})
	if s.conf.deliver != nil {
		w.out = make([]departure[E], 0, outbox)
	}
	go w.run(s)
}

func (w *sweeper[E]) run(s *Store[E]) {
	defer close(w.done)
	pause := sweepMin
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-w.quit:
			if w.left {
				_ = s.sweep(context.Background())
			}
			return
		case <-t.C:
		}
		began := time.Now()
		w.spent.Store(0)
		_ = s.sweep(context.Background())
		took := time.Since(began) - time.Duration(w.spent.Load())
		if s.lively.Swap(false) {
			pause = sweepMin
		} else {
			pause = min(2*pause, s.idlePause())
			took *= sweepBudget
		}
		t.Reset(max(pause, took))
	}
}

// idlePause is how long an idle store may sleep.
func (s *Store[E]) idlePause() time.Duration {
	if s.watching.Load() {
		return sweepMax
	}
	return sweepLazy
}

// enter waits until nobody sweeps. It reports false when the context ends first.
func (w *sweeper[E]) enter(ctx context.Context) bool {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.turn.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.phase != free {
		if ctx.Err() != nil {
			return false
		}
		w.turn.Wait()
	}
	w.phase = sweeping
	return true
}

// enterLast is enter for Close: it does not wait for a callback, which may be the one that closes the store.
func (w *sweeper[E]) enterLast() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.phase == sweeping {
		w.turn.Wait()
	}
	if w.phase != free {
		return false
	}
	w.phase = sweeping
	return true
}

func (w *sweeper[E]) set(p phase) {
	w.mu.Lock()
	w.phase = p
	w.mu.Unlock()
	w.turn.Broadcast()
}

// Settle does now what the background goroutine does every few milliseconds: it settles the ledger, calls OnDiscard for
// everything that has left, folds for rollups, expires old events and samples the rate. It returns the context's error
// if the context ends before that is done; the rest follows in the background. Callbacks must not call it: it would wait
// for them.
func (s *Store[E]) Settle(ctx context.Context) error { return s.sweep(ctx) }

func (s *Store[E]) sweep(ctx context.Context) error {
	if !s.sweeper.enter(ctx) {
		return ctx.Err()
	}
	defer s.sweeper.set(free)
	return s.sweepAll(ctx)
}

// sweepAll runs in phase sweeping.
func (s *Store[E]) sweepAll(ctx context.Context) error {
	for _, p := range s.all() {
		contain(&s.conf.panics, func() { s.sweepPartition(ctx, p) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, p := range s.removed.settled() {
		s.deliverAll(ctx, p)
	}
	s.removed.settled()
	contain(&s.conf.panics, func() { s.rate.observe(s.conf.now(), s.appended()) })
	s.checkFull(true)
	return ctx.Err()
}

// appended returns how many events were ever appended, to partitions that are gone too.
func (s *Store[E]) appended() uint64 {
	s.removed.mu.Lock()
	defer s.removed.mu.Unlock()
	n := s.removed.ledger.Appended
	for _, list := range [][]*partition[E]{s.removed.leaving, s.all()} {
		for _, p := range list {
			n += p.next() - p.restored
		}
	}
	return n
}

func (s *Store[E]) sweepPartition(ctx context.Context, p *partition[E]) {
	if p.maxBytes.Load() > 0 {
		var c section[E]
		c.open(p, 0)
		c.resolve()
		c.close()
	}
	if p.maxAge.Load() > 0 || p.purgedTo.Load() != nil {
		s.checkFull(true) // before the events go: full is a state they may end
		p.expire()
	}
	before := p.settled.Load()
	s.deliverAll(ctx, p)
	if p.settled.Load() != before {
		s.lively.Store(true)
	}
	p.tidy()
	if p.owing.Swap(false) {
		p.releaseRetired(p.next())
	}
	if d := s.conf.retain(); d > 0 {
		before := s.conf.now().Add(-d) // without the lock: a clock may panic
		p.account.mu.Lock()
		if p.history != nil {
			p.history.expire(before)
		}
		p.account.mu.Unlock()
	}
}

// deliverAll settles what has left the partition by now and hands the discarded events to OnDiscard, in order.
func (s *Store[E]) deliverAll(ctx context.Context, p *partition[E]) {
	w, end := &s.sweeper, p.lowest(p.next())
	for more := true; more && ctx.Err() == nil; {
		more = p.settle(end, &w.out)
		if len(w.out) == 0 {
			continue
		}
		w.set(delivering)
		began := time.Now()
		for i := range w.out {
			d := &w.out[i]
			contain(&s.conf.panics, func() { s.conf.deliver(d.pos, &d.event) })
		}
		w.spent.Add(int64(time.Since(began)))
		w.set(sweeping)
		clear(w.out)
		w.out = w.out[:0]
	}
}

// fullness calls OnFull once each time the store becomes full. Whatever may end that state looks first.
type fullness struct {
	call   func()
	panics *atomic.Uint64
	mu     sync.Mutex
	state  bool
}

// becomes notes the state and reports whether it is a transition to full.
func (f *fullness) becomes(full func() bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.state
	f.state = full()
	return f.state && !was
}

func (s *Store[E]) checkFull(inSweep bool) {
	if s.full.call == nil || !s.full.becomes(s.Full) {
		return
	}
	if inSweep {
		s.sweeper.set(delivering)
		defer s.sweeper.set(sweeping)
	}
	contain(s.full.panics, s.full.call)
}

// stop ends the background goroutine and sweeps a last time, or has the goroutine do so when the callback returns that is
// running: the sweep that called it may end with its context.
func (w *sweeper[E]) stop(s *Store[E]) {
	mine := w.enterLast()
	w.left = !mine
	close(w.quit)
	if mine {
		_ = s.sweepAll(context.Background())
		w.set(free)
		<-w.done
	}
}
