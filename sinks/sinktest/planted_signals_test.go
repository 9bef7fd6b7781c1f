package sinktest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// inside returns a sound handle, to be spoiled.
func (p *plot) inside() planted { return planted{p.space.OpenSignals()} }

// planted keeps the optional interfaces of what it wraps.
type planted struct{ sinks.SignalStore }

func (s planted) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, s.SignalStore, c)
}

func (s planted) Renew(ctx context.Context) error { return sinks.Renew(ctx, s.SignalStore) }

func (s planted) Release(ctx context.Context) error { return sinks.Release(ctx, s.SignalStore) }

func (s planted) Verify(ctx context.Context) error { return sinks.Verify(ctx, s.SignalStore) }

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

type pruneAge struct{ planted }

func (s pruneAge) Prune(ctx context.Context, before time.Time, _ uint64, atMost int) (int, error) {
	return sinks.Prune(ctx, s.SignalStore, before, 0, atMost)
}

// pruneEither removes what is too many, or else what is old.
type pruneEither struct{ planted }

func (s pruneEither) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (int, error) {
	if stat, err := s.SignalStore.Stat(ctx); err != nil || keep > 0 && stat.Count > keep {
		before = time.Time{}
	}
	return sinks.Prune(ctx, s.SignalStore, before, keep, atMost)
}

type pruneAll struct{ planted }

func (s pruneAll) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (int, error) {
	return sinks.Prune(ctx, s.SignalStore, before, keep, max(atMost, plenty))
}

type noContext struct{ planted }

func (s noContext) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.SignalStore.Append(context.WithoutCancel(ctx), batch)
}

// strictEmpty takes an empty batch for a mistake.
type strictEmpty struct{ planted }

func (s strictEmpty) Append(ctx context.Context, batch []sinks.Signal) error {
	if len(batch) == 0 {
		return &sinks.Error{Op: "append", Driver: "planted", Err: sinks.ErrInvalid}
	}
	return s.SignalStore.Append(ctx, batch)
}

// changed changes every signal on its way in.
type changed struct {
	planted
	change func(*sinks.Signal)
}

func (s changed) Append(ctx context.Context, batch []sinks.Signal) error {
	batch = slices.Clone(batch)
	for i := range batch {
		s.change(&batch[i])
	}
	return s.SignalStore.Append(ctx, batch)
}

// shortBatches stores of a batch what fits into 16 MiB.
type shortBatches struct{ planted }

func (s shortBatches) Append(ctx context.Context, batch []sinks.Signal) error {
	bytes := 0
	for i := range batch {
		if bytes += len(batch[i].Data); bytes > 16<<20 {
			batch = batch[:i]
			break
		}
	}
	return s.SignalStore.Append(ctx, batch)
}

// limitAll takes a limit of 0 for all.
type limitAll struct{ planted }

func (s limitAll) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	return s.SignalStore.Read(ctx, after, max(limit, 1))
}

// emptyNotFound has nothing where nothing is stored.
type emptyNotFound struct{ planted }

func (s emptyNotFound) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	signals, err := s.SignalStore.ReadNewest(ctx, before, limit)
	if err == nil && len(signals) == 0 {
		err = &sinks.Error{Op: "read", Driver: "planted", Err: sinks.ErrNotFound}
	}
	return signals, err
}

// trimExact trims only up to what is there.
type trimExact struct{ planted }

func (s trimExact) Trim(ctx context.Context, through uint64) error {
	at, err := s.SignalStore.Read(ctx, max(through, 1)-1, 1)
	if err == nil && len(at) == 1 && at[0].Sequence == through || through > sinks.MaxSequence {
		err = s.SignalStore.Trim(ctx, through)
	}
	return err
}

// pruneThrough removes what is older, and all before it.
type pruneThrough struct{ planted }

func (s pruneThrough) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (int, error) {
	if keep > 0 {
		return sinks.Prune(ctx, s.SignalStore, before, keep, atMost)
	}
	signals, err := s.SignalStore.Read(ctx, 0, atMost)
	n := 0
	for i := range signals {
		if signals[i].Time.Before(before) {
			n = i + 1
		}
	}
	if err == nil && n > 0 {
		err = s.SignalStore.Trim(ctx, signals[n-1].Sequence)
	}
	return n, err
}

