package memstore

import (
	"context"
	"fmt"
	"sync"
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

// leased is what one handle knows of the lease of its space, and how it writes there. It implements sinks.Leaser.
type leased struct {
	mu         *sync.Mutex // of the space; guards everything here and the lease
	lease      *lease
	generation uint64 // 0: this handle never acquired or has released
	ttl        time.Duration
}

// allow says whether the handle may write; the caller holds mu.
func (h *leased) allow() error {
	switch {
	case h.generation == 0 && h.lease.live():
		return h.lease.refusal()
	case h.generation != 0 && h.generation != h.lease.generation:
		return h.fenced()
	}
	return nil
}

func (h *leased) fenced() error {
	return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, h.generation, h.lease.generation)
}

func (h *leased) Acquire(_ context.Context, c sinks.Claim) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lease
	if h.generation == 0 || h.generation != l.generation {
		if l.live() {
			return 0, l.refusal()
		}
		l.generation++
		h.generation = l.generation
	}
	h.ttl = c.TTL
	l.held, l.owner, l.expires = true, c.Owner, time.Now().Add(c.TTL)
	return h.generation, nil
}

func (h *leased) Renew(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.generation {
	case 0:
		return fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
	case h.lease.generation:
		h.lease.expires = time.Now().Add(h.ttl)
		return nil
	}
	return h.fenced()
}

// Release leaves a fenced handle fenced.
func (h *leased) Release(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.generation != 0 && h.generation == h.lease.generation {
		h.lease.held = false
		h.generation = 0
	}
	return nil
}

// Close gives up the lease; the space lives on.
func (h *leased) Close() error { return h.Release(context.Background()) }
