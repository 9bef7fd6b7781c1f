package faultstore

import (
	"context"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Signals returns a store that calls inner unless the plan says otherwise. Closing it closes inner. It can do what
// inner can do beyond the contract.
func Signals(inner sinks.SignalStore, plan *Plan) sinks.SignalStore {
	return sinks.CheckedSignals(driver, &signals{common: common{plan: plan, inner: inner}, inner: inner})
}

type signals struct {
	common
	inner sinks.SignalStore
}

func (s *signals) Append(ctx context.Context, batch []sinks.Signal) error {
	fault, err := s.plan.begin(ctx, "append")
	switch {
	case err != nil:
		return err
	case fault == nil:
		return s.inner.Append(ctx, batch)
	case fault.action == lostReply:
		_ = s.inner.Append(ctx, batch) // whatever it says is lost
	case fault.action == partial:
		if err := s.inner.Append(ctx, batch[:min(uint64(len(batch)), fault.amount)]); err != nil {
			return err
		}
	}
	return fault.err()
}

func (s *signals) Read(ctx context.Context, after uint64, limit int) (found []sinks.Signal, err error) {
	err = s.do(ctx, "read", func() error {
		found, err = s.inner.Read(ctx, after, limit)
		return err
	})
	return found, err
}

func (s *signals) ReadNewest(ctx context.Context, before uint64, limit int) (found []sinks.Signal, err error) {
	err = s.do(ctx, "newest", func() error {
		found, err = s.inner.ReadNewest(ctx, before, limit)
		return err
	})
	return found, err
}

func (s *signals) Trim(ctx context.Context, through uint64) error {
	return s.do(ctx, "trim", func() error { return s.inner.Trim(ctx, through) })
}

func (s *signals) Stat(ctx context.Context) (stat sinks.SignalStat, err error) {
	err = s.do(ctx, "stat", func() error {
		stat, err = s.inner.Stat(ctx)
		return err
	})
	return stat, err
}

func (s *signals) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	err = s.do(ctx, "prune", func() error {
		removed, err = sinks.Prune(ctx, s.inner, before, keep, atMost)
		return err
	})
	return removed, err
}
