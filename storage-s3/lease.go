package s3store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/process"
)

// A control is one handle's part in a destination: its state object, and the lease as far as the handle has to do with it.
type control struct {
	bucket *bucket
	key    string
	handle string // names this handle, in this process and all others
	made   bool   // the state object was there

	mu         sync.Mutex
	generation uint64 // 0: this handle never acquired, or has released
	claim      sinks.Claim
}

var errReadOnly = fmt.Errorf("%w: opened with ReadOnly", sinks.ErrReadOnly)

// handles are those of this process that are open.
var handles sync.Map

func newControl(b *bucket, key string) *control {
	c := &control{bucket: b, key: b.key(key), handle: rand.Text()}
	handles.Store(c.handle, true)
	return c
}

// gone reports whether the holder that a state names is known to have ended: its process, or its handle if that is this process.
func gone(s *state) bool {
	p := process.Process{Host: s.Host, ID: s.Process}
	if p != process.This() {
		return p.Gone()
	}
	_, open := handles.Load(s.Handle)
	return !open
}

func (c *control) mine() (generation uint64, claim sinks.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation, c.claim
}

func (c *control) setMine(generation uint64, claim sinks.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation, c.claim = generation, claim
}

// allows says whether this handle may write.
func (c *control) allows(v *version) error {
	generation, _ := c.mine()
	switch {
	case generation == 0 && v.live && v.Handle != c.handle:
		return fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, v.Owner, v.Generation)
	case generation != 0 && generation != v.Generation:
		return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, generation, v.Generation)
	}
	return nil
}

// allow asks whether this handle may write.
func (c *control) allow(ctx context.Context) error {
	if c.bucket.readOnly {
		return errReadOnly
	}
	v, err := c.load(ctx)
	if err != nil {
		return err
	}
	return c.allows(v)
}

// hold makes the state say that this handle holds the lease.
func (c *control) hold(v *version, claim sinks.Claim) {
	me := process.This()
	if !v.live {
		v.Since = v.Revision + 1
	}
	v.Held, v.Owner, v.TTL = true, claim.Owner, claim.TTL.Milliseconds()
	v.Host, v.Process, v.Handle = me.Host, me.ID, c.handle
}

// acquire takes the lease. since names the time during which it has been held without a break.
func (c *control) acquire(ctx context.Context, claim sinks.Claim) (generation, since uint64, err error) {
	if c.bucket.readOnly {
		return 0, 0, errReadOnly
	}
	had, _ := c.mine()
	err = c.change(ctx, func(v *version) (bool, error) {
		// An earlier call may have acquired without learning of it.
		unknown := v.Held && v.Handle == c.handle
		if !unknown && (had == 0 || had != v.Generation) {
			if v.live {
				return false, fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, v.Owner, v.Generation)
			}
			v.Generation++
		}
		c.hold(v, claim)
		generation, since = v.Generation, v.Since
		return true, nil
	})
	if err != nil {
		return 0, 0, err
	}
	c.setMine(generation, claim)
	return generation, since, nil
}

// renew lets the TTL begin anew. since is that of acquire.
func (c *control) renew(ctx context.Context) (since uint64, err error) {
	generation, claim := c.mine()
	if generation == 0 {
		return 0, fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
	}
	err = c.change(ctx, func(v *version) (bool, error) {
		if err := c.allows(v); err != nil {
			return false, err
		}
		c.hold(v, claim)
		since = v.Since
		return true, nil
	})
	return since, err
}

// Release implements sinks.Leaser. It leaves a fenced handle fenced.
func (c *control) Release(ctx context.Context) error {
	generation, _ := c.mine()
	if generation == 0 {
		return nil
	}
	released := false
	err := c.change(ctx, func(v *version) (bool, error) {
		released = v.Generation == generation
		v.Held = false
		return released, nil
	})
	if err == nil && released {
		c.setMine(0, sinks.Claim{})
	}
	return err
}

// closePatience bounds how long a handle that is closed tries to give up its lease. Within this process and on this
// machine that is only a courtesy: a handle that is closed holds nothing.
const closePatience = 5 * time.Second

func (c *control) close() error {
	defer c.discard()
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := c.Release(ctx)
	if errors.Is(err, sinks.ErrCorrupt) {
		err = nil // there is nothing left to give up
	}
	return err
}

// discard ends the handle.
func (c *control) discard() {
	handles.Delete(c.handle)
	c.bucket.idle()
}
