package sinktest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// A signalPlot is the ground on which one bug is planted.
type signalPlot struct {
	spaces map[string]*memstore.Space
	place  string
}

func (p *signalPlot) space() *memstore.Space {
	if p.spaces[p.place] == nil {
		p.spaces[p.place] = new(memstore.Space)
	}
	return p.spaces[p.place]
}

// inside returns a sound handle, to be spoiled.
func (p *signalPlot) inside() planted { return planted{p.space().OpenSignals()} }

// planted keeps the optional interfaces of what it wraps.
type planted struct{ sinks.SignalStore }

func (s planted) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, s.SignalStore, c)
}

func (s planted) Renew(ctx context.Context) error { return sinks.Renew(ctx, s.SignalStore) }

func (s planted) Release(ctx context.Context) error { return sinks.Release(ctx, s.SignalStore) }

// partBatch stores of a batch what it can.
type partBatch struct{ planted }

func (s partBatch) Append(ctx context.Context, batch []sinks.Signal) error {
	var problems error
	for i := range batch {
		problems = errors.Join(problems, s.SignalStore.Append(ctx, batch[i:i+1]))
	}
	return problems
}

// lastWins drops what conflicts.
type lastWins struct{ planted }

func (s lastWins) Append(ctx context.Context, batch []sinks.Signal) error {
	err := s.SignalStore.Append(ctx, batch)
	if stat, statErr := s.Stat(ctx); statErr == nil && errors.Is(err, sinks.ErrConflict) && len(batch) > 0 && batch[0].Sequence >= stat.First {
		return nil
	}
	return err
}

// dropPassed says nothing about signals that come too late.
type dropPassed struct{ planted }

func (s dropPassed) Append(ctx context.Context, batch []sinks.Signal) error {
	err := s.SignalStore.Append(ctx, batch)
	if errors.Is(err, sinks.ErrConflict) && len(batch) == 1 {
		return nil
	}
	return err
}

type swallow struct{ planted }

func (s swallow) Append(ctx context.Context, batch []sinks.Signal) error {
	err := s.SignalStore.Append(ctx, batch)
	if errors.Is(err, sinks.ErrConflict) {
		return nil
	}
	return err
}

type backward struct{ planted }

func (s backward) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	signals, err := s.SignalStore.Read(ctx, after, limit)
	slices.Reverse(signals)
	return signals, err
}

type newestFirst struct{ planted }

func (s newestFirst) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	signals, err := s.SignalStore.ReadNewest(ctx, before, limit)
	slices.Reverse(signals)
	return signals, err
}

type noLimit struct{ planted }

func (s noLimit) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	if limit > 0 {
		limit = plenty
	}
	return s.SignalStore.Read(ctx, after, limit)
}

type bound struct{ planted }

func (s bound) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	return s.SignalStore.Read(ctx, max(after, 1)-1, limit)
}

// lastLost takes the newest that is stored for the newest ever stored.
type lastLost struct{ planted }

func (s lastLost) Stat(ctx context.Context) (sinks.SignalStat, error) {
	stat, err := s.SignalStore.Stat(ctx)
	if stat.Count == 0 {
		stat.Last = 0
	}
	return stat, err
}

type trimBelow struct{ planted }

func (s trimBelow) Trim(ctx context.Context, through uint64) error {
	return s.SignalStore.Trim(ctx, max(through, 1)-1)
}

type micro struct{ planted }

func (s micro) Append(ctx context.Context, batch []sinks.Signal) error {
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].Time = batch[i].Time.Truncate(time.Microsecond)
	}
	return s.SignalStore.Append(ctx, batch)
}

type pruneAge struct{ planted }

func (s pruneAge) Prune(ctx context.Context, before time.Time, _ uint64, atMost int) (int, error) {
	return sinks.Prune(ctx, s.SignalStore, before, 0, atMost)
}

type pruneAll struct{ planted }

func (s pruneAll) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (int, error) {
	return sinks.Prune(ctx, s.SignalStore, before, keep, max(atMost, plenty))
}

type noContext struct{ planted }

func (s noContext) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.SignalStore.Append(context.WithoutCancel(ctx), batch)
}

