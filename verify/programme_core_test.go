package verify

import (
	"context"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func (p *programme) conserve(ctx context.Context, _ *testing.T, seed uint64) (plan any, err error) {
	c := conservePlan{
		Seed: seed, Capacity: p.between(16, p.pickSize(200_000, 5_000)), Partitions: 1,
		Appends: uint64(p.between(10_000, p.pickSize(5_000_000, 50_000))),
		Writers: 2 + p.rng.IntN(15), Readers: p.rng.IntN(4), MaxBatch: uint64(p.between(1, 3*core.MaxBatch)),
		Unwatched: p.rng.IntN(3) == 0,
	}
	switch p.rng.IntN(3) {
	case 0:
		c.Partitions = 2 + p.rng.IntN(7)
	case 1:
		c.Lanes = 1 + p.rng.IntN(8)
	}
	res, err := conserve(ctx, c)
	p.Appended += res.Appended
	p.Discarded += res.Discarded
	p.Lost += res.Lost
	p.Stalls += res.Stalls
	p.Scanned += res.Scanned
	p.Conflicts += int(res.Conflicts)
	return c, err
}

func (p *programme) linearize(ctx context.Context, _ *testing.T, seed uint64) (plan any, err error) {
	l := linearPlan{
		Seed: seed, Histories: int(p.pickSize(3000, 100)),
		Clients: 2 + p.rng.IntN(11), Ops: 4 + p.rng.IntN(21),
	}
	res, err := linearize(ctx, l, func(l log) log { return l })
	p.Histories += res.Histories
	p.Conflicts += res.Conflicts
	p.Unknown += res.Unknown
	return l, err
}

func (p *programme) soak(ctx context.Context, _ *testing.T, _ uint64) (plan any, err error) {
	s := soakPlan{
		For: time.Duration(p.pickSize(20e9, 2e8)), Partitions: 1,
		Capacity: p.between(10_000, p.pickSize(500_000, 50_000)), Writers: 1 + p.rng.IntN(8),
	}
	switch p.rng.IntN(3) {
	case 0:
		s.Partitions = 2 + p.rng.IntN(7)
	case 1:
		s.Lanes = 1 + p.rng.IntN(8)
	}
	if p.rng.IntN(3) == 0 {
		s.MaxPending = s.Capacity
	}
	res, err := soak(ctx, s)
	p.Appended += res.Appended
	p.Discarded += res.ledger.Discarded
	p.Lost += res.Lost
	p.WorstAppendNs, p.WorstP99Ns = max(p.WorstAppendNs, int64(res.Worst)), max(p.WorstP99Ns, int64(res.P99))
	p.MaxHeapBytes = max(p.MaxHeapBytes, res.Peak)
	if res.Limit > 0 {
		p.MaxLiveToLimit = max(p.MaxLiveToLimit, float64(res.Most)/float64(res.Limit))
	}
	return s, err
}
