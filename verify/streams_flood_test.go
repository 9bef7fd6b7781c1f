package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// floodLimits are those of three streams. The clock goes on by a millisecond with every append.
var floodLimits = map[string]streams.Limits{
	"count": {Events: 300}, "age": {Events: 1 << 20, Age: 400 * time.Millisecond}, "both": {Events: 200, Age: 500 * time.Millisecond},
}

// A flood is a writer that waits for nobody.
type flood struct {
	appends int // to each stream
	log     *streams.Local
	now     atomic.Int64 // milliseconds
	written atomic.Int64
}

func openFlood(t *testing.T, appends int) *flood {
	t.Helper()
	f := &flood{appends: appends}
	var err error
	f.log, err = streams.New(streams.Options{Clock: func() time.Time { return time.Unix(1e9, 0).Add(time.Duration(f.now.Load()) * time.Millisecond) }})
	must(t, err)
	for name, m := range floodLimits {
		must(t, f.log.SetLimits(t.Context(), name, m))
	}
	return f
}

func (f *flood) write(ctx context.Context) error {
	for n := range f.appends {
		for name := range floodLimits {
			f.now.Add(1)
			if _, err := f.log.Append(ctx, streams.Append{Stream: name, Events: []streams.Event{{Data: fmt.Appendf(nil, "%d", n+1)}}}); err != nil {
				return err
			}
			f.written.Add(1)
		}
	}
	f.now.Add(time.Hour.Milliseconds()) // what ages is gone for whoever is late
	return nil
}

// A floodReader counts what it gets of each stream.
type floodReader struct {
	pause  int64 // appends that it lets pass behind every so many messages
	next   map[string]uint64
	events uint64
	lost   map[streams.Cause]uint64
	behind int // times that it was told that it fell behind
}

// read follows all streams to their ends. Every version is an event or in a gap, once and in order, and what is in a gap
// is gone.
func (r *floodReader) read(ctx context.Context, f *flood, l streams.Log) error {
	r.next, r.lost = map[string]uint64{}, map[streams.Cause]uint64{}
	from := map[string]streams.Checkpoint{}
	for name := range floodLimits {
		r.next[name], from[name] = 1, streams.Checkpoint{}
	}
	messages := 0
	for m, err := range l.Subscribe(ctx, streams.Subscription{Pattern: "*", After: from}) {
		if err != nil {
			return err
		}
		switch m.Kind {
		case streams.MessageEvent:
			if m.Event.Version != r.next[m.Stream] || string(m.Event.Data) != fmt.Sprint(m.Event.Version) {
				return fmt.Errorf("%s: event %d with data %s, want %d", m.Stream, m.Event.Version, m.Event.Data, r.next[m.Stream])
			}
			r.next[m.Stream]++
			r.events++
		case streams.MessageGap:
			if err := r.gap(ctx, f, m.Gap); err != nil {
				return err
			}
		case streams.MessageFellBehind:
			r.behind++
		}
		if r.over(f) {
			return nil
		}
		if messages++; r.pause > 0 && messages%64 == 0 {
			for until := f.written.Load() + r.pause; f.written.Load() < min(until, f.total()) && ctx.Err() == nil; {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}
	return nil
}

func (f *flood) total() int64 { return int64(f.appends * len(floodLimits)) }

func (r *floodReader) over(f *flood) bool {
	for _, next := range r.next {
		if next <= uint64(f.appends) {
			return false
		}
	}
	return true
}

func (r *floodReader) gap(ctx context.Context, f *flood, g streams.Gap) error {
	want := streams.CauseLimit
	if g.Stream == "age" {
		want = streams.CauseAge
	}
	if g.From != r.next[g.Stream] || g.To < g.From || g.Cause != want && g.Stream != "both" {
		return fmt.Errorf("gap %+v; %d should come, cause %s", g, r.next[g.Stream], want)
	}
	p, err := f.log.Read(ctx, streams.Read{Stream: g.Stream, From: g.To, Limit: 1})
	if err != nil || p.Oldest <= g.To {
		return fmt.Errorf("gap %+v, but the oldest event that is there is %d; %w", g, p.Oldest, err)
	}
	r.next[g.Stream] = g.To + 1
	r.lost[g.Cause] += g.To + 1 - g.From
	return nil
}

// TestStreamsFlood: readers of streams that are limited by number, by age and by both get what is there in time, and are
// told exactly which versions they lost, in process and over HTTP, however slow they are.
func TestStreamsFlood(t *testing.T) {
	for i, r := range floodReaders(t, pick(60_000, 20_000, 8_000)) {
		t.Logf("reader %d: %d events, lost %v, fell behind %d times", i, r.events, r.lost, r.behind)
		if slow := r.pause > 0 && i < 3; slow && (r.lost[streams.CauseLimit] == 0 || r.lost[streams.CauseAge] == 0 || r.events == 0) {
			t.Errorf("the test proves nothing: slow reader %d lost %v", i, r.lost)
		}
	}
}

// floodReaders lets a flood of so many appends to each stream go over five readers, the last two over HTTP.
func floodReaders(t *testing.T, appends int) []*floodReader {
	t.Helper()
	f := openFlood(t, appends)
	defer func() { _ = f.log.Close() }()
	h, err := streams.NewHandler(f.log, streams.HandlerOptions{})
	must(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	c, err := streams.NewClient(server.URL, streams.ClientOptions{HTTP: &http.Client{Transport: transport}})
	must(t, err)
	defer func() { _ = c.Close() }()
	readers := []*floodReader{{}, {pause: 500}, {pause: 5000}, {}, {pause: 2000}}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var all sync.WaitGroup
	for i, r := range readers {
		l := streams.Log(f.log)
		if i >= 3 {
			l = c
		}
		all.Go(func() {
			if err := r.read(ctx, f, l); err != nil {
				cancel(fmt.Errorf("reader %d: %w", i, err))
			}
		})
	}
	must(t, f.write(ctx))
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	for i, r := range readers {
		sum := r.events
		for _, n := range r.lost {
			sum += n
		}
		if sum != uint64(f.total()) {
			t.Errorf("reader %d accounts for %d versions of %d", i, sum, f.total())
		}
	}
	return readers
}
