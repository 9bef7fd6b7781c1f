package verify

import (
	"context"
	"errors"
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

// A streamView is what a subscriber knows: it forgets what a crash has lost, because it is told.
type streamView struct {
	events map[string][]string // by stream, in the order of their versions
	epochs int                 // gaps between epochs
	lost   int                 // events that it forgot
}

func (v *streamView) take(m streams.Message) error {
	known := v.events[m.Stream]
	next := uint64(len(known)) + 1
	switch {
	case m.Kind == streams.MessageEvent && m.Event.Version == next:
		v.events[m.Stream] = append(known, m.Event.ID)
	case m.Kind == streams.MessageGap && m.Gap.Cause == streams.CauseEpoch && m.Gap.From <= next && m.Gap.To == next-1:
		v.events[m.Stream] = known[:m.Gap.From-1]
		v.epochs++
		v.lost += int(next - m.Gap.From)
	case m.Kind == streams.MessageEvent || m.Kind == streams.MessageGap:
		return fmt.Errorf("%s: event %+v, gap %+v; version %d should come", m.Stream, m.Event, m.Gap, next)
	}
	return nil
}

// A viewed server is killed again and again while writers write and subscribers keep views.
type viewed struct {
	client  *streams.Client
	written atomic.Int64
	final   atomic.Pointer[map[string]uint64]
}

func (w *viewed) write(ctx context.Context, writer int) error {
	for n := 0; ctx.Err() == nil; n++ {
		e := streams.Event{ID: fmt.Sprint(writer, "-", n), Data: []byte(`true`)}
		_, err := w.client.Append(ctx, streams.Append{Stream: killedStreams[n%len(killedStreams)], Events: []streams.Event{e}})
		if err != nil && ctx.Err() == nil {
			return err
		}
		w.written.Add(1)
	}
	return nil
}

func (w *viewed) view(ctx context.Context, v *streamView) error {
	for m, err := range w.client.Subscribe(ctx, streams.Subscription{Pattern: strings.Join(killedStreams, ",") + ",end"}) {
		if err == nil && m.Stream != "end" {
			err = v.take(m)
		}
		if err != nil {
			return err
		}
		if final := w.final.Load(); final != nil {
			over := true
			for name, version := range *final {
				over = over && uint64(len(v.events[name])) == version
			}
			if over {
				return nil
			}
		}
	}
	return errors.New("the subscription is over")
}

// TestStreamsViewedAcrossKills: a subscriber that forgets what gaps between epochs name, and takes all else as it comes,
// ends up with exactly what is stored, however often the server is killed.
func TestStreamsViewedAcrossKills(t *testing.T) {
	t.Parallel()
	kills := killsOr(t, pick(8, 3, 2))
	rng := rand.New(rand.NewPCG(seedOf(t), 0))
	args := []string{"file://" + t.TempDir(), strings.Join(killedStreams, " "), "1000000", "10ms"}
	s := startServant(t, args...)
	proxy := newLossyProxy(t, 0, 0, s.url)
	front := httptest.NewServer(proxy)
	defer proxy.end(front)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	c, err := streams.NewClient(front.URL, streams.ClientOptions{HTTP: &http.Client{Transport: transport}})
	must(t, err)
	defer func() { _ = c.Close() }()
	w := &viewed{client: c}
	patient, end := context.WithTimeout(t.Context(), time.Minute+time.Duration(kills)*10*time.Second)
	defer end()
	ctx, cancel := context.WithCancelCause(patient)
	defer cancel(nil)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var readers, writers sync.WaitGroup
	run := func(all *sync.WaitGroup, f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}
	views := []*streamView{{events: map[string][]string{}}, {events: map[string][]string{}}}
	for _, v := range views {
		run(&readers, func() error { return w.view(ctx, v) })
	}
	for i := range 2 {
		run(&writers, func() error { return w.write(writing, i) })
	}
	for range kills {
		for until := w.written.Load() + 100 + rng.Int64N(1500); w.written.Load() < until && ctx.Err() == nil; {
			time.Sleep(100 * time.Microsecond)
		}
		s.kill(t)
		<-s.read
		s = startServant(t, args...)
		proxy.point(t, s.url)
	}
	stop()
	writers.Wait()
	final := map[string]uint64{}
	for _, name := range killedStreams {
		i, err := c.Info(ctx, name)
		must(t, err)
		final[name] = i.Version
	}
	w.final.Store(&final)
	_, err = c.Append(ctx, streams.Append{Stream: "end", Events: []streams.Event{{Data: []byte(`true`)}}})
	must(t, err)
	readers.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	for i, v := range views {
		t.Logf("view %d of %v: %d gaps between epochs, %d events forgotten", i, final, v.epochs, v.lost)
		for name := range final {
			w.compare(t, name, v.events[name])
		}
	}
	if kills > 5 && views[0].epochs+views[1].epochs == 0 {
		t.Error("the test proves nothing: no crash was noticed")
	}
	s.terminate(t)
}

// compare reads a stream and compares it with what a view has of it.
func (w *viewed) compare(t *testing.T, name string, view []string) {
	t.Helper()
	for from, n := uint64(1), 0; ; {
		p, err := w.client.Read(t.Context(), streams.Read{Stream: name, From: from})
		must(t, err)
		for _, e := range p.Events {
			if n >= len(view) || view[n] != e.ID {
				t.Fatalf("%s: version %d is %s, another one in the view", name, e.Version, e.ID)
			}
			n++
			from = e.Version + 1
		}
		if !p.More {
			if n != len(view) {
				t.Errorf("%s: %d events are stored, the view has %d", name, n, len(view))
			}
			return
		}
	}
}
