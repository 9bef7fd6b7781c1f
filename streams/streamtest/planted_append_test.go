package streamtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

type (
	appendFunc = func(ctx context.Context, a streams.Append) (streams.Result, error)
	plantFunc  = func(streams.Log) streams.Log
)

// appending spoils appends.
func appending(spoil func(l streams.Log) appendFunc) plantFunc {
	return func(l streams.Log) streams.Log { return spoiled{Log: l, append: spoil(l)} }
}

// asking spoils what is asked for.
func asking(change func(a *streams.Append)) plantFunc {
	return appending(func(l streams.Log) appendFunc {
		return func(ctx context.Context, a streams.Append) (streams.Result, error) {
			a.Events = append([]streams.Event(nil), a.Events...)
			change(&a)
			return l.Append(ctx, a)
		}
	})
}

// answering spoils what an append says.
func answering(change func(r *streams.Result, err error) error) plantFunc {
	return appending(func(l streams.Log) appendFunc {
		return func(ctx context.Context, a streams.Append) (streams.Result, error) {
			r, err := l.Append(ctx, a)
			err = change(&r, err)
			return r, err
		}
	})
}

func eachEvent(change func(e *streams.Event)) plantFunc {
	return asking(func(a *streams.Append) {
		for i := range a.Events {
			change(&a.Events[i])
		}
	})
}

// A meeting lets two callers go on together, so that both have looked before one acts.
type meeting chan struct{}

func (m meeting) wait() {
	select {
	case m <- struct{}{}:
	case <-m:
	case <-time.After(20 * time.Millisecond): // nobody comes
	}
}

func appendBugs() []bug {
	return []bug{
		{name: "versions from 0", want: "versions", plant: answering(func(r *streams.Result, err error) error {
			r.First, r.Last = r.First-1, r.Last-1
			return err
		})},
		{name: "the last version for the first", want: "versions", plant: answering(func(r *streams.Result, err error) error {
			r.First = r.Last
			return err
		})},
		{name: "expectations ignored", want: "expect race", plant: asking(func(a *streams.Append) { a.Expect = streams.ExpectAny })},
		{name: "Exists ignored", want: "expect", plant: asking(func(a *streams.Append) {
			if a.Expect == streams.ExpectExists {
				a.Expect = streams.ExpectAny
			}
		})},
		{name: "conflict without the version", want: "expect", plant: answering(func(_ *streams.Result, err error) error {
			if errors.Is(err, streams.ErrConflict) {
				return &streams.ConflictError{}
			}
			return err
		})},
		{name: "conflict swallowed", want: "expect", plant: answering(func(_ *streams.Result, err error) error {
			if errors.Is(err, streams.ErrConflict) {
				return nil
			}
			return err
		})},
		{name: "check, then append", want: "race", plant: checkFirst},
		{name: "epoch ignored", want: "epoch", plant: asking(func(a *streams.Append) { a.Epoch = [16]byte{} })},
		{name: "batch stored in part", want: "invalid refuse-new ids-partly", plant: appending(inPieces)},
		{name: "bad events left out", want: "invalid", plant: appending(leftOut)},
		{name: "meta lost", want: "fields", plant: eachEvent(func(e *streams.Event) { e.Meta = nil })},
		{name: "time in seconds", want: "fields", plant: eachEvent(func(e *streams.Event) { e.Time = e.Time.Truncate(time.Second) })},
		{name: "type lost", want: "fields", plant: eachEvent(func(e *streams.Event) { e.Type = "" })},
		{name: "escapes in names", want: "names", plant: asking(func(a *streams.Append) {
			if name, err := url.PathUnescape(a.Stream); err == nil {
				a.Stream = name
			}
		})},
		{name: "data shared with the caller", want: "mine", plant: shared},
	}
}

// checkFirst compares the version first and appends afterwards.
func checkFirst(l streams.Log) streams.Log {
	meet := make(meeting)
	return spoiled{Log: l, append: func(ctx context.Context, a streams.Append) (streams.Result, error) {
		i, err := l.Info(ctx, a.Stream)
		if err != nil || a.Expect != streams.ExpectVersion(i.Version) {
			return l.Append(ctx, a)
		}
		meet.wait()
		a.Expect = streams.ExpectAny
		return l.Append(ctx, a)
	}}
}

// inPieces stores the events of a batch one by one, until one is refused.
func inPieces(l streams.Log) appendFunc {
	return func(ctx context.Context, a streams.Append) (first streams.Result, err error) {
		if len(a.Events) == 0 || a.Key != "" {
			return l.Append(ctx, a)
		}
		for i := range a.Events {
			one := a
			one.Events = a.Events[i : i+1]
			r, err := l.Append(ctx, one)
			if err != nil {
				return r, err
			}
			if i == 0 {
				first = r
			}
			first.Last = r.Last
		}
		return first, nil
	}
}

// leftOut stores what is good of a batch.
func leftOut(l streams.Log) appendFunc {
	return func(ctx context.Context, a streams.Append) (streams.Result, error) {
		r, err := l.Append(ctx, a)
		for n := len(a.Events) - 1; errors.Is(err, streams.ErrInvalid) && n > 0; n-- {
			a.Events = a.Events[:n]
			r, err = l.Append(ctx, a)
		}
		return r, err
	}
}

