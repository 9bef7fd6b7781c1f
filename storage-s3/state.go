package s3store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	stateFormat = 1
	maxState    = 16 << 10
	maxTTL      = 365 * 24 * time.Hour // far above what a claim may ask for
)

// A state is what the state object of a destination says, as JSON. See docs/formats/signal-objects.md.
type state struct {
	Format   int    `json:"format"`
	Revision uint64 `json:"revision"` // grows with every change, so that no two versions have one ETag

	// The lease. It lasts for TTL from the last change of the object, by the clock of the server.
	Generation uint64 `json:"generation"`
	Held       bool   `json:"held"`
	Owner      string `json:"owner,omitempty"`
	Host       string `json:"host,omitempty"`
	Process    string `json:"process,omitempty"`
	Handle     string `json:"handle,omitempty"`
	TTL        int64  `json:"ttl_ms,omitempty"`
	Since      uint64 `json:"since,omitempty"` // the revision that took it when nobody held it

	// The low end of a log of signals.
	Trimmed uint64 `json:"trimmed,omitempty"` // signals up to this sequence are gone
	First   uint64 `json:"first,omitempty"`   // objects below this ordinal are gone; 0 is 1
	Removed uint64 `json:"removed,omitempty"` // signals that are gone
	Freed   uint64 `json:"freed,omitempty"`   // bytes of the objects that are gone
}

func (s *state) first() uint64 { return max(s.First, 1) }

// A version is a state that was read.
type version struct {
	state
	etag string // "" when there is no object
	live bool   // somebody held the lease then
}

// decodeState reads a state whose checksum is right.
func decodeState(content []byte) (state, error) {
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("%w: the state object cannot be read", sinks.ErrCorrupt)
	}
	switch {
	case s.Format > stateFormat:
		return s, fmt.Errorf("%w: a state object of format %d", sinks.ErrTooNew, s.Format)
	case s.Format < 1 || s.Trimmed > sinks.MaxSequence || s.TTL < 0 || s.TTL > maxTTL.Milliseconds():
		return s, fmt.Errorf("%w: the state object cannot be right", sinks.ErrCorrupt)
	}
	return s, nil
}

var errNoState = fmt.Errorf("%w: the state object was removed", sinks.ErrCorrupt)

// load reads the state. Without a state object it is that of a destination where nothing ever happened.
func (c *control) load(ctx context.Context) (*version, error) {
	content, o, err := c.bucket.read(ctx, c.key, maxState)
	if errors.Is(err, sinks.ErrNotFound) && !noBucket(err) {
		if c.made {
			return nil, errNoState
		}
		return &version{state: state{Format: stateFormat}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state object: %w", err)
	}
	s, err := decodeState(content)
	if err != nil {
		return nil, err
	}
	v := &version{state: s, etag: o.etag}
	v.live = s.Held && !expired(&s, o) && !gone(&s)
	return v, nil
}

// expired reports whether the lease has run out. Both times are of the server and cut to the second.
func expired(s *state, o object) bool {
	return !o.now.IsZero() && o.now.Sub(o.changed) >= time.Duration(s.TTL)*time.Millisecond+time.Second
}

// store replaces the state that was read; errLost means that somebody else has done so.
func (c *control) store(ctx context.Context, read *version, s state) error {
	s.Revision = read.Revision + 1
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = c.bucket.put(ctx, c.key, bodyOf(append(content, '\n')), condition{etag: read.etag}, anytime)
	if errors.Is(err, sinks.ErrNotFound) && !noBucket(err) {
		return errNoState
	}
	return err
}

// change replaces the state by what f makes of it, as often as others come first. What f returns as an error ends it.
func (c *control) change(ctx context.Context, f func(v *version) (changed bool, err error)) error {
	var race contest
	for {
		v, err := c.load(ctx)
		if err == nil {
			err = race.again(ctx, c.bucket.attempts, v.Revision)
		}
		if err != nil {
			return err
		}
		read := *v
		changed, err := f(v)
		if err != nil || !changed {
			return err
		}
		if err = c.store(ctx, &read, v.state); !errors.Is(err, errLost) {
			return err
		}
	}
}

// create makes the state object if there is none.
func (c *control) create(ctx context.Context) error {
	v, err := c.load(ctx)
	if err == nil && v.etag == "" {
		err = c.store(ctx, v, v.state)
	}
	if err != nil && !errors.Is(err, errLost) {
		return err
	}
	c.made = true
	return nil
}
