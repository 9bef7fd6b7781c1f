package sinks

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// checkedSignals has Prune itself and the other optional interfaces through its handle.
type checkedSignals struct {
	handle
	inner SignalStore
}

// CheckedSignals returns s with everything that all drivers need: arguments are checked before the driver sees them,
// errors are wrapped in one *Error that names driver, and the closed state is kept: s.Close is called once, when no
// call is in progress. Drivers return their stores through it. A checked store is returned as it is.
//
// The driver may rely on batches that are not empty, valid and ascending, on limits of at least 1, and on sequences of
// at most MaxSequence in all arguments.
func CheckedSignals(driver string, s SignalStore) SignalStore {
	if c, ok := s.(*checkedSignals); ok {
		return c
	}
	return &checkedSignals{handle: handle{driver: driver, kind: "signals", inner: s}, inner: s}
}

func (c *checkedSignals) Append(ctx context.Context, batch []Signal) error {
	first := c.kind
	if len(batch) > 0 {
		first = at(batch[0].Sequence)
	}
	return c.do(ctx, "append", first, func() error {
		if err := checkBatch(batch); err != nil || len(batch) == 0 {
			return err
		}
		return c.inner.Append(ctx, batch)
	})
}

func (c *checkedSignals) Read(ctx context.Context, after uint64, limit int) (signals []Signal, err error) {
	err = c.do(ctx, "read", at(after), func() error {
		if err := checkLimit(limit); err != nil || after >= MaxSequence {
			return err
		}
		signals, err = c.inner.Read(ctx, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return signals, nil
}

func (c *checkedSignals) ReadNewest(ctx context.Context, before uint64, limit int) (signals []Signal, err error) {
	err = c.do(ctx, "read newest", at(before), func() error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		if before > MaxSequence {
			before = 0 // every sequence is below
		}
		signals, err = c.inner.ReadNewest(ctx, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return signals, nil
}

func (c *checkedSignals) Trim(ctx context.Context, through uint64) error {
	return c.do(ctx, "trim", at(through), func() error {
		return c.inner.Trim(ctx, min(through, MaxSequence))
	})
}

func (c *checkedSignals) Stat(ctx context.Context) (stat SignalStat, err error) {
	err = c.do(ctx, "stat", c.kind, func() error {
		stat, err = c.inner.Stat(ctx)
		return err
	})
	if err != nil {
		return SignalStat{}, err
	}
	return stat, nil
}

func (c *checkedSignals) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	err = c.do(ctx, "prune", c.kind, func() error {
		removed, err = Prune(ctx, c.inner, before, keep, atMost)
		return err
	})
	return removed, err
}

func checkLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("%w: limit %d; at least 1", ErrInvalid, limit)
	}
	return nil
}

func at(sequence uint64) string { return "signals@" + strconv.FormatUint(sequence, 10) }