// shared keeps the slices of the caller.
func shared(l streams.Log) streams.Log {
	var mu sync.Mutex
	kept := map[string][]byte{}
	at := func(stream string, version uint64) string { return fmt.Sprint(stream, "@", version) }
	return spoiled{
		Log: l,
		append: func(ctx context.Context, a streams.Append) (streams.Result, error) {
			r, err := l.Append(ctx, a)
			mu.Lock()
			defer mu.Unlock()
			for i := range a.Events {
				kept[at(a.Stream, r.First+uint64(i))] = a.Events[i].Data
			}
			return r, err
		},
		read: func(ctx context.Context, r streams.Read) (streams.Page, error) {
			p, err := l.Read(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			for i := range p.Events {
				p.Events[i].Data = kept[at(r.Stream, p.Events[i].Version)]
			}
			return p, err
		},
	}
}

func keyBugs() []bug {
	return []bug{
		{name: "the expectation before the key", want: "key ids", plant: appending(func(l streams.Log) appendFunc {
			return func(ctx context.Context, a streams.Append) (streams.Result, error) {
				i, err := l.Info(ctx, a.Stream)
				if err == nil && a.Expect != streams.ExpectAny && (a.Expect != streams.ExpectNoStream || i.Exists) {
					return streams.Result{}, &streams.ConflictError{Version: i.Version, Epoch: i.Epoch}
				}
				return l.Append(ctx, a)
			}
		})},
		{name: "keys ignored", want: "key key-reused", plant: asking(func(a *streams.Append) { a.Key = "" })},
		{name: "a duplicate is not told", want: "key ids", plant: answering(func(r *streams.Result, err error) error {
			r.Duplicate = false
			return err
		})},
		{name: "a duplicate is at the end", want: "key ids", plant: appending(func(l streams.Log) appendFunc {
			return func(ctx context.Context, a streams.Append) (streams.Result, error) {
				r, err := l.Append(ctx, a)
				if i, e := l.Info(ctx, a.Stream); e == nil && r.Duplicate {
					r.First, r.Last = i.Version, i.Version
				}
				return r, err
			}
		})},
		{name: "payloads by their spelling", want: "key-spelling", plant: asking(func(a *streams.Append) {
			if a.Key != "" {
				a.Key += fmt.Sprintf("%x", a.Events[0].Data)
			}
		})},
		{name: "another payload is a duplicate", want: "key-reused ids-partly", plant: answering(func(r *streams.Result, err error) error {
			if errors.Is(err, streams.ErrKeyReused) {
				*r = streams.Result{First: 1, Last: 1, Duplicate: true}
				return nil
			}
			return err
		})},
		{name: "a reused key without its name", want: "key-reused ids-partly", plant: answering(func(_ *streams.Result, err error) error {
			if errors.Is(err, streams.ErrKeyReused) {
				return &streams.KeyError{}
			}
			return err
		})},
		{name: "meta is not payload", want: "key-reused", plant: eachEvent(func(e *streams.Event) { e.Meta = nil })},
		{name: "ids ignored", want: "ids key-race", plant: eachEvent(func(e *streams.Event) { e.ID = "" })},
		{name: "known events left out of a batch", want: "ids-partly", plant: appending(knownLeftOut)},
		{name: "keys of all streams together", want: "keys-per-stream", plant: appending(oneMemory)},
		{name: "keys for ever", want: "keys-bounded", options: func(o *streams.Options) { o.MaxKeys = 0 }},
		{name: "half of the keys", want: "keys-bounded", options: func(o *streams.Options) { o.MaxKeys /= 2 }},
		{name: "look for the key, then append", want: "key-race", plant: lookFirst},
	}
}

// knownLeftOut stores of a batch what is new.
func knownLeftOut(l streams.Log) appendFunc {
	return func(ctx context.Context, a streams.Append) (streams.Result, error) {
		r, err := l.Append(ctx, a)
		k := (*streams.KeyError)(nil)
		if !errors.As(err, &k) || !k.Partial {
			return r, err
		}
		known := map[string]bool{}
		for _, id := range k.Keys {
			known[id] = true
		}
		var rest []streams.Event
		for _, e := range a.Events {
			if !known[e.ID] {
				rest = append(rest, e)
			}
		}
		a.Events = rest
		return l.Append(ctx, a)
	}
}

// oneMemory has one memory of ids for all streams.
func oneMemory(l streams.Log) appendFunc {
	var mu sync.Mutex
	known := map[string]streams.Result{}
	return func(ctx context.Context, a streams.Append) (streams.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		id := a.Events[0].ID
		if r, ok := known[id]; ok && id != "" {
			r.Duplicate = true
			return r, nil
		}
		r, err := l.Append(ctx, a)
		known[id] = r
		return r, err
	}
}

// lookFirst looks an id up first and stores afterwards.
func lookFirst(l streams.Log) streams.Log {
	meet := make(meeting)
	var mu sync.Mutex
	known := map[string]streams.Result{}
	return spoiled{Log: l, append: func(ctx context.Context, a streams.Append) (streams.Result, error) {
		id := a.Events[0].ID
		mu.Lock()
		r, ok := known[id]
		mu.Unlock()
		if ok {
			r.Duplicate = true
			return r, nil
		}
		meet.wait()
		a.Events = append([]streams.Event(nil), a.Events...)
		a.Events[0].ID = ""
		r, err := l.Append(ctx, a)
		mu.Lock()
		defer mu.Unlock()
		known[id] = r
		return r, err
	}}
}
