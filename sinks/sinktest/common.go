package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/sinks"
)

// A contract is what the cases that both contracts share must know of one.
type contract[S io.Closer] struct {
	write    func(ctx context.Context, s S, n uint64) error // stores number n; the numbers grow
	holds    func(ctx context.Context, s S, numbers ...uint64) error
	calls    []call[S] // every method
	removals []call[S] // those that remove everything
}

type call[S io.Closer] struct {
	name string
	run  func(ctx context.Context, s S) error
}

// all are the calls of every method, also those beyond the contract.
func (c *contract[S]) all() []call[S] {
	return append([]call[S]{
		{"Acquire", func(ctx context.Context, s S) error { _, err := sinks.Acquire(ctx, s, sinks.Claim{}); return err }},
		{"Renew", func(ctx context.Context, s S) error { return sinks.Renew(ctx, s) }},
		{"Release", func(ctx context.Context, s S) error { return sinks.Release(ctx, s) }},
		{"Verify", func(ctx context.Context, s S) error { return sinks.Verify(ctx, s) }},
	}, c.calls...)
}

// commonCases are the same for both contracts.
func commonCases[S io.Closer](c contract[S]) []testCase[S] {
	return concat([]testCase[S]{
		{name: "cancelled", rule: "a context that is over fails every call with its error, and nothing happens", run: c.cancelled},
		{name: "close", rule: "Close is idempotent; every other method is ErrClosed afterwards", run: c.close},
		{name: "close-race", rule: "calls beside Close are done or ErrClosed, and what was done is there afterwards", needs: restarts, run: c.closeRace},
	}, leaseCases(c))
}

func (c *contract[S]) cancelled(p *place[S]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := c.write(p.ctx, s, 1); err != nil {
		return err
	}
	for _, one := range c.all() {
		if err := wantErr(one.name+" with a context that is over", one.run(over, s), context.Canceled); err != nil {
			return err
		}
	}
	if err := wantErr("a write with a context that is over", c.write(over, s, 2), context.Canceled); err != nil {
		return err
	}
	return all(c.holds(p.ctx, s, 1), c.write(p.ctx, s, 2), c.holds(p.ctx, s, 1, 2))
}

func (c *contract[S]) close(p *place[S]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	if err := all(c.write(p.ctx, s, 1), s.Close(), s.Close()); err != nil {
		return fmt.Errorf("closing twice: %w", err)
	}
	for _, one := range c.all() {
		if err := wantErr(one.name+" after Close", one.run(p.ctx, s), sinks.ErrClosed); err != nil {
			return err
		}
	}
	return nil
}

func (c *contract[S]) closeRace(p *place[S]) error {
	var stored []uint64
	for n := uint64(1); n < 6; {
		s, err := p.open()
		if err != nil {
			return err
		}
		closed := make(chan error, 1)
		for begin := n; ; n++ {
			if n == begin+1 { // at least one is done for sure
				go func() { closed <- s.Close() }()
			}
			err = c.write(p.ctx, s, n)
			if err != nil {
				break
			}
			stored = append(stored, n)
		}
		if err := all(wantErr("a write beside Close", err, sinks.ErrClosed), <-closed); err != nil {
			return err
		}
	}
	s, err := p.open()
	if err != nil {
		return err
	}
	if err := c.holds(p.ctx, s, stored...); err != nil {
		return fmt.Errorf("%d writes were done: %w", len(stored), err)
	}
	return nil
}

// together runs f for each of n at the same time and returns what they returned.
func together(n int, f func(i int) error) error {
	results := make(chan error, n)
	for i := range n {
		go func() { results <- f(i) }()
	}
	var problems []error
	for range n {
		problems = append(problems, <-results)
	}
	return errors.Join(problems...)
}
