package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func leaseCases[S io.Closer](c contract[S]) []testCase[S] {
	l := leasing[S]{c}
	needs := func(c Caps) string {
		if c.NoLease != "" {
			return c.NoLease
		}
		return c.NoSecond
	}
	closes := func(c Caps) string {
		if c.NoLeaseClose != "" {
			return c.NoLeaseClose
		}
		return needs(c)
	}
	return []testCase[S]{
		{"lease-exclusive", "while somebody holds the lease, others neither acquire it nor write, and learn who it is", needs, l.exclusive},
		{"lease-release", "a lease that was released is free at once, and its former holder is like everybody", needs, l.release},
		{"lease-generation", "generations grow with every holder, across releases and restarts", needs, l.generation},
		{"lease-close", "closing the holder's handle frees the lease at once", closes, l.closing},
		{"lease-expiry", "a lease that is not renewed can be taken over after its TTL, and its former holder is fenced for ever", needs, l.expiry},
		{"lease-late", "a lease that ran out and that nobody took can be renewed", needs, l.late},
		{"lease-again", "acquiring what one holds renews and keeps the generation", needs, l.again},
		{"lease-misuse", "renewing without a lease is ErrInvalid, releasing without one does nothing", needs, l.misuse},
	}
}

type leasing[S io.Closer] struct{ contract[S] }

// refused checks that a handle neither writes nor removes anything.
func (l leasing[S]) refused(p *place[S], who string, s S, want error) error {
	err := wantErr("a write "+who, l.write(p.ctx, s, 1000), want)
	for _, one := range l.removals {
		if err == nil {
			err = wantErr(one.name+" "+who, one.run(p.ctx, s), want)
		}
	}
	return err
}

// long outlasts every case; short ends while one waits.
const (
	long  = time.Hour
	short = 50 * time.Millisecond
)

func claim(owner string, ttl time.Duration) sinks.Claim { return sinks.Claim{Owner: owner, TTL: ttl} }

func (l leasing[S]) pair(p *place[S]) (a, b S, err error) {
	if a, err = p.open(); err == nil {
		b, err = p.open()
	}
	return a, b, err
}

func acquire[S io.Closer](p *place[S], s S, owner string, ttl time.Duration) (uint64, error) {
	generation, err := sinks.Acquire(p.ctx, s, claim(owner, ttl))
	if err != nil {
		return 0, fmt.Errorf("%s acquires: %w", owner, err)
	}
	return generation, nil
}

func (l leasing[S]) exclusive(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	if err := l.write(p.ctx, b, 1); err != nil {
		return fmt.Errorf("writing while nobody holds the lease: %w", err)
	}
	if _, err := acquire(p, a, "writer-a", long); err != nil {
		return err
	}
	_, refused := sinks.Acquire(p.ctx, b, claim("writer-b", long))
	err = all(
		wantErr("Acquire of a lease that is held", refused, sinks.ErrLeased),
		l.refused(p, "beside the holder", b, sinks.ErrLeased),
		l.write(p.ctx, a, 2),
		sinks.Renew(p.ctx, a),
		l.write(p.ctx, a, 3),
		l.holds(p.ctx, b, 1, 2, 3),
	)
	if err == nil && !strings.Contains(refused.Error(), "writer-a") {
		err = fmt.Errorf("the refusal %s does not name the holder", say(refused))
	}
	return err
}

func (l leasing[S]) release(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	if _, err := acquire(p, a, "writer-a", long); err != nil {
		return err
	}
	if err := all(sinks.Release(p.ctx, a), l.write(p.ctx, b, 1), l.write(p.ctx, a, 2)); err != nil {
		return fmt.Errorf("after the release: %w", err)
	}
	if _, err := acquire(p, b, "writer-b", long); err != nil {
		return err
	}
	return all(
		l.refused(p, "of the former holder", a, sinks.ErrLeased),
		l.write(p.ctx, b, 3),
		l.holds(p.ctx, a, 1, 2, 3),
	)
}

