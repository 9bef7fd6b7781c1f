package snapshot

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
)

// A grip is the hold on a place: the lease of the blob store, if there is one.
type grip struct {
	blobs sinks.BlobStore
	owner string
	given bool // by Options.Lease: not ours to take again or to close

	mu    sync.Mutex
	lease *sinks.Lease // nil: there are no leases, or none is wanted
}

// acquire takes the lease of a place. Stores of blobs without leases do without.
func acquire(ctx context.Context, blobs sinks.BlobStore, owner string) (*grip, error) {
	g := &grip{blobs: blobs, owner: owner}
	if err := use(blobs, false); err != nil {
		return nil, err
	}
	lease, err := sinks.Hold(ctx, blobs, sinks.Claim{Owner: owner})
	if err != nil {
		leave(blobs)
		if errors.Is(err, errors.ErrUnsupported) {
			return g, nil
		}
		return nil, err
	}
	g.lease = lease
	return g, nil
}

// acquireAs does what the options say about leases.
func acquireAs[E any](ctx context.Context, blobs sinks.BlobStore, o *Options[E]) (*grip, error) {
	switch {
	case o.NoLease:
		return &grip{blobs: blobs}, nil
	case o.Lease == nil:
		return acquire(ctx, blobs, o.Owner)
	}
	if err := o.Lease.Err(); err != nil {
		return nil, err
	}
	if err := use(blobs, true); err != nil {
		return nil, err
	}
	return &grip{blobs: blobs, given: true, lease: o.Lease}, nil
}

// check makes sure that nobody has taken over. A lease of our own that could not be renewed for a while is taken again, if
// nobody held it in between.
func (g *grip) check(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lease == nil {
		return nil
	}
	lost := g.lease.Err()
	if lost == nil || g.given || errors.Is(lost, sinks.ErrFenced) {
		return lost
	}
	again, err := sinks.Hold(ctx, g.blobs, sinks.Claim{Owner: g.owner})
	switch {
	case errors.Is(err, sinks.ErrLeased): // it was ours
		return fmt.Errorf("%w: %w", sinks.ErrFenced, err)
	case err != nil:
		return err
	}
	if again.Generation() != g.lease.Generation() {
		return errors.Join(fmt.Errorf("%w while the lease was not renewed", sinks.ErrFenced), again.Close())
	}
	g.lease = again // the old one has ended by itself, and giving it up would give up this one
	return nil
}

// close gives the hold up.
func (g *grip) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lease == nil {
		return nil
	}
	defer leave(g.blobs)
	if g.given {
		return nil
	}
	return g.lease.Close()
}

// handles are the blob stores whose lease is in use through this package. A handle has one lease: who gives it up
// gives it up for everybody who uses the handle, and nobody else would notice.
var handles = struct {
	mu    sync.Mutex
	users map[sinks.BlobStore]int // -1: one that took the lease by itself
}{users: map[sinks.BlobStore]int{}}

// use enters a handle; shared is for those that were given the lease.
func use(blobs sinks.BlobStore, shared bool) error {
	if !reflect.TypeOf(blobs).Comparable() {
		return nil
	}
	handles.mu.Lock()
	defer handles.mu.Unlock()
	n := handles.users[blobs]
	switch {
	case n == 0 && !shared:
		handles.users[blobs] = -1
	case n >= 0 && shared:
		handles.users[blobs] = n + 1
	default:
		return fmt.Errorf("%w: this process uses this very blob store for a Saver, Prune or Copy already; "+
			"open another one, or give all of them one lease by Options.Lease", sinks.ErrLeased)
	}
	return nil
}

// leave is called once for each use.
func leave(blobs sinks.BlobStore) {
	if !reflect.TypeOf(blobs).Comparable() {
		return
	}
	handles.mu.Lock()
	defer handles.mu.Unlock()
	if n := handles.users[blobs]; n > 1 {
		handles.users[blobs] = n - 1
	} else {
		delete(handles.users, blobs)
	}
}
