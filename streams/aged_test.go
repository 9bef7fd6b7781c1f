package streams_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// openAged returns a log whose clock shows the seconds.
func openAged(t *testing.T, o streams.Options) (l *streams.Local, seconds *atomic.Int64) {
	t.Helper()
	seconds = new(atomic.Int64)
	o.Clock = func() time.Time { return time.Unix(1e9+seconds.Load(), 0) }
	return openLocal(t, o), seconds
}

// TestGapOfAllThereIs: a reader that comes when everything has aged is told so, and gets what is appended later.
func TestGapOfAllThereIs(t *testing.T) {
	l, seconds := openAged(t, streams.Options{Limits: streams.Limits{Age: time.Minute}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next, stop := iter.Pull2(l.Subscribe(ctx, streams.Subscription{Pattern: "a"}))
	defer stop()
	want := func(kind streams.Kind, version uint64, gap streams.Gap) {
		t.Helper()
		if m, err, _ := next(); err != nil || m.Kind != kind || m.Event.Version != version || m.Gap != gap {
			t.Fatalf("message %+v, %v; want kind %d, version %d, gap %+v", m, err, kind, version, gap)
		}
	}
	appendOne(t, l, "a")
	want(streams.MessageEvent, 1, streams.Gap{})
	for range 3 {
		appendOne(t, l, "a")
	}
	seconds.Add(3600)
	for {
		m, err, _ := next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == streams.MessageGap {
			if m.Gap != (streams.Gap{Stream: "a", From: 2, To: 4, Cause: streams.CauseAge}) {
				t.Fatalf("gap %+v", m.Gap)
			}
			break
		}
	}
	want(streams.MessageCaughtUp, 0, streams.Gap{})
	appendOne(t, l, "a")
	want(streams.MessageEvent, 5, streams.Gap{})
}

// TestKeysAge: a key is remembered for KeyAge, also when the clock is set back, and forgotten then.
func TestKeysAge(t *testing.T) {
	l, seconds := openAged(t, streams.Options{KeyAge: time.Minute})
	add := func(id string) streams.Result {
		t.Helper()
		r, err := l.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{ID: id, Data: []byte(`1`)}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	add("1")
	seconds.Add(30)
	add("2")
	seconds.Add(-7200)
	if r := add("1"); !r.Duplicate {
		t.Errorf("a key is forgotten because the clock was set back: %+v", r)
	}
	seconds.Add(7200 + 30)
	if r := add("1"); !r.Duplicate || r.First != 1 {
		t.Errorf("a key is forgotten after KeyAge, not behind it: %+v", r)
	}
	seconds.Add(1)
	if r := add("1"); r.Duplicate || r.First != 3 {
		t.Errorf("a key is remembered for more than KeyAge: %+v", r)
	}
	if r := add("2"); !r.Duplicate || r.First != 2 {
		t.Errorf("a younger key is forgotten: %+v", r)
	}
	if i, err := l.Info(t.Context(), "a"); err != nil || i.Keys != 2 || i.KeysForgotten != 1 {
		t.Errorf("%d keys, %d forgotten, %v", i.Keys, i.KeysForgotten, err)
	}
}

// TestCheckpointBehindAGapBetweenEpochs: what follows such a gap has the versions in it again, so that a connection that
// breaks just behind it goes on before it.
func TestCheckpointBehindAGapBetweenEpochs(t *testing.T) {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ After map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		if calls.Add(1) == 1 {
			_, _ = fmt.Fprintf(w, "event: gap\ndata: {\"stream\":\"a\",\"from\":2,\"to\":5,\"cause\":\"epoch\",\"epoch\":%q}\n\n", anEpoch)
			return
		}
		if in.After["a"] != anEpoch+":1" {
			t.Errorf("it goes on behind %q", in.After["a"])
		}
		_, _ = fmt.Fprintf(w, "event: caughtup\ndata: {\"epoch\":%q}\n\n", anEpoch)
	}))
	defer s.Close()
	l, err := streams.NewClient(s.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for m, err := range l.Subscribe(ctx, streams.Subscription{Pattern: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == streams.MessageCaughtUp {
			break
		}
	}
}
