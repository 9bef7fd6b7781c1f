package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

const (
	onceWriters = 3
	onceFew     = 5 // events that the stream "few" keeps
)

var onceStreams = []string{"all/1", "all/2", "few"}

// An onceEvent says who appended it, and which of his it is.
type onceEvent struct{ Writer, N int }

// A once is writers, readers, and a server that restarts, with a bad network between them.
type once struct {
	each   int // appends of a writer
	client *streams.Client
	half   *quota // of all appends

	mu       sync.Mutex
	at       map[string]map[uint64]onceEvent // by stream and version, as the replies said
	repeated int                             // of them were duplicates: the reply to the first was lost
}

// write appends one event after the other, every fourth with a condition. Its events have ids.
func (o *once) write(ctx context.Context, w int) error {
	for n := range o.each {
		name := onceStreams[(w+n)%len(onceStreams)]
		e := onceEvent{w, n}
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		a := streams.Append{Stream: name, Events: []streams.Event{{ID: fmt.Sprint(w, "-", n), Type: "once", Data: data}}}
		if n%4 == 3 {
			a.Expect = streams.ExpectExists
		}
		r, err := o.client.Append(ctx, a)
		if err != nil {
			return fmt.Errorf("%+v: %w", e, err)
		}
		o.mu.Lock()
		if other, taken := o.at[name][r.First]; taken || r.First != r.Last {
			err = fmt.Errorf("%+v got version %d of %s, and so did %+v", e, r.First, name, other)
		}
		o.at[name][r.First] = e
		if r.Duplicate {
			o.repeated++
		}
		o.mu.Unlock()
		if err != nil {
			return err
		}
		o.half.one()
	}
	return nil
}

// A gotten is what a reader got of a stream.
type gotten struct {
	events map[uint64]onceEvent
	gaps   uint64 // versions
	next   uint64
}

// follow reads everything, until every stream is at its last version.
func (o *once) follow(ctx context.Context, last map[string]uint64) (map[string]*gotten, error) {
	got := map[string]*gotten{}
	for name := range last {
		got[name] = &gotten{events: map[uint64]onceEvent{}, next: 1}
	}
	over := func() bool {
		for name, v := range last {
			if got[name].next <= v {
				return false
			}
		}
		return true
	}
	for m, err := range o.client.Subscribe(ctx, streams.Subscription{Pattern: "all/*,few", After: map[string]streams.Checkpoint{"few": {}}}) {
		if err != nil {
			return got, err
		}
		switch g := got[m.Stream]; m.Kind {
		case streams.MessageEvent:
			var e onceEvent
			if err := json.Unmarshal(m.Event.Data, &e); err != nil || m.Event.Version != g.next || m.Event.ID != fmt.Sprint(e.Writer, "-", e.N) {
				return got, fmt.Errorf("%s: event %+v, %w; version %d should come", m.Stream, m.Event, err, g.next)
			}
			g.events[m.Event.Version] = e
			g.next++
		case streams.MessageGap:
			if m.Gap.From != g.next || m.Gap.To < m.Gap.From || m.Gap.Cause != streams.CauseLimit || m.Stream != "few" {
				return got, fmt.Errorf("gap %+v; version %d should come", m.Gap, g.next)
			}
			g.gaps += m.Gap.To + 1 - m.Gap.From
			g.next = m.Gap.To + 1
		}
		if over() {
			return got, nil
		}
	}
	return got, errors.New("the subscription is over")
}

// readAll reads a stream page by page.
func (o *once) readAll(ctx context.Context, name string) (map[uint64]onceEvent, error) {
	all := map[uint64]onceEvent{}
	for from := uint64(0); ; {
		p, err := o.client.Read(ctx, streams.Read{Stream: name, From: from, Limit: streams.MaxPage})
		if err != nil {
			return nil, err
		}
		for i := range p.Events {
			var e onceEvent
			if err := json.Unmarshal(p.Events[i].Data, &e); err != nil {
				return nil, err
			}
			all[p.Events[i].Version] = e
			from = p.Events[i].Version + 1
		}
		if !p.More {
			return all, nil
		}
	}
}

// TestStreamsExactlyOnce: writers whose connections break all the time, and whose server ends by SIGTERM and comes back in
// the middle, store every event exactly once, in their order, at the version that the reply said. Every subscriber gets
// every version, or is told exactly which the limit has discarded.
func TestStreamsExactlyOnce(t *testing.T) {
	t.Parallel()
	each := envCount(t, "EPHEMERA_STREAM_APPENDS", pick[uint64](3000, 800, 400))
	if repeated, broken := exactlyOnce(t, seedOf(t), int(each), 2); repeated == 0 || broken < 6 {
		t.Error("the test proves nothing: no append was repeated, or no subscription broken")
	}
}

