package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

func appendOne(t *testing.T, l streams.Log, stream string) streams.Result {
	t.Helper()
	r, err := l.Append(t.Context(), streams.Append{Stream: stream, Events: []streams.Event{{Data: []byte(`1`)}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func deleteStream(t *testing.T, l streams.Log, stream string) {
	t.Helper()
	if err := l.Delete(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshotBeforeItBegan: a snapshot that was begun before a stream began, or began again, and whose section was written
// after, holds the version of its deletion and the limits that it was given beforehand, also if it has the partition, empty.
func TestSnapshotBeforeItBegan(t *testing.T) {
	for _, version := range []uint64{0, 3} {
		for _, next := range []uint64{0, version} {
			l := openLocal(t, streams.Options{})
			for range version {
				appendOne(t, l, "a")
			}
			deleteStream(t, l, "a")
			if err := l.SetLimits(t.Context(), "a", streams.Limits{Events: 7}); err != nil {
				t.Fatal(err)
			}
			appendOne(t, l, "a")
			section, err := l.SaveSection(func(int) (uint64, uint64) { return next, next })
			if err != nil {
				t.Fatal(err)
			}
			back := openLocal(t, streams.Options{})
			if err := back.LoadSection(section); err != nil {
				t.Fatal(err)
			}
			if i, err := back.Info(t.Context(), "a"); err != nil || i.Version != version || i.Exists || i.Limits.Events != 7 {
				t.Errorf("info %+v, %v; want version %d, deleted, 7 events at most", i, err, version)
			}
			if r := appendOne(t, back, "a"); r.First != version+1 {
				t.Errorf("it begins again at version %d", r.First)
			}
		}
	}
}

// TestFollowAStreamWhoseVersionWasForgotten: of more deleted streams than MaxStreams the oldest version is forgotten. A
// subscription that has seen higher versions of such a stream gets its events all the same, also if it happens while its
// reader has an event in hand.
func TestFollowAStreamWhoseVersionWasForgotten(t *testing.T) {
	asked := map[string]streams.Checkpoint{"a": {}}
	for _, when := range []struct {
		kind  streams.Kind
		seen  int
		after map[string]streams.Checkpoint
	}{
		{streams.MessageCaughtUp, 3, nil},
		{streams.MessageEvent, 1, nil},
		{streams.MessageEvent, 3, nil},
		{streams.MessageCaughtUp, 3, asked},
		{streams.MessageEvent, 1, asked},
		{streams.MessageEvent, 3, asked},
	} {
		l := openLocal(t, streams.Options{MaxStreams: 1})
		for range 3 {
			appendOne(t, l, "a")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		seen := 0
		for m, err := range l.Subscribe(ctx, streams.Subscription{Pattern: "a", After: when.after}) {
			if err != nil {
				t.Fatal(err)
			}
			if m.Kind == streams.MessageGap {
				t.Fatalf("gap %+v", m.Gap)
			}
			if m.Kind == streams.MessageEvent {
				seen++
			}
			if m.Kind == when.kind && seen == when.seen {
				deleteStream(t, l, "a")
				appendOne(t, l, "b")
				deleteStream(t, l, "b") // forgets a
				appendOne(t, l, "a")
			}
			if seen == 4 {
				if m.Event.Version != 1 {
					t.Errorf("event %+v", m.Event)
				}
				break
			}
		}
	}
}
