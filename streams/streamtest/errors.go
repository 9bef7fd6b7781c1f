package streamtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/streams"
)

func caseClosed(c *call) error {
	if err := c.log.Close(); err != nil {
		return err
	}
	return c.allFail(c.ctx, "a", streams.ErrClosed)
}

func caseCanceled(c *call) error {
	canceled, cancel := context.WithCancel(c.ctx)
	cancel()
	late, end := context.WithTimeout(c.ctx, 0)
	defer end()
	return all(c.allFail(canceled, "a", context.Canceled), c.allFail(late, "a", context.DeadlineExceeded), c.wantVersion("a", 0))
}

func caseErrors(c *call) error {
	return c.allFail(c.ctx, "a\x00b", streams.ErrInvalid)
}

// allFail calls every method, each of which must fail with one *Error around want.
func (c *call) allFail(ctx context.Context, stream string, want error) error {
	d := &call{ctx, c.log}
	failed := map[string]error{
		"delete": c.log.Delete(ctx, stream),
		"limits": c.log.SetLimits(ctx, stream, streams.Limits{}),
	}
	_, failed["append"] = d.add(stream, streams.ExpectAny, ev(1))
	_, failed["read"] = c.log.Read(ctx, streams.Read{Stream: stream})
	_, failed["info"] = c.log.Info(ctx, stream)
	_, failed["list"] = c.log.List(ctx, stream, "", 0)
	_, failed["aggregate"] = c.log.Aggregate(ctx, streams.Aggregate{Stream: stream})
	for _, err := range c.log.Subscribe(ctx, streams.Subscription{Pattern: stream, Start: streams.FromNow}) {
		failed["subscribe"] = err
		break
	}
	for op, err := range failed {
		if err := all(wantError(op, err, want), oneError(op, stream, err)); err != nil {
			return err
		}
	}
	return nil
}

// oneError counts the wrappers around a cause.
func oneError(op, stream string, err error) error {
	e := (*streams.Error)(nil)
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: no *Error in %w", op, err)
	}
	if !errors.Is(e, err) || errors.As(e.Err, new(*streams.Error)) {
		return fmt.Errorf("%s: not one *Error around everything in %w", op, err)
	}
	if e.Op != op || e.Stream != stream {
		return fmt.Errorf("%s of %q: operation %q, stream %q in %w", op, stream, e.Op, e.Stream, err)
	}
	return nil
}
