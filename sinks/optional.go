package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Pruner is a SignalStore that can remove old signals by itself; see Prune.
type Pruner interface {
	Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error)
}

// Prune removes signals from the low end of the log while it holds more than keep (0: any number is fine) or while the
// oldest one's time lies before the given time (zero: any age is fine), but at most atMost per call, which must be at
// least 1. The log stays in order of sequences: an old signal behind a young one stays. It returns how many it removed,
// also beside an error. A store that is no Pruner is read and trimmed.
func Prune(ctx context.Context, s SignalStore, before time.Time, keep uint64, atMost int) (removed int, err error) {
	if err := checkPrune(atMost); err != nil {
		return 0, err
	}
	if p, ok := s.(Pruner); ok {
		return p.Prune(ctx, before, keep, atMost)
	}
	stat, err := s.Stat(ctx)
	if err != nil {
		return 0, err
	}
	const page = 1000
	through, n := uint64(0), 0
	for n < atMost && uint64(n) < stat.Count {
		signals, err := s.Read(ctx, through, min(page, atMost-n))
		if err != nil {
			return 0, err
		}
		begin := n
		for i := range signals {
			tooMany := keep > 0 && stat.Count-uint64(n) > keep
			if !tooMany && (before.IsZero() || !signals[i].Time.Before(before)) {
				break
			}
			through = signals[i].Sequence
			n++
		}
		if n-begin < len(signals) || len(signals) == 0 {
			break
		}
	}
	if n == 0 {
		return 0, nil
	}
	if err := s.Trim(ctx, through); err != nil {
		return 0, err
	}
	return n, nil
}

func checkPrune(atMost int) error {
	if atMost < 1 {
		return wrap(self, "prune", "", fmt.Errorf("%w: at most %d signals; at least 1", ErrInvalid, atMost))
	}
	return nil
}

// Verifier is a store that can check all that it holds; see Verify.
type Verifier interface {
	Verify(ctx context.Context) error
}

// Verify reads everything that a BlobStore or SignalStore holds and returns ErrCorrupt if any of it is damaged. One that cannot do
// that returns an error that is errors.ErrUnsupported.
func Verify(ctx context.Context, store io.Closer) error {
	if v, ok := store.(Verifier); ok {
		return v.Verify(ctx)
	}
	return unsupported("verify")
}

func unsupported(op string) error {
	return wrap(self, op, "", fmt.Errorf("%w of this driver", errors.ErrUnsupported))
}
