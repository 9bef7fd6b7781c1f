package streams

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/ephemera-go/ephemera/core"
)

// A follower is a subscription at work. It pulls: appenders only put its cursor on a list and ring; what it reads too late
// is a Gap.
type follower struct {
	l       *Local
	s       Subscription
	pattern pattern
	after   map[string]Checkpoint // of streams that were not forgotten since
	cursors map[string]*cursor    // by stream; a deleted stream keeps its own, to go on when it begins again, until it is forgotten

	mu    sync.Mutex
	ready []*cursor
	bell  chan struct{} // holds at most one
}

// A cursor is where a subscription stands in one stream.
type cursor struct {
	follower *follower
	name     string

	// Guarded by follower.mu.
	stream *stream
	queued bool
	next   uint64 // version to deliver next; 0: the oldest that is there
	gap    *Gap   // to be told first
}

// wake puts a cursor on the list.
func (f *follower) wake(c *cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.queued {
		c.queued = true
		f.ready = append(f.ready, c)
	}
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// take returns the cursor that has waited longest, or nil.
func (f *follower) take() *cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		return nil
	}
	c := f.ready[0]
	f.ready = f.ready[1:]
	c.queued = false
	return c
}

// attach lets the subscription follow a stream, if it wants to. The stream and Local.begin are locked.
func (f *follower) attach(s *stream) {
	if !f.pattern.match(s.name) {
		return
	}
	c := f.cursors[s.name]
	if c == nil {
		c = &cursor{follower: f, name: s.name}
		f.cursors[s.name] = c
	}
	f.mu.Lock()
	c.stream = s
	if c.next == 0 {
		c.next = f.first(c, s)
	}
	f.mu.Unlock()
	s.followers = append(s.followers, c)
	f.wake(c)
}

// forget lets go of a stream whose version was forgotten: if it begins again, it is another one. What its cursor has to tell yet
// comes before that, because the cursor waits since the deletion. Local.begin is locked.
func (f *follower) forget(name string) {
	delete(f.cursors, name)
	delete(f.after, name)
}

// first decides where a subscription begins in a stream.
func (f *follower) first(c *cursor, s *stream) uint64 {
	p, known := f.after[s.name]
	switch {
	case known:
	case f.s.Start == FromNow || s.version == s.base:
		return s.version + 1 // a stream that begins has its first event still to come
	default:
		return 0
	}
	safe := f.l.horizon(s, p)
	if safe < p.Version {
		c.gap = &Gap{s.name, safe + 1, p.Version, CauseEpoch}
	}
	return safe + 1
}

// horizon returns up to which version a checkpoint still means the same events.
func (l *Local) horizon(s *stream, p Checkpoint) uint64 {
	if p.Epoch.IsZero() {
		return min(p.Version, s.version)
	}
	kept := p.Version
	if p.Epoch != l.Epoch() {
		i := slices.IndexFunc(l.ancestors, func(a ancestor) bool { return a.epoch == p.Epoch })
		if i < 0 {
			return 0
		}
		kept = min(kept, l.ancestors[i].versions[s.name])
	}
	if kept > s.version { // the stream was deleted and forgotten since, and is numbered from 1 again
		return 0
	}
	return kept
}

// batch is how many events of one stream are read before the next stream has its turn.
const batch = 256

// Subscribe implements Log.
func (l *Local) Subscribe(ctx context.Context, s Subscription) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		err := l.start(ctx, "subscribe", s.Pattern)
		var p pattern
		if err == nil {
			p, err = compile(s.Pattern)
		}
		if err != nil {
			yield(Message{}, wrap("subscribe", s.Pattern, err))
			return
		}
		f := &follower{l: l, s: s, pattern: p, after: maps.Clone(s.After), cursors: map[string]*cursor{}, bell: make(chan struct{}, 1)}
		l.follow(f)
		defer l.unfollow(f)
		f.run(ctx, yield)
	}
}

// follow attaches a subscription to all streams there are, to those that it has a checkpoint of, and to those that will begin.
func (l *Local) follow(f *follower) {
	l.begin.Lock()
	defer l.begin.Unlock()
	l.streams.Range(func(_, x any) bool {
		s := x.(*stream)
		s.mu.Lock()
		f.attach(s)
		s.mu.Unlock()
		return true
	})
	for name, p := range f.after {
		if v := l.ended[name].version; l.find(name) == nil && max(v, p.Version) > 0 { // what is gone is told now, not when it begins again
			s := &stream{name: name, base: v, version: v, dead: true}
			s.mu.Lock()
			f.attach(s)
			s.mu.Unlock()
		}
	}
	l.followers[f] = struct{}{}
}

