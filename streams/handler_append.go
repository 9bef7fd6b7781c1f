package streams

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"sync"
)

func (h *Handler) append(w http.ResponseWriter, r *http.Request, stream string) {
	_, err := query(r)
	var a Append
	var lines []int
	if err == nil {
		a, lines, err = h.readAppend(w, r, stream)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	// Whoever has sent the whole request gets it done, also if it does not wait for the reply.
	result, err := h.appendOnce(context.WithoutCancel(r.Context()), a)
	if err != nil {
		if place := (*placeError)(nil); errors.As(err, &place) && place.Line == 0 && place.Index >= 0 && place.Index < len(lines) {
			place.Line = lines[place.Index]
		}
		h.failed(w, r, stream, err)
		return
	}
	status := http.StatusCreated
	if result.Duplicate {
		status = http.StatusOK
	}
	epoch := result.Epoch.String()
	setVersion(w, result.Last, epoch)
	send(w, status, appendResult(make([]byte, 0, resultBytes+len(stream)), &result, epoch, h.o.Durability()))
}

// resultBytes is room for a reply beside the stream's name.
const resultBytes = 192

func (h *Handler) readAppend(w http.ResponseWriter, r *http.Request, stream string) (Append, []int, error) {
	a := Append{Stream: stream}
	var err1, err2 error
	a.Key, err1 = said(r, headerKey)
	a.Expect, a.Epoch, err2 = expectation(r)
	if err := errors.Join(err1, err2); err != nil {
		return a, nil, err
	}
	body, err := h.body(w, r)
	if err != nil {
		return a, nil, err
	}
	p, err := parseBody(r.Header, body)
	a.Events = p.events
	return a, p.lines, err
}

func setVersion(w http.ResponseWriter, version uint64, epoch string) {
	w.Header().Set("ETag", etag(version))
	w.Header().Set(headerEpoch, epoch)
}

// flyingKeys are the idempotency keys of appends that the log has not answered yet: who repeats one is told so at once. The
// log would let it wait, perhaps for as long as the first.
type flyingKeys struct {
	mu   sync.Mutex
	keys map[flyingKey]struct{}
}

type flyingKey struct {
	stream string
	whole  bool // of a request, not of an event
	key    string
}

// appendOnce refuses an append whose key is in flight.
func (h *Handler) appendOnce(ctx context.Context, a Append) (Result, error) {
	if !h.keys.take(&a) {
		return Result{}, errInFlight
	}
	defer h.keys.release(&a)
	return h.log.Append(ctx, a)
}

// take enters the keys of an append, or none if one of them is there.
func (f *flyingKeys) take(a *Append) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range keysOf(a) {
		if _, flies := f.keys[key]; flies {
			return false
		}
	}
	if f.keys == nil {
		f.keys = map[flyingKey]struct{}{}
	}
	for key := range keysOf(a) {
		f.keys[key] = struct{}{}
	}
	return true
}

func (f *flyingKeys) release(a *Append) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range keysOf(a) {
		delete(f.keys, key)
	}
}

// keysOf yields what an append is remembered by.
func keysOf(a *Append) iter.Seq[flyingKey] {
	return func(yield func(flyingKey) bool) {
		if a.Key != "" {
			yield(flyingKey{a.Stream, true, a.Key})
			return
		}
		for i := range a.Events {
			if id := a.Events[i].ID; id != "" && !yield(flyingKey{a.Stream, false, id}) {
				return
			}
		}
	}
}
