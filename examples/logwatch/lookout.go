package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
	_ "github.com/ephemera-go/ephemera/sinks/memstore"  // scheme mem
	_ "github.com/ephemera-go/ephemera/storage-sqlite"  // scheme sqlite
	"github.com/ephemera-go/ephemera/window"
)

const (
	maxNames     = window.DefaultMaxNames
	maxPending   = 100_000
	highWater    = 10_000
	flushEvery   = time.Second
	longestFlush = 30 * time.Second // for what is pending at the end
	keptProblems = 5
)

// lookout raises the lines of a log as signals and keeps the counts of the report. It belongs to one goroutine.
type lookout struct {
	o         options
	store     sinks.SignalStore
	lease     *sinks.Lease // nil: the store knows no leases
	window    *window.Window
	clock     *logClock
	parser    parser
	bursts    *bursts
	live      *live // nil: only the report is wanted
	base      uint64
	operation uint64

	lines, raised, sensed uint64
	byName                map[string]uint64
	senses                map[string]bool // names that were raised, and whether --sense covers them
	unmatched             map[string]uint64
	problems              []problem
	oldest, newest        time.Time
	restored              restored
	stopped               bool
	shut                  bool
}

// problem is a line that raised nothing, and why.
type problem struct {
	Line  uint64 `json:"line"`
	Cause string `json:"cause"`
}

// restored is what earlier runs left.
type restored struct {
	count, sensed int
	byName        map[string]uint64
	more          bool // the store holds older ones
}

func newLookout(ctx context.Context, o options, p parser, screen *live) (*lookout, error) {
	l := &lookout{
		o: o, parser: p, live: screen,
		clock:  &logClock{running: !o.once, wall: time.Now},
		byName: make(map[string]uint64), senses: make(map[string]bool), unmatched: make(map[string]uint64),
	}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lookout) open(ctx context.Context) error {
	var err error
	if l.bursts, err = newBursts(l.o.burst, maxNames, l.live.burst); err != nil {
		return err
	}
	if l.store, err = sinks.OpenSignals(ctx, l.o.signals); err != nil {
		return err
	}
	// Two writers of one log of signals would give the same numbers to different signals.
	l.lease, err = sinks.Hold(ctx, l.store, sinks.Claim{Owner: fmt.Sprint("logwatch, process ", os.Getpid())})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w (another --signals is free)", err)
	}
	capacity := l.o.capacity
	if l.o.once {
		capacity = math.MaxInt32 // costs nothing until signals are there
	}
	l.window, err = window.New(ctx, window.Options{
		Capacity: capacity, MaxAge: window.Forever, MaxNames: maxNames, Clock: l.clock.now,
		Store: l.store, FlushInterval: flushEvery, MaxPending: maxPending, HighWater: highWater,
		Overload: window.Block, MaxBlock: flushEvery,
	})
	if err != nil {
		return err
	}
	l.base, l.operation = l.window.Stats().LastSequence, l.window.NewOperation()
	return l.restore(ctx)
}

func (l *lookout) restore(ctx context.Context) error {
	loaded, err := l.window.Load(ctx, window.LoadOptions{})
	if err != nil {
		return err
	}
	l.restored = restored{count: loaded.Restored, byName: make(map[string]uint64), more: loaded.More}
	for s := range l.window.Find("").All() {
		l.restored.byName[s.Name]++
	}
	if l.restored.sensed, err = l.window.Find(l.o.sense).Count(); err != nil {
		return err
	}
	return l.live.restored(l.restored)
}

// shutdown writes what is pending, and says once that it failed. The window stays readable.
func (l *lookout) shutdown() error {
	if l.shut {
		return nil
	}
	l.shut = true
	ctx, cancel := context.WithTimeout(context.Background(), longestFlush)
	defer cancel()
	return l.window.Shutdown(ctx)
}

// close may be called on a lookout that was opened in part.
func (l *lookout) close() error {
	var all []error
	if l.window != nil {
		all = append(all, l.shutdown())
	}
	if l.lease != nil {
		all = append(all, l.lease.Close())
	}
	if l.store != nil {
		all = append(all, l.store.Close())
	}
	if l.bursts != nil {
		all = append(all, l.bursts.close())
	}
	return errors.Join(all...)
}

