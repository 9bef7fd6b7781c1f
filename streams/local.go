package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core"
)

// A Local is a Log in this process. Appends to one stream take its lock, for as long as checking, storing and remembering
// keys takes; streams do not wait for each other, but for one that begins or is deleted. Readers never hold a lock while
// they read.
type Local struct {
	o     Options
	store *core.Store[Record]
	owned bool // Close closes the store

	streams sync.Map // name to *stream, of those that exist
	count   atomic.Int64
	closed  atomic.Bool
	done    chan struct{} // closed by Close

	begin     sync.Mutex // held to begin, delete or restore a stream, and to subscribe
	ended     map[string]ended
	deleted   uint64            // counts deletions
	limits    map[string]Limits // of streams that have not begun
	followers map[*follower]struct{}
	ancestors []ancestor
	rollups   rollups

	gone atomic.Uint64 // versions of deleted streams that were forgotten
}

// ended is what is remembered of a stream that was deleted.
type ended struct{ version, order uint64 }

// A stream is a partition of the store: its event with version v has sequence v−1.
type stream struct {
	name      string
	partition int
	base      uint64 // version at which it was deleted before it began: nothing up to it is there

	mu        sync.Mutex
	version   uint64
	last      instant // when its newest event was appended
	limits    Limits  // its own; zero fields mean the default
	keys      keyMemory
	dead      bool // deleted: look its name up again
	followers []*cursor
}

var _ Log = (*Local)(nil)

// New makes an empty log with a store of its own.
func New(o Options) (*Local, error) {
	so, err := StoreOptions(o)
	if err != nil {
		return nil, err
	}
	store, err := core.New(so)
	if err != nil {
		return nil, wrap("open", "", err)
	}
	l, err := Over(store, o)
	if err != nil {
		return nil, wrap("open", "", errors.Join(bare(err), store.Close()))
	}
	l.owned = true
	return l, nil
}

// StoreOptions returns the options of a store that Over accepts, for whoever makes the store: a snapshot.Saver, say.
func StoreOptions(o Options) (core.Options[Record], error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return core.Options[Record]{}, wrap("open", "", err)
	}
	return core.Options[Record]{
		Capacity: 1, // of the partition that a store has from the start; streams are added
		Time:     (*Record).Appended, Size: (*Record).size, Clock: o.Clock,
	}, nil
}

// Over makes a log over a store with the options of StoreOptions. The store belongs to the log alone, but who made it closes
// it. If it was restored from a snapshot, LoadSection must follow before anything else (snapshot.Saver.Attach calls it).
func Over(store *core.Store[Record], o Options) (*Local, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, wrap("open", "", err)
	}
	if layout := store.Layout(); layout.Fixed != 1 || layout.Lanes != 0 {
		return nil, wrap("open", "", fmt.Errorf("%w: the store is not made by StoreOptions", ErrOption))
	}
	return &Local{
		o: o, store: store, done: make(chan struct{}), ended: map[string]ended{}, limits: map[string]Limits{},
		followers: map[*follower]struct{}{}, rollups: rollups{list: map[rollupKey]*core.Rollup[Record, aggregate]{}},
	}, nil
}

// Epoch returns the epoch of the store.
func (l *Local) Epoch() core.Epoch { return l.store.Epoch() }

// Close refuses everything from now on and ends subscriptions. It closes the store only if New made it.
func (l *Local) Close() error {
	if !l.closed.CompareAndSwap(false, true) {
		return nil
	}
	close(l.done)
	if l.owned {
		return wrap("close", "", l.store.Close())
	}
	return nil
}

// start refuses calls with a context that is done, or of a closed log.
func (l *Local) start(ctx context.Context, op, stream string) error {
	if err := ctx.Err(); err != nil {
		return wrap(op, stream, err)
	}
	if l.closed.Load() {
		return wrap(op, stream, ErrClosed)
	}
	return nil
}

// find returns a stream that exists, or nil.
func (l *Local) find(name string) *stream {
	if s, ok := l.streams.Load(name); ok {
		return s.(*stream)
	}
	return nil
}

