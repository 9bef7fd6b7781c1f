package s3store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

const longestPause = 2 * time.Second

var firstPause = 100 * time.Millisecond // tests shorten it

// pause waits before the attempt after that many, a random part of a time that doubles.
func pause(ctx context.Context, attempts int) error {
	longest := firstPause << min(attempts-1, 10)
	timer := time.NewTimer(rand.N(min(longest, longestPause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try calls f, which may be repeated whatever came of it, until it succeeds, is refused, or was called often enough.
func (b *bucket) try(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fate := judge(err)
		if fate == refused || fate == lost || attempt == b.attempts {
			return translate(err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// tryWrite is try for a write: it tells when the outcome is unknown. allow says before each attempt whether it may be made.
func (b *bucket) tryWrite(ctx context.Context, allow func(context.Context) error, f func() error) error {
	var doubt error
	err := b.try(ctx, func() error {
		if err := allow(ctx); err != nil {
			return stop{err}
		}
		err := f()
		if err != nil && (ctx.Err() != nil || judge(err) == unsure) {
			doubt = translate(err)
		}
		return err
	})
	return inDoubt(doubt, err)
}

// A contest is what a caller is in who begins anew whenever somebody else was faster. That goes on only as long as there is
// somebody else: a server may refuse without showing who was faster, or show it later.
type contest struct {
	begun bool
	round uint64
	lost  int // without a change
}

// again is called before each round, which is numbered by what others change.
func (c *contest) again(ctx context.Context, attempts int, round uint64) error {
	if !c.begun || c.round != round {
		*c = contest{begun: true, round: round}
		return nil
	}
	if c.lost++; c.lost == attempts {
		return errors.New("the server refuses as if somebody else had written, and shows nothing of it")
	}
	return pause(ctx, c.lost)
}

// stop is an error that try does not repeat.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

// inDoubt returns err, marked as unknown outcome if something put the outcome in doubt.
func inDoubt(doubt, err error) error {
	if doubt == nil || err == nil {
		return err
	}
	return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, err)
}

// anytime allows every attempt.
func anytime(context.Context) error { return nil }