func (l leasing[S]) generation(p *place[S]) error {
	var last uint64
	for i := range 6 {
		s, err := p.open()
		if err != nil {
			return err
		}
		generation, err := acquire(p, s, "writer", long)
		if err != nil {
			return err
		}
		if generation <= last {
			return fmt.Errorf("generation %d after %d", generation, last)
		}
		last = generation
		if err := sinks.Release(p.ctx, s); err != nil {
			return err
		}
		if i%2 == 0 {
			if err := s.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l leasing[S]) closing(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	first, err := acquire(p, a, "writer-a", long)
	if err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return err
	}
	next, err := acquire(p, b, "writer-b", long)
	if err != nil {
		return err
	}
	if next <= first {
		return fmt.Errorf("generation %d after %d", next, first)
	}
	return l.write(p.ctx, b, 1)
}

// until repeats f until it does not return an error that is refused. The TTL bounds it, and the case's patience.
func until(ctx context.Context, refused error, f func() error) error {
	tick := time.NewTicker(short / 5)
	defer tick.Stop()
	for {
		err := f()
		if !errors.Is(err, refused) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up waiting: %w", err)
		case <-tick.C:
		}
	}
}

func (l leasing[S]) expiry(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	first, err := acquire(p, a, "writer-a", short)
	if err != nil {
		return err
	}
	var next uint64
	err = until(p.ctx, sinks.ErrLeased, func() error {
		next, err = sinks.Acquire(p.ctx, b, claim("writer-b", long))
		return err
	})
	if err != nil {
		return fmt.Errorf("taking over after the TTL: %w", err)
	}
	if next <= first {
		return fmt.Errorf("generation %d after %d", next, first)
	}
	_, refused := sinks.Acquire(p.ctx, a, claim("writer-a", long))
	err = all(
		l.write(p.ctx, b, 1),
		l.refused(p, "of the former holder", a, sinks.ErrFenced),
		wantErr("Renew of the former holder", sinks.Renew(p.ctx, a), sinks.ErrFenced),
		wantErr("Acquire of the former holder", refused, sinks.ErrLeased),
		l.refused(p, "of the former holder, again,", a, sinks.ErrFenced),
		sinks.Release(p.ctx, a), // does nothing
		l.refused(p, "of the former holder after its release", a, sinks.ErrFenced),
		sinks.Release(p.ctx, b),
		l.refused(p, "of the former holder after the release", a, sinks.ErrFenced),
		l.holds(p.ctx, a, 1),
	)
	if err != nil {
		return err
	}
	last, err := acquire(p, a, "writer-a", long)
	if err != nil {
		return err
	}
	if last <= next {
		return fmt.Errorf("generation %d after %d", last, next)
	}
	return all(l.write(p.ctx, a, 2), l.holds(p.ctx, b, 1, 2))
}

func (l leasing[S]) late(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	if _, err := acquire(p, a, "writer-a", short); err != nil {
		return err
	}
	// That others may write shows that the lease ran out.
	err = until(p.ctx, sinks.ErrLeased, func() error { return l.write(p.ctx, b, 1) })
	if err != nil {
		return fmt.Errorf("writing after the TTL: %w", err)
	}
	if _, err := acquire(p, a, "writer-a", long); err != nil {
		return err
	}
	return all(
		sinks.Renew(p.ctx, a),
		l.write(p.ctx, a, 2),
		wantErr("a write beside the holder", l.write(p.ctx, b, 3), sinks.ErrLeased),
	)
}

func (l leasing[S]) again(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	first, err := acquire(p, a, "writer-a", long)
	if err != nil {
		return err
	}
	next, err := acquire(p, a, "writer-a-again", long)
	if err != nil {
		return err
	}
	if next != first {
		return fmt.Errorf("generation %d, then %d for the same holder", first, next)
	}
	_, refused := sinks.Acquire(p.ctx, b, claim("writer-b", long))
	return all(wantErr("Acquire of a lease that is held", refused, sinks.ErrLeased), l.write(p.ctx, a, 1))
}

func (l leasing[S]) misuse(p *place[S]) error {
	a, b, err := l.pair(p)
	if err != nil {
		return err
	}
	if _, err := acquire(p, a, "writer-a", long); err != nil {
		return err
	}
	_, negative := sinks.Acquire(p.ctx, b, claim("writer-b", -time.Second))
	return all(
		wantErr("Renew without a lease", sinks.Renew(p.ctx, b), sinks.ErrInvalid),
		wantInvalid("Acquire with a negative TTL", negative),
		sinks.Release(p.ctx, b),
		wantErr("a write beside the holder", l.write(p.ctx, b, 1), sinks.ErrLeased),
		l.write(p.ctx, a, 1),
	)
}