type verifyFails struct{ planted }

func (verifyFails) Verify(context.Context) error { return sinks.ErrCorrupt }

// ownLast asks the log once how far it is.
type ownLast struct {
	planted
	stat sinks.SignalStat
}

func (s *ownLast) Stat(ctx context.Context) (sinks.SignalStat, error) {
	if s.stat.Count == 0 {
		var err error
		if s.stat, err = s.SignalStore.Stat(ctx); err != nil {
			return s.stat, err
		}
	}
	return s.stat, nil
}

func (s *ownLast) Append(ctx context.Context, batch []sinks.Signal) error {
	err := s.SignalStore.Append(ctx, batch)
	s.stat = sinks.SignalStat{}
	return err
}

// turns lets one call of a handle in at a time, but forgets that there are other handles.
type turns struct {
	planted
	mu   sync.Mutex
	next uint64
}

func (s *turns) Append(ctx context.Context, batch []sinks.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(batch) > 0 && batch[0].Sequence > s.next {
		// What it has not written itself it takes for new.
		if stat, err := s.SignalStore.Stat(ctx); err != nil || stat.Last >= batch[0].Sequence {
			return errors.Join(err, &sinks.Error{Op: "append", Driver: "planted", Err: sinks.ErrConflict})
		}
	}
	err := s.SignalStore.Append(ctx, batch)
	if err == nil && len(batch) > 0 {
		s.next = max(s.next, batch[len(batch)-1].Sequence)
	}
	return err
}

// lateAppend confirms what is stored a little later.
type lateAppend struct {
	planted
	late []sinks.Signal
}

func (s *lateAppend) Append(ctx context.Context, batch []sinks.Signal) error {
	late := s.late
	s.late = nil
	if err := s.SignalStore.Append(ctx, late); err != nil {
		return err
	}
	if len(batch) == 1 {
		s.late = slices.Clone(batch)
		return nil
	}
	return s.SignalStore.Append(ctx, batch)
}

// flaw says where a plainLog goes wrong.
type flaw interface{ spoil(l *plainLog) }

type (
	twice      struct{}
	forgetTrim struct{}
	sharing    struct{}
	oneByOne   struct{}
	holes      struct{}
)

func (*twice) spoil(l *plainLog)      { l.twice = true }
func (*forgetTrim) spoil(l *plainLog) { l.forget = true }
func (*sharing) spoil(l *plainLog)    { l.share = true }
func (*oneByOne) spoil(l *plainLog)   { l.slow = true }
func (*holes) spoil(l *plainLog)      { l.holes = true }

// plainLog is a naive driver with flaws that no wrapper can have.
type plainLog struct {
	mu                         sync.Mutex
	all                        []sinks.Signal
	trimmed, last              uint64
	twice, forget, share, slow bool
	holes                      bool
	read                       chan struct{} // one token when somebody has read
}

func newPlainLog() *plainLog { return &plainLog{read: make(chan struct{}, 1)} }

func (p *plot) plain(f flaw) sinks.SignalStore {
	old := p.log != nil
	if !old {
		p.log = newPlainLog()
	}
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	f.spoil(l)
	if old && l.forget {
		l.trimmed = 0
	}
	return sinks.CheckedSignals("planted", plainHandle{l})
}

// raw returns the naive driver without the checks that all drivers share.
func (p *plot) raw() sinks.SignalStore {
	if p.log == nil {
		p.log = newPlainLog()
	}
	return plainHandle{p.log}
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
			l.linger()
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

// linger gives a reader, if there is one, the time to come by.
func (l *plainLog) linger() {
	select {
	case <-l.read:
	case <-time.After(20 * time.Millisecond):
	}
}

func (l plainHandle) Trim(_ context.Context, through uint64) error {
	if l.holes { // the even ones go first
		l.mu.Lock()
		l.all = slices.DeleteFunc(l.all, func(s sinks.Signal) bool { return s.Sequence <= through && s.Sequence%2 == 0 })
		l.mu.Unlock()
		l.linger()
	}
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