// exactlyOnce lets writers append through a proxy that treats so many requests of a hundred badly. It returns how many appends
// were repeated, and how many subscriptions were begun.
func exactlyOnce(t *testing.T, seed uint64, each, share int) (repeated int, subscriptions int64) {
	t.Helper()
	o := &once{each: each, half: newQuota(int64(onceWriters * each / 2)), at: map[string]map[uint64]onceEvent{}}
	last := map[string]uint64{} // every stream gets every third event of every writer
	for i, name := range onceStreams {
		o.at[name] = map[uint64]onceEvent{}
		for w := range onceWriters {
			for n := range o.each {
				if (w+n)%len(onceStreams) == i {
					last[name]++
				}
			}
		}
	}
	args := []string{"file://" + t.TempDir(), strings.Join(onceStreams, " "), fmt.Sprint(onceWriters * o.each), "100ms"}
	s := startServant(t, args...)
	proxy := newLossyProxy(t, seed, share, s.url)
	front := httptest.NewServer(proxy)
	defer proxy.end(front)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	var err error
	o.client, err = streams.NewClient(front.URL, streams.ClientOptions{HTTP: &http.Client{Transport: transport}})
	must(t, err)
	defer func() { _ = o.client.Close() }()
	for done := false; !done; { // setting them twice is the same
		err := o.client.SetLimits(t.Context(), "few", streams.Limits{Events: onceFew})
		if done = err == nil; err != nil && !errors.Is(err, streams.ErrUnknownOutcome) {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	got := o.acrossARestart(t, last, func() {
		epoch := s.epoch
		s.terminate(t)
		s = startServant(t, args...)
		proxy.point(t, s.url)
		if s.epoch != epoch {
			t.Errorf("epoch %v behind %v", s.epoch, epoch)
		}
	})
	missed := o.compare(t, last, got)
	t.Logf("%d appends in %v, %d of them repeated; faults %v, subscriptions %d; of %d versions of the limited stream readers were told %d as gaps",
		onceWriters*o.each, time.Since(begin).Round(time.Millisecond), o.repeated, showCounts(proxy), proxy.tails.Load(), last["few"], missed)
	s.terminate(t)
	return o.repeated, proxy.tails.Load()
}

// acrossARestart runs writers and readers to their ends, and restarts the server when half is written. It returns what the
// readers got.
func (o *once) acrossARestart(t *testing.T, last map[string]uint64, restart func()) []map[string]*gotten {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var all sync.WaitGroup
	run := func(f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}
	got := make([]map[string]*gotten, 3)
	for i := range got {
		run(func() (err error) {
			got[i], err = o.follow(ctx, last)
			return err
		})
	}
	for w := range onceWriters {
		run(func() error { return o.write(ctx, w) })
	}
	select {
	case <-o.half.met:
	case <-ctx.Done():
	}
	restart()
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	return got
}

func showCounts(p *lossyProxy) (list []int64) {
	for i := range p.counts {
		list = append(list, p.counts[i].Load())
	}
	return list
}

// compare compares what writers were told, what is stored, and what readers got. It returns the versions told as gaps.
func (o *once) compare(t *testing.T, last map[string]uint64, got []map[string]*gotten) (missed []uint64) {
	t.Helper()
	for name, versions := range last {
		if n := uint64(len(o.at[name])); n != versions {
			t.Errorf("%s: %d versions in replies, want %d", name, n, versions)
		}
		newest := make([]int, onceWriters)
		seen := map[onceEvent]bool{}
		for v := uint64(1); v <= versions; v++ {
			e := o.at[name][v]
			if seen[e] || e.N < newest[e.Writer] {
				t.Fatalf("%s: version %d is %+v, twice or out of order", name, v, e)
			}
			seen[e], newest[e.Writer] = true, e.N
		}
		stored, err := o.readAll(t.Context(), name)
		must(t, err)
		keep := versions
		if name == "few" {
			keep = min(versions, onceFew)
		}
		if uint64(len(stored)) != keep {
			t.Errorf("%s holds %d events, want %d", name, len(stored), keep)
		}
		for v, e := range stored {
			if o.at[name][v] != e || v <= versions-keep || v > versions {
				t.Fatalf("%s: version %d is %+v, but %+v got it", name, v, e, o.at[name][v])
			}
		}
		for i := range got {
			g := got[i][name]
			if g.next != versions+1 || uint64(len(g.events))+g.gaps != versions {
				t.Errorf("%s: reader %d got %d events and %d in gaps up to %d, want %d", name, i, len(g.events), g.gaps, g.next-1, versions)
			}
			for v, e := range g.events {
				if o.at[name][v] != e {
					t.Fatalf("%s: reader %d got %+v as version %d, want %+v", name, i, e, v, o.at[name][v])
				}
			}
			if name == "few" {
				missed = append(missed, g.gaps)
			}
		}
	}
	return missed
}
