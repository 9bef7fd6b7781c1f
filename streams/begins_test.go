package streams_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/streams"
)

// appendTo appends so many events at once.
func appendTo(t *testing.T, l streams.Log, stream string, n int) {
	t.Helper()
	events := make([]streams.Event, n)
	for i := range events {
		events[i] = numbered(i)
	}
	if _, err := l.Append(t.Context(), streams.Append{Stream: stream, Events: events}); err != nil {
		t.Fatal(err)
	}
}

// heard returns what a subscription yields up to the last of these texts, and does something when one of them comes first.
func heard(t *testing.T, l streams.Log, s streams.Subscription, last string, when map[string]func()) (list []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for m, err := range l.Subscribe(ctx, s) {
		if err != nil {
			t.Fatal(err, list)
		}
		text := "caughtup"
		switch m.Kind {
		case streams.MessageEvent:
			text = fmt.Sprintf("%s@%d", m.Stream, m.Event.Version)
		case streams.MessageGap:
			text = fmt.Sprintf("gap %s %d-%d %s", m.Stream, m.Gap.From, m.Gap.To, m.Gap.Cause)
		}
		list = append(list, text)
		if do := when[text]; do != nil {
			delete(when, text)
			do()
		}
		if text == last {
			break
		}
	}
	return list
}

// TestFollowWhatBegins: a subscription that follows already is told what it missed of a stream that began while its reader was
// busy, from the first version on.
func TestFollowWhatBegins(t *testing.T) {
	nearAndFar(t, streams.Options{Limits: streams.Limits{Events: 5}}, func(t *testing.T, l streams.Log) {
		for _, start := range []streams.Start{streams.FromOldest, streams.FromNow} {
			name := fmt.Sprint("a", start)
			got := heard(t, l, streams.Subscription{Pattern: name + "*", Start: start}, name+"/b@7", map[string]func(){"caughtup": func() {
				appendTo(t, l, name, 7)
				deleteStream(t, l, name)
				appendTo(t, l, name+"/b", 7)
			}})
			// Over HTTP it may be told of the first stream's events before they are deleted; what counts is that of the second.
			want := []string{"gap " + name + "/b 1-2 limit", name + "/b@3", name + "/b@4", name + "/b@5", name + "/b@6", name + "/b@7"}
			if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" || len(got) < 8 {
				t.Errorf("%q: %s", got, diff)
			}
		}
	})
}

// TestFollowFromBehindWhatAged: "what is there" is nothing when all events of a stream have aged: they are no gap later.
func TestFollowFromBehindWhatAged(t *testing.T) {
	l, seconds := openAged(t, streams.Options{Limits: streams.Limits{Age: time.Minute}})
	appendTo(t, l, "a", 3)
	seconds.Add(3600)
	got := heard(t, l, streams.Subscription{Pattern: "a"}, "a@4", map[string]func(){"caughtup": func() { appendOne(t, l, "a") }})
	if diff := cmp.Diff([]string{"caughtup", "a@4"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestFollowWhatIsForgottenAndBegins: what was not delivered of a stream that was deleted is told before what has its name when
// even its version is forgotten.
func TestFollowWhatIsForgottenAndBegins(t *testing.T) {
	for _, after := range []map[string]streams.Checkpoint{nil, {"a": {}}, {"a": {Version: 2}}} {
		l := openLocal(t, streams.Options{MaxStreams: 1})
		appendTo(t, l, "a", 600)
		first := after["a"].Version + 1
		got := heard(t, l, streams.Subscription{Pattern: "a", After: after}, "caughtup", map[string]func(){fmt.Sprintf("a@%d", first): func() {
			deleteStream(t, l, "a")
			appendTo(t, l, "b", 1)
			deleteStream(t, l, "b")
			appendTo(t, l, "a", 2)
		}})
		var want []string
		for i := range uint64(256) { // were read before
			want = append(want, fmt.Sprintf("a@%d", first+i))
		}
		want = append(want, fmt.Sprintf("gap a %d-600 deleted", first+256), "a@1", "a@2", "caughtup")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %v: %s", after, diff)
		}
	}
}

// TestCheckpointAboveAStreamNumberedAnew: nothing of such a stream is what the reader has seen.
func TestCheckpointAboveAStreamNumberedAnew(t *testing.T) {
	l := openLocal(t, streams.Options{MaxStreams: 1})
	appendTo(t, l, "a", 6)
	deleteStream(t, l, "a")
	appendTo(t, l, "b", 1)
	deleteStream(t, l, "b")
	appendTo(t, l, "a", 2)
	got := heard(t, l, streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {Epoch: l.Epoch(), Version: 6}}}, "caughtup", nil)
	if diff := cmp.Diff([]string{"gap a 1-6 epoch", "a@1", "a@2", "caughtup"}, got); diff != "" {
		t.Error(diff)
	}
}