// SetLimits implements Log.
func (l *Local) SetLimits(ctx context.Context, name string, m Limits) error {
	if err := l.start(ctx, "limits", name); err != nil {
		return err
	}
	if err := errors.Join(CheckName(name), m.check()); err != nil {
		return wrap("limits", name, err)
	}
	l.begin.Lock()
	defer l.begin.Unlock()
	s := l.find(name)
	if s == nil {
		if _, known := l.limits[name]; !known && len(l.limits) >= l.o.MaxStreams {
			return wrap("limits", name, fmt.Errorf("%w: limits for %d streams that do not exist", ErrTooManyStreams, len(l.limits)))
		}
		l.limits[name] = m
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.store.SetLimits(s.partition, l.partition(m, 0)); err != nil {
		return wrap("limits", name, closedError(err))
	}
	s.limits = m
	return nil
}

// Delete implements Log.
func (l *Local) Delete(ctx context.Context, name string) error {
	if err := l.start(ctx, "delete", name); err != nil {
		return err
	}
	if err := CheckName(name); err != nil {
		return wrap("delete", name, err)
	}
	l.begin.Lock()
	defer l.begin.Unlock()
	delete(l.limits, name)
	s := l.find(name)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.store.RemovePartition(s.partition); err != nil {
		return wrap("delete", name, closedError(err))
	}
	s.dead = true
	l.streams.Delete(name)
	l.count.Add(-1)
	l.end(name, s.version)
	for _, c := range s.followers {
		c.follower.wake(c)
	}
	s.keys = keyMemory{}
	return nil
}

// end remembers the version of a deleted stream, of MaxStreams streams at most: the oldest is forgotten, and counted.
func (l *Local) end(name string, version uint64) {
	if len(l.ended) >= l.o.MaxStreams {
		oldest := ""
		for n, e := range l.ended {
			if oldest == "" || e.order < l.ended[oldest].order {
				oldest = n
			}
		}
		delete(l.ended, oldest)
		l.gone.Add(1)
		for f := range l.followers {
			f.forget(oldest)
		}
	}
	l.deleted++
	l.ended[name] = ended{version, l.deleted}
}

// Info implements Log.
func (l *Local) Info(ctx context.Context, name string) (Info, error) {
	if err := l.start(ctx, "info", name); err != nil {
		return Info{}, err
	}
	if err := CheckName(name); err != nil {
		return Info{}, wrap("info", name, err)
	}
	return l.info(name), nil
}

func (l *Local) info(name string) Info {
	for {
		if s := l.find(name); s != nil {
			if i, ok := l.infoOf(s); ok {
				return i
			}
		} else if i, ok := l.absent(name); ok {
			return i
		}
	}
}

// infoOf is not ok if the stream was deleted meanwhile.
func (l *Local) infoOf(s *stream) (Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := Info{
		Stream: s.name, Version: s.version, Oldest: s.version + 1, Exists: true, Limits: s.limits.or(l.o.Limits),
		Epoch: l.Epoch(), Keys: s.keys.len(), KeysForgotten: s.keys.gone,
	}
	if s.dead {
		return i, false
	}
	i.Events, i.Bytes = l.held(s, true)
	i.Oldest -= uint64(i.Events)
	return i, true
}

// absent is what is known of a stream that does not exist; not ok if it has begun meanwhile.
func (l *Local) absent(name string) (Info, bool) {
	l.begin.Lock()
	defer l.begin.Unlock()
	v := l.ended[name].version
	return Info{Stream: name, Version: v, Oldest: v + 1, Limits: l.limits[name].or(l.o.Limits), Epoch: l.Epoch()}, l.find(name) == nil
}

// List implements Log.
func (l *Local) List(ctx context.Context, pattern, after string, limit int) ([]Info, error) {
	if err := l.start(ctx, "list", pattern); err != nil {
		return nil, err
	}
	g, err := compile(pattern)
	if err != nil || limit < 0 {
		return nil, wrap("list", pattern, errors.Join(err, invalidLimit(limit)))
	}
	var names []string
	l.streams.Range(func(name, _ any) bool {
		if n := name.(string); n > after && g.match(n) {
			names = append(names, n)
		}
		return true
	})
	slices.Sort(names)
	var list []Info
	for _, n := range names {
		if i := l.info(n); i.Exists { // else it was deleted just now
			list = append(list, i)
		}
		if len(list) == limit && limit > 0 {
			break
		}
	}
	return list, nil
}

func invalidLimit(limit int) error {
	if limit < 0 {
		return fmt.Errorf("%w: limit %d", ErrInvalid, limit)
	}
	return nil
}