type closeOnce struct {
	sinks.SignalStore
	closed bool
}

func (s *closeOnce) Close() error {
	if s.closed {
		return errClosedTwice
	}
	s.closed = true
	return s.SignalStore.Close()
}

type neverClosed struct{ planted }

func (neverClosed) Close() error { return nil }

// freeForAll gives leases but writes through a handle that knows nothing of them.
type freeForAll struct {
	planted
	space *memstore.Space
}

func (s freeForAll) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, new(memstore.Space).OpenSignals(), c)
}

func (freeForAll) Renew(context.Context) error { return nil }

func (freeForAll) Release(context.Context) error { return nil }

type sameGeneration struct{ planted }

func (s sameGeneration) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	_, err := s.planted.Acquire(ctx, c)
	return 1, err
}

// flaw says where a plainLog goes wrong.
type flaw interface{ spoil(l *plainLog) }

type (
	twice      struct{}
	forgetTrim struct{}
	sharing    struct{}
	oneByOne   struct{}
)

func (*twice) spoil(l *plainLog)      { l.twice = true }
func (*forgetTrim) spoil(l *plainLog) { l.forget = true }
func (*sharing) spoil(l *plainLog)    { l.share = true }
func (*oneByOne) spoil(l *plainLog)   { l.slow = true }

// plainLog is a naive driver with flaws that no wrapper can have.
type plainLog struct {
	mu                         sync.Mutex
	all                        []sinks.Signal
	trimmed, last              uint64
	twice, forget, share, slow bool
	read                       chan struct{} // one token when somebody has read
}

func newPlainLog() *plainLog { return &plainLog{read: make(chan struct{}, 1)} }

var plainLogs sync.Map

func (p *signalPlot) log(f flaw) sinks.SignalStore {
	kept, old := plainLogs.LoadOrStore(p.place, newPlainLog())
	l := kept.(*plainLog)
	l.mu.Lock()
	defer l.mu.Unlock()
	f.spoil(l)
	if old && l.forget {
		l.trimmed = 0
	}
	return sinks.CheckedSignals("planted", plainHandle{l})
}

// raw returns the naive driver without the checks that all drivers share.
func (p *signalPlot) raw() sinks.SignalStore {
	kept, _ := plainLogs.LoadOrStore(p.place, newPlainLog())
	return plainHandle{kept.(*plainLog)}
}

type plainHandle struct{ *plainLog }

func (l plainHandle) Append(_ context.Context, batch []sinks.Signal) error {
	for i := range batch {
		l.mu.Lock()
		if batch[i].Sequence > l.last || l.twice {
			one := batch[i]
			if !l.share {
				one = one.Clone()
			}
			one.Time = one.Time.UTC()
			l.all = append(l.all, one)
			l.last = max(l.last, one.Sequence)
		}
		l.mu.Unlock()
		if l.slow && len(batch) == 8 {
			// Give a reader, if there is one, the time to come by.
			select {
			case <-l.read:
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

func (l plainHandle) Read(_ context.Context, after uint64, limit int) (signals []sinks.Signal, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.read <- struct{}{}:
	default:
	}
	for i := range l.all {
		if l.all[i].Sequence > max(after, l.trimmed) && len(signals) < limit {
			signals = append(signals, l.all[i])
		}
	}
	return signals, nil
}

func (l plainHandle) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	signals, err := l.Read(ctx, 0, plenty)
	if before > 0 {
		signals = slices.DeleteFunc(signals, func(s sinks.Signal) bool { return s.Sequence >= before })
	}
	return signals[max(0, len(signals)-limit):], err
}

func (l plainHandle) Trim(_ context.Context, through uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = max(l.trimmed, min(through, l.last))
	return nil
}

func (l plainHandle) Stat(ctx context.Context) (sinks.SignalStat, error) {
	signals, err := l.Read(ctx, 0, plenty)
	stat := sinks.SignalStat{Last: l.last, Count: uint64(len(signals))}
	if len(signals) > 0 {
		stat.First = signals[0].Sequence
	}
	return stat, err
}

func (plainHandle) Close() error { return nil }