func (l *Local) unfollow(f *follower) {
	l.begin.Lock()
	defer l.begin.Unlock()
	delete(l.followers, f)
	for _, c := range f.cursors {
		f.mu.Lock()
		s := c.stream
		f.mu.Unlock()
		s.mu.Lock()
		for i, x := range s.followers {
			if x == c {
				s.followers = append(s.followers[:i:i], s.followers[i+1:]...)
				break
			}
		}
		s.mu.Unlock()
	}
}

// run delivers until somebody ends it.
func (f *follower) run(ctx context.Context, yield func(Message, error) bool) {
	caughtUp := false
	end := func(err error) { yield(Message{}, wrap("subscribe", f.s.Pattern, err)) }
	for {
		if err := ctx.Err(); err != nil {
			end(err)
			return
		}
		if f.l.closed.Load() {
			end(ErrClosed)
			return
		}
		c := f.take()
		if c != nil {
			behind, err := f.deliver(c, caughtUp, yield)
			if err != nil {
				if !errors.Is(err, errStop) {
					end(err)
				}
				return
			}
			if behind {
				caughtUp = false
			}
			continue
		}
		if !caughtUp {
			caughtUp = true
			if !yield(Message{Kind: MessageCaughtUp, Epoch: f.l.Epoch()}, nil) {
				return
			}
			continue
		}
		select {
		case <-f.bell:
		case <-ctx.Done():
		case <-f.l.done:
		}
	}
}

// deliver reads a batch of one stream. behind: a live subscription has fallen behind, and said so.
func (f *follower) deliver(c *cursor, live bool, yield func(Message, error) bool) (behind bool, err error) {
	f.mu.Lock()
	s, next, gap := c.stream, c.next, c.gap
	c.gap = nil
	f.mu.Unlock()
	epoch := f.l.Epoch()
	tell := func(g Gap) error {
		if f.s.EndOnGap {
			return &GapError{g}
		}
		if !yield(Message{Kind: MessageGap, Stream: c.name, Gap: g, Epoch: epoch}, nil) {
			return errStop
		}
		return nil
	}
	if gap != nil {
		if err := tell(*gap); err != nil {
			return false, err
		}
	}
	page, ok := f.l.page(s, Read{Stream: s.name, From: next, Limit: batch})
	if !ok {
		return false, f.lost(c, s, next, tell)
	}
	if next == 0 {
		next = page.Oldest
	}
	if live && page.Version >= next && page.Version-next+1 >= FellBehindAt {
		behind = true
		if !yield(Message{Kind: MessageFellBehind, Stream: c.name, Epoch: epoch}, nil) {
			return behind, errStop
		}
	}
	if page.Gap != nil {
		if err := tell(*page.Gap); err != nil {
			return behind, err
		}
		next = page.Gap.To + 1
	}
	for _, e := range page.Events {
		if !yield(Message{Kind: MessageEvent, Stream: c.name, Event: e, Epoch: epoch}, nil) {
			return behind, errStop
		}
		next = e.Version + 1
	}
	c.move(s, next)
	if page.More {
		f.wake(c)
	}
	return behind, nil
}

// lost tells what of a deleted stream was not delivered.
func (f *follower) lost(c *cursor, s *stream, next uint64, tell func(Gap) error) error {
	s.mu.Lock() // until the deletion is complete
	version := s.version
	s.mu.Unlock()
	c.move(s, version+1)
	if next == 0 || version < next {
		return nil
	}
	return tell(Gap{s.name, next, version, CauseDeleted})
}

// move notes how far the cursor has come, unless the stream was deleted and has begun again: then what is next stands.
func (c *cursor) move(s *stream, next uint64) {
	c.follower.mu.Lock()
	defer c.follower.mu.Unlock()
	c.next = next
	if c.stream != s && !c.queued {
		c.queued = true
		c.follower.ready = append(c.follower.ready, c)
	}
}

// errStop says that the reader has had enough.
var errStop = stop{}

type stop struct{}

func (stop) Error() string { return "stop" }

// An ancestor is an earlier epoch and how far its streams were kept.
type ancestor struct {
	epoch    core.Epoch
	versions map[string]uint64
}
