package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

	forgotten atomic.Uint64 // keys
	gone      atomic.Uint64 // versions of deleted streams that were forgotten
}

// ended is what is remembered of a stream that was deleted.
type ended struct{ version, order uint64 }

// A stream is a partition of the store: its event with version v has sequence v−1.
type stream struct {
	name      string
	partition int

	mu        sync.Mutex
	version   uint64
	last      instant // when its newest event was appended
	limits    Limits  // its own; zero fields mean the default
	keys      keyMemory
	dead      bool // deleted: look its name up again
	followers []*cursor
}

var _ Log = (*Local)(nil)

// Open makes an empty log with a store of its own.
func Open(o Options) (*Local, error) {
	so, err := StoreOptions(o)
	if err != nil {
		return nil, err
	}
	store, err := core.New(so)
	if err != nil {
		return nil, wrap("open", "", err)
	}
	l, err := New(store, o)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	l.owned = true
	return l, nil
}

// StoreOptions returns the options of a store that New accepts, for whoever makes the store: a snapshot.Saver, say.
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

// New makes a log over a store with the options of StoreOptions. The store belongs to the log alone, but who made it closes
// it. If it was restored from a snapshot, LoadSection must follow before anything else (snapshot.Saver.Attach calls it).
func New(store *core.Store[Record], o Options) (*Local, error) {
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

// Close refuses everything from now on and ends subscriptions. It closes the store only if Open made it.
func (l *Local) Close() error {
	if !l.closed.CompareAndSwap(false, true) {
		return nil
	}
	close(l.done)
	if l.owned {
		return l.store.Close()
	}
	return nil
}

// start refuses calls with a context that is done, or of a closed log.
func (l *Local) start(ctx context.Context, op, stream string) error {
	if err := ctx.Err(); err != nil {
		return err
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

// Append implements Log.
func (l *Local) Append(ctx context.Context, a Append) (Result, error) {
	if err := l.start(ctx, "append", a.Stream); err != nil {
		return Result{}, err
	}
	if err := a.check(); err != nil {
		return Result{}, wrap("append", a.Stream, err)
	}
	w, err := newWork(&a)
	if err != nil {
		return Result{}, wrap("append", a.Stream, err)
	}
	for {
		var r Result
		var again bool
		if s := l.find(a.Stream); s != nil {
			r, again, err = l.appendTo(s, w)
		} else {
			r, again, err = l.beginWith(w)
		}
		if !again {
			return r, wrap("append", a.Stream, err)
		}
	}
}

// work is an append on its way, with what is computed outside of locks.
type work struct {
	*Append
	texts []text
	each  []fingerprint
	whole fingerprint
	keyed bool // by Key or ids
}

func newWork(a *Append) (*work, error) {
	w := &work{Append: a, texts: make([]text, len(a.Events)), keyed: a.Key != ""}
	ids := map[string]bool{}
	for i := range a.Events {
		e := &a.Events[i]
		var err error
		if w.texts[i], err = textOfEvent(e); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		if e.ID == "" || a.Key != "" {
			continue
		}
		if ids[e.ID] {
			return nil, fmt.Errorf("%w: event %d: the id %q twice in one batch", ErrInvalid, i, e.ID)
		}
		ids[e.ID] = true
		w.keyed = true
	}
	if w.keyed {
		w.each, w.whole = fingerprints(a.Events, w.texts)
	}
	return w, nil
}

// textOfEvent checks what an event says.
func textOfEvent(e *Event) (t text, err error) {
	if t.data, err = canonical(make([]byte, 0, len(e.Data)), e.Data); err != nil || len(e.Meta) == 0 {
		return t, err
	}
	if t.meta, err = canonical(make([]byte, 0, len(e.Meta)), e.Meta); err == nil && t.meta[0] != '{' {
		err = fmt.Errorf("%w: meta is no JSON object", ErrInvalid)
	}
	return t, err
}

// appendTo appends to a stream that exists; again if it does not any more.
func (l *Local) appendTo(s *stream, w *work) (r Result, again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return Result{}, true, nil
	}
	now := l.o.Clock()
	l.forgotten.Add(uint64(s.keys.expire(ago(now, l.o.KeyAge))))
	if r, known, err := s.recall(w); known || err != nil {
		r.Stream, r.Epoch = s.name, l.Epoch()
		return r, false, err
	}
	if err := l.expect(w, s.version, true); err != nil {
		return Result{}, false, err
	}
	if err := l.room(s, w); err != nil {
		return Result{}, false, err
	}
	r, err = l.put(s, w, now)
	return r, false, err
}

// beginWith makes the stream that an append is the first of; again if somebody was faster.
func (l *Local) beginWith(w *work) (r Result, again bool, err error) {
	l.begin.Lock()
	defer l.begin.Unlock()
	if l.find(w.Stream) != nil {
		return Result{}, true, nil
	}
	version := l.ended[w.Stream].version
	if err := l.expect(w, version, false); err != nil {
		return Result{}, false, err
	}
	if int(l.count.Load()) >= l.o.MaxStreams {
		return Result{}, false, fmt.Errorf("%w: %d", ErrTooManyStreams, l.o.MaxStreams)
	}
	s := &stream{name: w.Stream, version: version, limits: l.limits[w.Stream]}
	if err := l.room(s, w); err != nil {
		return Result{}, false, err
	}
	partition, err := l.store.AddPartition(l.partition(s.limits, version))
	if err != nil {
		return Result{}, false, closedError(err)
	}
	s.partition = partition
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range l.followers {
		f.attach(s)
	}
	if r, err = l.put(s, w, l.o.Clock()); err != nil {
		return Result{}, false, errors.Join(err, l.store.RemovePartition(partition))
	}
	delete(l.ended, w.Stream)
	delete(l.limits, w.Stream)
	l.count.Add(1)
	l.streams.Store(w.Stream, s)
	return r, false, nil
}

// partition returns the options of a stream's partition.
func (l *Local) partition(own Limits, version uint64) core.PartitionOptions {
	m := own.or(l.o.Limits)
	o := core.PartitionOptions{Capacity: m.Events, MaxAge: m.Age, MaxBytes: m.Bytes, StartAt: version}
	if m.Full == RefuseNew {
		o.MaxBytes = 0 // appends are refused instead
	}
	return o
}

// expect checks the conditions of an append.
func (l *Local) expect(w *work, version uint64, exists bool) error {
	ok := w.Epoch.IsZero() || w.Epoch == l.Epoch()
	switch w.Expect.kind {
	case expectNone:
		ok = ok && !exists
	case expectExists:
		ok = ok && exists
	case expectVersion:
		ok = ok && version == w.Expect.version
	}
	if !ok {
		return &ConflictError{version, l.Epoch()}
	}
	return nil
}

// room refuses what the limits have no room for. The stream is locked, or nobody else knows it.
func (l *Local) room(s *stream, w *work) error {
	m := s.limits.or(l.o.Limits)
	if m.Full != RefuseNew {
		return nil
	}
	events, bytes := len(w.Events), int64(0)
	for i := range w.Events {
		bytes += int64(len(w.Events[i].ID) + len(w.Events[i].Type) + len(w.texts[i].data) + len(w.texts[i].meta) + EventOverhead)
	}
	if s.partition > 0 {
		n, b := l.held(s, m.Bytes > 0)
		events, bytes = events+n, bytes+b
	}
	if events > m.Events || m.Bytes > 0 && bytes > m.Bytes {
		return fmt.Errorf("%w: %d events of %d, %d bytes of %d", ErrFull, events, m.Events, bytes, m.Bytes)
	}
	return nil
}

// held counts what is in a stream; its bytes only if asked, because that takes a look at every event.
func (l *Local) held(s *stream, sum bool) (events int, bytes int64) {
	cut := l.store.Cut(s.partition)
	defer cut.Close()
	if !sum {
		return cut.Len(), 0
	}
	for _, run := range cut.Runs() {
		events += len(run)
		for i := range run {
			bytes += int64(run[i].size())
		}
	}
	return events, bytes
}

// put stores the events of an append whose conditions hold. The stream is locked.
func (l *Local) put(s *stream, w *work, now time.Time) (Result, error) {
	at := instantOf(now)
	if at.before(s.last) {
		at = s.last // a stream's age is in its order, whatever the clock does
	}
	records := make([]Record, len(w.Events))
	for i := range records {
		e := &w.Events[i]
		records[i] = Record{id: e.ID, typ: e.Type, data: w.texts[i].data, meta: w.texts[i].meta, appended: at, at: instantOf(e.Time)}
	}
	if _, err := l.store.AppendIf(s.partition, s.version, records...); err != nil {
		return Result{}, closedError(err)
	}
	first := s.version + 1
	s.version += uint64(len(records))
	s.last = at
	l.remember(s, w, first, at)
	for _, c := range s.followers {
		c.follower.wake(c)
	}
	return Result{Stream: s.name, First: first, Last: s.version, Epoch: l.Epoch()}, nil
}

func closedError(err error) error {
	if errors.Is(err, core.ErrClosed) {
		return ErrClosed
	}
	return err
}

// recall looks an append up by its key or ids. known: it was done before, and r says where.
func (s *stream) recall(w *work) (r Result, known bool, err error) {
	if !w.keyed {
		return Result{}, false, nil
	}
	if w.Key != "" {
		e := s.keys.find(requestKey(w.Key))
		switch {
		case e == nil:
			return Result{}, false, nil
		case e.print != w.whole:
			return Result{}, false, &KeyError{Keys: []string{w.Key}}
		}
		return Result{First: e.first, Last: e.last, Duplicate: true}, true, nil
	}
	var found, other []string
	ordered := true
	for i := range w.Events {
		id := w.Events[i].ID
		e := s.keys.find(eventKey(id))
		if id == "" || e == nil {
			continue
		}
		found = append(found, id)
		if e.print != w.each[i] {
			other = append(other, id)
		}
		if len(found) == 1 {
			r.First = e.first
		}
		ordered = ordered && e.first > r.Last
		r.Last = e.first
	}
	switch {
	case len(found) == 0:
		return Result{}, false, nil
	case len(other) > 0:
		return Result{}, false, &KeyError{Keys: other}
	case len(found) < len(w.Events) || !ordered:
		return Result{}, false, &KeyError{Keys: found, Partial: true}
	}
	r.Duplicate = true
	return r, true, nil
}

// requestKey and eventKey keep the two kinds of keys apart.
func requestKey(key string) string { return "r" + key }
func eventKey(id string) string    { return "e" + id }

// remember enters the keys of an append.
func (l *Local) remember(s *stream, w *work, first uint64, at instant) {
	if !w.keyed {
		return
	}
	add := func(e keyEntry) { l.forgotten.Add(uint64(s.keys.add(e, l.o.MaxKeys))) }
	if w.Key != "" {
		add(keyEntry{requestKey(w.Key), w.whole, first, s.version, at})
		return
	}
	for i := range w.Events {
		if id := w.Events[i].ID; id != "" {
			add(keyEntry{eventKey(id), w.each[i], first + uint64(i), first + uint64(i), at})
		}
	}
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
	s := l.find(name)
	if s == nil {
		l.begin.Lock()
		defer l.begin.Unlock()
		v := l.ended[name].version
		return Info{Stream: name, Version: v, Oldest: v + 1, Limits: l.limits[name].or(l.o.Limits), Epoch: l.Epoch()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := Info{
		Stream: name, Version: s.version, Oldest: s.version + 1, Exists: !s.dead, Limits: s.limits.or(l.o.Limits),
		Epoch: l.Epoch(), Keys: s.keys.len(),
	}
	if !s.dead {
		i.Events, i.Bytes = l.held(s, true)
		i.Oldest -= uint64(i.Events)
	}
	return i
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
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	var list []Info
	for _, n := range names {
		if i := l.info(n); i.Exists {
			list = append(list, i)
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
