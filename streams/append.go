package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

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
	each  []fingerprint // with ids
	whole fingerprint   // with a key
	keyed bool          // by Key or ids
}

func newWork(a *Append) (*work, error) {
	w := &work{Append: a, texts: make([]text, len(a.Events)), keyed: a.Key != ""}
	var ids map[string]bool
	var p canonicalizer
	for i := range a.Events {
		e := &a.Events[i]
		var err error
		if w.texts[i], err = textOfEvent(&p, e); err != nil {
			return nil, &placeError{Index: i, Field: "data", Err: err}
		}
		if err = checkSize(w.texts[i].data, w.texts[i].meta); err != nil { // an escape may have become longer
			return nil, &placeError{Index: i, Field: "data", Err: err}
		}
		if e.ID == "" || a.Key != "" {
			continue
		}
		if ids == nil {
			ids = make(map[string]bool, len(a.Events)-i)
		}
		if ids[e.ID] {
			return nil, &placeError{Index: i, Field: "id", Err: fmt.Errorf("%w: %q twice in one batch", ErrInvalid, e.ID)}
		}
		ids[e.ID] = true
		w.keyed = true
	}
	switch {
	case a.Key != "":
		w.whole = wholeFingerprint(a.Events, w.texts)
	case w.keyed:
		w.each = fingerprints(a.Events, w.texts)
	}
	return w, nil
}

// textOfEvent checks what an event says.
func textOfEvent(p *canonicalizer, e *Event) (t text, err error) {
	if t.data, err = p.whole(make([]byte, 0, len(e.Data)), e.Data); err != nil || len(e.Meta) == 0 {
		return t, err
	}
	if t.meta, err = p.whole(make([]byte, 0, len(e.Meta)), e.Meta); err == nil && t.meta[0] != '{' {
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
	s.keys.expire(ago(now, l.o.KeyAge))
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
	s := &stream{name: w.Stream, base: version, version: version, limits: l.limits[w.Stream]}
	if err := l.room(s, w); err != nil {
		return Result{}, false, err
	}
	partition, err := l.store.AddPartition(l.partition(s.limits, version))
	if errors.Is(err, core.ErrPartitionNumbers) {
		return Result{}, false, fmt.Errorf("%w: %w", ErrTooManyStreams, err)
	}
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
		s.dead = true // for those who follow it already
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
	case kindNoStream:
		ok = ok && !exists
	case kindExists:
		ok = ok && exists
	case kindVersion:
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

// held counts what is in a stream; its bytes only if asked, because that takes a look at every event of its newest segment.
func (l *Local) held(s *stream, sum bool) (events int, bytes int64) {
	cut := l.store.Cut(s.partition)
	defer cut.Close()
	if !sum {
		return cut.Len(), 0
	}
	x, err := l.aggregate(cut, sizes)
	if err != nil {
		return cut.Len(), 0 // the store is being closed, and whoever asked will find out
	}
	return int(x.events), x.bytes
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
	if w.Key != "" {
		s.keys.add(keyEntry{requestKey(w.Key), w.whole, first, s.version, at}, l.o.MaxKeys)
		return
	}
	for i := range w.Events {
		if id := w.Events[i].ID; id != "" {
			s.keys.add(keyEntry{eventKey(id), w.each[i], first + uint64(i), first + uint64(i), at}, l.o.MaxKeys)
		}
	}
}
