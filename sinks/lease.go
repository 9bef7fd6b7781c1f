package sinks

import (
	"context"
	"fmt"
	"io"
	"time"
)

// DefaultTTL is how long a lease lasts without being renewed if its claim does not say.
const DefaultTTL = 10 * time.Second

// MaxTTL is the longest that a lease lasts without being renewed. So a lease that seems to run out later was written
// before a clock went back, and says nothing.
const MaxTTL = 24 * time.Hour

const (
	minTTL   = 10 * time.Millisecond
	maxOwner = 128
)

// A Claim is how a writer asks for a lease.
type Claim struct {
	Owner string        // who, in messages for people; at most 128 bytes of UTF-8, no secret
	TTL   time.Duration // how long the lease lasts without being renewed, 10 ms to MaxTTL; 0 means DefaultTTL
}

func (c Claim) check() (Claim, error) {
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.TTL < minTTL || c.TTL > MaxTTL {
		return c, wrap(self, "lease", "", fmt.Errorf("%w: TTL %v; %v to %v are allowed", ErrInvalid, c.TTL, minTTL, MaxTTL))
	}
	return c, wrap(self, "lease", "", checkText("owner", c.Owner, maxOwner))
}

// Leaser is a store that lets one writer at a time hold its destination. The blobs and the signals of one URL are two
// destinations. A holder has a generation, which grows with every holder and is never reset. As long as somebody holds
// the lease, writes through any other handle are refused with ErrLeased, and for ever with ErrFenced through a handle
// that held it before and was taken over. Such a handle may acquire anew. Where nobody holds a lease, everybody writes.
type Leaser interface {
	// Acquire takes the lease or returns ErrLeased with the name of the holder. A holder whose handle is closed, or
	// whose process on this machine is gone, is taken over at once, any other after its TTL. Acquire by the holder
	// itself renews, with the new claim, and returns the same generation.
	Acquire(ctx context.Context, c Claim) (generation uint64, err error)

	// Renew lets the TTL begin anew. It succeeds after the TTL too, as long as nobody took over; then it is
	// ErrFenced. Without a lease it is ErrInvalid.
	Renew(ctx context.Context) error

	// Release gives the lease up; without one it does nothing.
	Release(ctx context.Context) error
}

// Acquire calls the Acquire of a BlobStore or SignalStore; one that is no Leaser returns an error that is errors.ErrUnsupported.
func Acquire(ctx context.Context, store io.Closer, c Claim) (generation uint64, err error) {
	l, ok := store.(Leaser)
	if !ok {
		return 0, unsupported("lease")
	}
	if c, err = c.check(); err != nil {
		return 0, err
	}
	return l.Acquire(ctx, c)
}

// Renew calls the Renew of a BlobStore or SignalStore; one that is no Leaser returns an error that is errors.ErrUnsupported.
func Renew(ctx context.Context, store io.Closer) error {
	if l, ok := store.(Leaser); ok {
		return l.Renew(ctx)
	}
	return unsupported("lease")
}

// Release calls the Release of a BlobStore or SignalStore; one that is no Leaser returns an error that is errors.ErrUnsupported.
func Release(ctx context.Context, store io.Closer) error {
	if l, ok := store.(Leaser); ok {
		return l.Release(ctx)
	}
	return unsupported("lease")
}
