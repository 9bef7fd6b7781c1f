package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A lease is guarded by the mutex of its space.
type lease struct {
	generation uint64 // of the last holder; never goes back
	held       bool
	owner      string
	expires    time.Time
}

func (l *lease) live() bool { return l.held && time.Now().Before(l.expires) }

func (l *lease) refusal() error {
	return fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, l.owner, l.generation)
}

// A grip is what one handle knows of the lease, guarded like it.
type grip struct {
	generation uint64 // 0: this handle never acquired or has released
	ttl        time.Duration
}

// allow says whether a handle may write.
func (g *grip) allow(l *lease) error {
	switch {
	case g.generation == 0 && l.live():
		return l.refusal()
	case g.generation != 0 && g.generation != l.generation:
		return g.fenced(l)
	}
	return nil
}

func (g *grip) fenced(l *lease) error {
	return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, g.generation, l.generation)
}

func (g *grip) acquire(l *lease, c sinks.Claim) (uint64, error) {
	mine := g.generation != 0 && g.generation == l.generation
	if !mine {
		if l.live() {
			return 0, l.refusal()
		}
		l.generation++
		g.generation = l.generation
	}
	g.ttl = c.TTL
	l.held, l.owner, l.expires = true, c.Owner, time.Now().Add(c.TTL)
	return g.generation, nil
}

func (g *grip) renew(l *lease) error {
	if g.generation == 0 {
		return fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
	}
	if g.generation != l.generation {
		return g.fenced(l)
	}
	l.expires = time.Now().Add(g.ttl)
	return nil
}

// release leaves a fenced handle fenced.
func (g *grip) release(l *lease) {
	if g.generation != 0 && g.generation == l.generation {
		l.held = false
		g.generation = 0
	}
}

func (s *blobStore) Acquire(_ context.Context, c sinks.Claim) (uint64, error) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	return s.grip.acquire(&s.space.lease, c)
}

func (s *blobStore) Renew(context.Context) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	return s.grip.renew(&s.space.lease)
}

func (s *blobStore) Release(context.Context) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	s.grip.release(&s.space.lease)
	return nil
}

func (s *signalStore) Acquire(_ context.Context, c sinks.Claim) (uint64, error) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	return s.grip.acquire(&s.space.lease, c)
}

func (s *signalStore) Renew(context.Context) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	return s.grip.renew(&s.space.lease)
}

func (s *signalStore) Release(context.Context) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	s.grip.release(&s.space.lease)
	return nil
}
