package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// A followed log is written, trimmed and deleted from while subscriptions follow it.
type followed struct {
	log    *streams.Local
	limit  uint64
	ops    int
	final  atomic.Pointer[map[string]streams.Info] // set when all has been written
	events sync.Map                                // stream@version to event
}

var followedStreams = []string{"s/1", "s/2", "s/3", "t/1", "t/2"}

// write appends batches, and deletes now and then.
func (f *followed) write(ctx context.Context, rng *rand.Rand, writer int) error {
	for n := range f.ops {
		name := followedStreams[rng.IntN(len(followedStreams))]
		if rng.IntN(40) == 0 {
			if err := f.log.Delete(ctx, name); err != nil {
				return err
			}
			continue
		}
		a := streams.Append{Stream: name}
		for i := range 1 + rng.IntN(5) {
			a.Events = append(a.Events, streams.Event{Data: fmt.Appendf(nil, "%q", fmt.Sprint(writer, "-", n, "-", i))})
		}
		r, err := f.log.Append(ctx, a)
		if err != nil {
			return err
		}
		for i := range a.Events {
			f.events.Store(fmt.Sprint(name, "@", r.First+uint64(i)), string(a.Events[i].Data))
		}
	}
	return nil
}

// A follows is a subscription and what it has seen.
type follows struct {
	s        streams.Subscription
	next     map[string]uint64 // by stream, 0: nothing seen yet
	got      map[string]string // stream@version
	gaps     map[streams.Cause]int
	messages int
	began    chan struct{} // closed with the first message
}

func newFollows(s streams.Subscription, fromVersion0 bool) *follows {
	x := &follows{s: s, next: map[string]uint64{}, got: map[string]string{}, gaps: map[streams.Cause]int{}, began: make(chan struct{})}
	x.s.Pattern += ",end"
	if fromVersion0 {
		x.s.After = map[string]streams.Checkpoint{}
		for _, name := range followedStreams {
			x.s.After[name], x.next[name] = streams.Checkpoint{}, 1
		}
	}
	return x
}

// run reads until all that was written has been seen.
func (x *follows) run(ctx context.Context, f *followed, l streams.Log) error {
	for m, err := range l.Subscribe(ctx, x.s) {
		if err != nil {
			return fmt.Errorf("%q goes on with %v: %w", x.s.Pattern, x.next, err)
		}
		if x.messages++; x.messages == 1 {
			close(x.began)
		}
		switch m.Kind {
		case streams.MessageEvent:
			if next := x.next[m.Stream]; next != 0 && m.Event.Version != next {
				return fmt.Errorf("%s: version %d, want %d", m.Stream, m.Event.Version, next)
			}
			x.next[m.Stream] = m.Event.Version + 1
			if m.Stream != "end" {
				x.got[fmt.Sprint(m.Stream, "@", m.Event.Version)] = string(m.Event.Data)
			}
		case streams.MessageGap:
			if err := x.gap(ctx, f, m.Gap); err != nil {
				return err
			}
		}
		if x.over(f) {
			return nil
		}
	}
	return nil
}

func (x *follows) gap(ctx context.Context, f *followed, g streams.Gap) error {
	next := x.next[g.Stream]
	if next != 0 && g.From != next || g.To < g.From {
		return fmt.Errorf("gap %+v, want one from %d", g, next)
	}
	if limited := g.Cause == streams.CauseLimit; !limited && g.Cause != streams.CauseDeleted || limited && f.limit > 1000 {
		return fmt.Errorf("gap %+v in a log that keeps %d events", g, f.limit)
	}
	p, err := f.log.Read(ctx, streams.Read{Stream: g.Stream, From: g.To, Limit: 1})
	if err != nil || p.Oldest <= g.To {
		return fmt.Errorf("gap %+v, but the oldest event that is there is %d; %w", g, p.Oldest, err)
	}
	x.next[g.Stream] = g.To + 1
	x.gaps[g.Cause]++
	return nil
}