// watch takes the lines of a source until its end or the context's.
func (l *lookout) watch(ctx context.Context, src source) error {
	batches, quit, ended := make(chan []line), make(chan struct{}), make(chan error, 1)
	defer close(quit)
	go func() {
		ended <- src.run(ctx, func(lines []line) bool {
			select {
			case batches <- lines:
				return true
			case <-quit:
				return false
			}
		})
	}()
	// A follower ends by itself, with the lines written until then; reading may hang in a pipe.
	var abandon <-chan struct{}
	if !l.o.follow {
		abandon = ctx.Done()
	}
	var lost <-chan struct{}
	if l.lease != nil {
		lost = l.lease.Done()
	}
	status := time.NewTicker(statusEvery)
	defer status.Stop()
	for {
		select {
		case lines := <-batches:
			if err := l.take(ctx, lines); err != nil {
				if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
					return err
				}
				l.stopped = true // while the store was waited for
				return l.bursts.look()
			}
		case err := <-ended:
			l.stopped = ctx.Err() != nil
			return errors.Join(err, l.bursts.look())
		case <-abandon:
			l.stopped = true
			return l.bursts.look()
		case <-lost:
			return fmt.Errorf("signals: %w", l.lease.Err())
		case <-status.C:
			if err := l.live.status(l); err != nil {
				return err
			}
		}
	}
}

// take raises the signals of some lines.
func (l *lookout) take(ctx context.Context, lines []line) error {
	for i := range lines {
		e, sequence, err := l.raise(ctx, &lines[i])
		switch {
		case err == nil:
			err = l.note(e, sequence, lines[i].text)
		case reasonOf(err) != "other":
			l.lines++
			l.miss(err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if l.live != nil {
		return errors.Join(l.bursts.look(), l.live.flush())
	}
	return nil
}

func (l *lookout) raise(ctx context.Context, in *line) (entry, uint64, error) {
	if in.tooLong {
		return entry{}, 0, errTooLong
	}
	e, err := l.parser.parse(in.text)
	if err != nil {
		return e, 0, err
	}
	for {
		sequence, err := l.window.RaiseSignal(window.Signal{Name: e.name, Key: e.key, Time: e.at, Operation: l.operation})
		switch {
		case errors.Is(err, window.ErrInvalid):
			return e, 0, fmt.Errorf("%w: name %q, key %q", errBadSignal, shorten(e.name), shorten(e.key))
		case errors.Is(err, window.ErrNamesFull):
			return e, 0, fmt.Errorf("%w: name %q", errTooManyNames, shorten(e.name))
		case !errors.Is(err, window.ErrOverloaded):
			return e, sequence, err
		}
		// The store is behind. It is waited for, unless it fails.
		if err := l.window.Flush(ctx); err != nil {
			return e, 0, fmt.Errorf("signals: %w", err)
		}
	}
}

// note counts a signal.
func (l *lookout) note(e entry, sequence uint64, text string) error {
	l.lines++
	l.raised++
	l.byName[e.name]++
	l.clock.observe(e.at)
	if l.raised == 1 || e.at.Before(l.oldest) {
		l.oldest = e.at
	}
	if l.raised == 1 || e.at.After(l.newest) {
		l.newest = e.at
	}
	covered, known := l.senses[e.name]
	if !known {
		var err error
		if covered, err = l.window.Find(l.o.sense).After(sequence - 1).Any(); err != nil {
			return err
		}
		l.senses[e.name] = covered
	}
	if !covered {
		return nil
	}
	l.sensed++
	if err := l.live.match(e, text); err != nil {
		return err
	}
	return l.bursts.add(e.name, e.at)
}

func (l *lookout) miss(err error) {
	l.unmatched[reasonOf(err)]++
	if len(l.problems) < keptProblems {
		l.problems = append(l.problems, problem{l.lines, explain(err)})
	}
}
