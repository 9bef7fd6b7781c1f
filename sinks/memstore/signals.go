package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

type signalSpace struct {
	mu      sync.Mutex
	log     []sinks.Signal // ascending
	last    uint64         // the newest sequence ever stored
	trimmed uint64         // sequences up to here are gone for good
	bytes   int64
	lease   lease
}

type signalStore struct {
	leased
	space *signalSpace
}

func (s *signalStore) Append(_ context.Context, batch []sinks.Signal) error {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.allow(); err != nil {
		return err
	}
	fresh, err := p.fresh(batch)
	if err != nil {
		return err
	}
	for i := range fresh {
		p.log = append(p.log, fresh[i].Clone())
		p.bytes += size(&fresh[i])
		p.last = fresh[i].Sequence
	}
	return nil
}

// fresh returns the part of a batch that is not stored yet.
func (p *signalSpace) fresh(batch []sinks.Signal) ([]sinks.Signal, error) {
	for i := range batch {
		s := &batch[i]
		if s.Sequence > p.last {
			return batch[i:], nil
		}
		if s.Sequence <= p.trimmed {
			continue
		}
		at, found := p.search(s.Sequence)
		if !found {
			return nil, fmt.Errorf("%w: the log has passed sequence %d and is at %d", sinks.ErrConflict, s.Sequence, p.last)
		}
		if !s.Equal(p.log[at]) {
			return nil, fmt.Errorf("%w: sequence %d holds another signal", sinks.ErrConflict, s.Sequence)
		}
	}
	return nil, nil
}

// search returns where the first signal at or above a sequence stands.
func (p *signalSpace) search(sequence uint64) (int, bool) {
	return slices.BinarySearchFunc(p.log, sequence, func(s sinks.Signal, sequence uint64) int {
		return cmp.Compare(s.Sequence, sequence)
	})
}

func (s *signalStore) Read(_ context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	begin, _ := p.search(after + 1)
	return clone(p.log[begin:min(len(p.log), begin+min(limit, len(p.log)))]), nil
}

func (s *signalStore) ReadNewest(_ context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	end := len(p.log)
	if before > 0 {
		end, _ = p.search(before)
	}
	return clone(p.log[max(0, end-limit):end]), nil
}

func clone(log []sinks.Signal) []sinks.Signal {
	if len(log) == 0 {
		return nil
	}
	signals := make([]sinks.Signal, len(log))
	for i := range log {
		signals[i] = log[i].Clone()
	}
	return signals
}

func (s *signalStore) Trim(_ context.Context, through uint64) error {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.allow(); err != nil {
		return err
	}
	n, found := p.search(through)
	if found {
		n++
	}
	p.drop(n)
	p.trimmed = max(p.trimmed, min(through, p.last))
	return nil
}

// drop removes the oldest n signals.
func (p *signalSpace) drop(n int) {
	for i := range n {
		p.trimmed = p.log[i].Sequence
		p.bytes -= size(&p.log[i])
	}
	clear(p.log[:n]) // the array lives on; what the signals point to need not
	p.log = p.log[n:]
}

// Prune implements sinks.Pruner.
func (s *signalStore) Prune(_ context.Context, before time.Time, keep uint64, atMost int) (int, error) {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.allow(); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p.log) && n < atMost {
		tooMany := keep > 0 && uint64(len(p.log)-n) > keep
		if !tooMany && (before.IsZero() || !p.log[n].Time.Before(before)) {
			break
		}
		n++
	}
	p.drop(n)
	return n, nil
}

func (s *signalStore) Stat(context.Context) (sinks.SignalStat, error) {
	p := s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	stat := sinks.SignalStat{Last: p.last, Count: uint64(len(p.log)), Bytes: p.bytes}
	if len(p.log) > 0 {
		stat.First = p.log[0].Sequence
	}
	return stat, nil
}

// size is what a signal holds, without Go's headers.
func size(s *sinks.Signal) int64 {
	n := 8 + 12 + 8 + len(s.Name) + len(s.Key) + len(s.Data)
	for _, name := range s.Path {
		n += len(name)
	}
	return int64(n)
}