// over reports that everything has been seen. A stream of which nothing was seen may have been deleted before, or written
// before a subscription from now on.
func (x *follows) over(f *followed) bool {
	final := f.final.Load()
	if final == nil {
		return false
	}
	for name, i := range *final {
		if next := x.next[name]; next <= i.Version && (next > 0 || i.Exists && x.s.Start == streams.FromOldest) && x.covers(name) {
			return false
		}
	}
	return x.next["end"] > 0
}

func (x *follows) covers(name string) bool {
	return strings.HasPrefix(x.s.Pattern, "*") || strings.HasPrefix(name, "s/")
}

// TestStreamsFollowed: whatever is appended, discarded and deleted, subscriptions of every kind see each version as an
// event, the one that was stored, or in a gap, and what is in a gap is gone; in process and over connections that break.
func TestStreamsFollowed(t *testing.T) {
	seed := seedOf(t)
	causes, messages := map[streams.Cause]int{}, 0
	for round := range pick(12, 4, 4) {
		f := &followed{limit: []uint64{4, 60, 10_000}[round%3], ops: pick(1500, 600, 300)}
		for _, x := range f.round(t, mix(seed+uint64(round))) {
			messages += x.messages
			for c, n := range x.gaps {
				causes[c] += n
			}
		}
		_ = f.log.Close()
	}
	t.Logf("%d messages, gaps by cause %v", messages, causes)
	if causes[streams.CauseLimit] == 0 || causes[streams.CauseDeleted] == 0 {
		t.Error("the test proves nothing: there were no gaps of some cause")
	}
}

func (f *followed) round(t *testing.T, seed uint64) []*follows {
	var err error
	f.log, err = streams.New(streams.Options{Limits: streams.Limits{Events: int(f.limit)}})
	must(t, err)
	h, err := streams.NewHandler(f.log, streams.HandlerOptions{})
	must(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	proxy := newLossyProxy(t, seed, 1, server.URL)
	front := httptest.NewServer(proxy)
	defer proxy.end(front)
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	c, err := streams.NewClient(front.URL, streams.ClientOptions{HTTP: &http.Client{Transport: transport}})
	must(t, err)
	defer func() { _ = c.Close() }()
	patient, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	ctx, cancel := context.WithCancelCause(patient)
	defer cancel(nil)
	var readers, writers sync.WaitGroup
	run := func(all *sync.WaitGroup, g func() error) {
		all.Go(func() {
			if err := g(); err != nil {
				cancel(err)
			}
		})
	}
	var list []*follows
	for i, s := range []streams.Subscription{{Pattern: "*"}, {Pattern: "s/*"}, {Pattern: "*", Start: streams.FromNow}} {
		for k, l := range []streams.Log{f.log, c} {
			x := newFollows(s, i == 0 || i == 1 && k == 0)
			list = append(list, x)
			run(&readers, func() error { return x.run(ctx, f, l) })
		}
	}
	for _, x := range list {
		select {
		case <-x.began: // else the end might be before its now
		case <-ctx.Done():
		}
	}
	for w := range 3 {
		run(&writers, func() error { return f.write(ctx, rand.New(rand.NewPCG(seed, uint64(w))), w) })
	}
	writers.Wait()
	final := map[string]streams.Info{}
	for _, name := range followedStreams {
		final[name], err = f.log.Info(ctx, name)
		must(t, err)
	}
	f.final.Store(&final)
	_, err = f.log.Append(ctx, streams.Append{Stream: "end", Events: []streams.Event{{Data: json.RawMessage(`true`)}}})
	must(t, err)
	readers.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatalf("limit %d: %v", f.limit, err)
	}
	for i, x := range list {
		for at, data := range x.got {
			if want, _ := f.events.Load(at); want != data {
				t.Errorf("reader %d got %s as %s, want %v", i, data, at, want)
			}
		}
	}
	return list
}
