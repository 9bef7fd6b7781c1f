package verify

import (
	"context"
	"fmt"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// A streamPlan describes histories, or what takes their place: appends of each writer.
type streamPlan struct {
	Histories, Appends, Share int
}

// streams checks histories in this process.
func (p *programme) streams(ctx context.Context, _ *testing.T, seed uint64) (plan any, err error) {
	c := streamPlan{Histories: int(p.pickSize(1500, 50))}
	const part = 50
	for i := 0; i < c.Histories && ctx.Err() == nil; i += part {
		t, err := linearizeStreams(context.WithoutCancel(ctx), mix(seed+uint64(i)), part, func(l streams.Log) streams.Log { return l })
		p.Histories += t.Histories
		p.StreamCalls += t.Calls
		if err != nil {
			return c, fmt.Errorf("part %d: %w", i/part, err)
		}
	}
	return c, nil
}

// streamsHTTP checks histories through a network that loses requests and replies.
func (p *programme) streamsHTTP(ctx context.Context, t *testing.T, seed uint64) (plan any, err error) {
	c := streamPlan{Histories: int(p.pickSize(20, 2))}
	for i := 0; i < c.Histories && ctx.Err() == nil; i++ {
		h := lossyHistory{mix(seed + uint64(i)), i%2 == 0}
		ops, _, err := h.run(t.Context(), t)
		if err != nil {
			return c, fmt.Errorf("history %d: %w", i, err)
		}
		p.Histories++
		p.StreamCalls += len(ops)
	}
	return c, nil
}

// streamsOnce has writers append exactly once across broken connections and a restart.
func (p *programme) streamsOnce(_ context.Context, t *testing.T, seed uint64) (plan any, err error) {
	c := streamPlan{Appends: p.between(p.pickSize(500, 100), p.pickSize(4000, 200)), Share: 1 + p.rng.IntN(3)}
	repeated, _ := exactlyOnce(t, seed, c.Appends, c.Share)
	p.Repeated += repeated
	return c, nil
}

// streamsKill checks histories across SIGKILL.
func (p *programme) streamsKill(ctx context.Context, t *testing.T, seed uint64) (plan any, err error) {
	c := streamPlan{Histories: int(p.pickSize(6, 1))}
	for i := 0; i < c.Histories && ctx.Err() == nil; i++ {
		h := killedHistory{seed: mix(seed + uint64(i)), deletes: i%2 == 1, used: usedOps{reach: 40}}
		h.run(t)
		if err := h.check(); err != nil {
			return c, fmt.Errorf("history %d: %w", i, err)
		}
		p.Histories++
		p.StreamCalls += len(h.ops)
		p.LostInCrashes += h.lost
		p.Kills += h.killed
	}
	return c, nil
}

// streamsFlood has readers that are too slow for streams with limits.
func (p *programme) streamsFlood(_ context.Context, t *testing.T, _ uint64) (plan any, err error) {
	c := streamPlan{Appends: p.between(p.pickSize(20_000, 1_000), p.pickSize(200_000, 3_000))}
	floodReaders(t, c.Appends)
	return c, nil
}
