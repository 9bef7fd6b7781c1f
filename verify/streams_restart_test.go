package verify

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/window"
)

// town is a log of streams and a window that travel in one snapshot.
type town struct {
	saver *snapshot.Saver[streams.Record]
	log   *streams.Local
	win   *window.Window
}

func openTown(t *testing.T, blobs sinks.BlobStore) *town {
	t.Helper()
	ctx := context.Background()
	o := streams.Options{MaxKeys: 100}
	so, err := streams.StoreOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{}
	// Without a lease, because a process that crashes does not give one up.
	w.saver, err = snapshot.Open(ctx, blobs, so, snapshot.Options[streams.Record]{Codec: streams.Codec{}, Manual: true, NoLease: true})
	if err != nil {
		t.Fatal(err)
	}
	if w.log, err = streams.Over(w.saver.Store(), o); err != nil {
		t.Fatal(err)
	}
	if err := w.saver.Attach(w.log); err != nil {
		t.Fatal(err)
	}
	section, _ := w.saver.Section("window")
	if w.win, err = window.New(ctx, window.Options{Restored: section}); err != nil {
		t.Fatal(err)
	}
	if err := w.saver.Attach(w.win); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.crash)
	return w
}

// crash ends everything without a last snapshot.
func (w *town) crash() {
	_ = w.log.Close()
	_ = w.win.Close()
	_ = w.saver.Store().Close()
}

// TestStreamsAndWindowTravel restarts a log of streams and a window: after a final snapshot everything goes on, the epoch
// included; after a crash a suffix is lost, and readers are told exactly which.
func TestStreamsAndWindowTravel(t *testing.T) {
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blobs.Close() }()
	add := func(w *town, stream string, n int) (streams.Result, error) {
		return w.log.Append(ctx, streams.Append{Stream: stream, Events: []streams.Event{
			{ID: fmt.Sprint(n), Type: "t", Data: []byte(fmt.Sprintf(`{"n":%d}`, n))},
		}})
	}
	must := func(r streams.Result, err error) streams.Result {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	w := openTown(t, blobs)
	for n := range 50 {
		must(add(w, "a", n))
		must(add(w, fmt.Sprintf("many/%d", n), n))
		if _, err := w.win.Raise("seen", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.log.SetLimits(ctx, "many/7", streams.Limits{Events: 3}), w.log.Delete(ctx, "many/8")); err != nil {
		t.Fatal(err)
	}
	epoch := w.log.Epoch()
	if err := w.saver.Close(); err != nil {
		t.Fatal(err)
	}

	w = openTown(t, blobs) // behind a final snapshot
	if w.log.Epoch() != epoch {
		t.Error("a new epoch behind a final snapshot")
	}
	if r := must(add(w, "a", 49)); !r.Duplicate || r.First != 50 {
		t.Errorf("a key was forgotten: %+v", r)
	}
	if n, _ := w.win.Find("seen").Count(); n != 50 {
		t.Errorf("%d signals", n)
	}
	if i, err := w.log.Info(ctx, "many/7"); err != nil || i.Version != 1 || i.Limits.Events != 3 {
		t.Errorf("info %+v, %v", i, err)
	}
	if r := must(add(w, "many/8", 100)); r.First != 2 {
		t.Errorf("a deleted stream begins again at %d", r.First)
	}
	must(add(w, "a", 50))
	if err := w.saver.Save(ctx); err != nil {
		t.Fatal(err)
	}
	for n := 51; n < 60; n++ { // lost
		must(add(w, "a", n))
	}
	must(add(w, "lost", 1))
	w.crash()

	w = openTown(t, blobs)
	if w.log.Epoch() == epoch {
		t.Error("the epoch goes on behind a crash")
	}
	if i, err := w.log.Info(ctx, "a"); err != nil || i.Version != 51 {
		t.Errorf("version %d, %v", i.Version, err)
	}
	if i, err := w.log.Info(ctx, "lost"); err != nil || i.Exists {
		t.Errorf("a stream that no snapshot has: %+v, %v", i, err)
	}
	if r := must(add(w, "a", 50)); !r.Duplicate || r.First != 51 {
		t.Errorf("a key was forgotten: %+v", r)
	}
	if r := must(add(w, "a", 55)); r.Duplicate || r.First != 52 {
		t.Errorf("a lost event is known: %+v", r)
	}
	at := map[string]streams.Checkpoint{"a": {Epoch: epoch, Version: 60}, "many/1": {Epoch: epoch, Version: 1}}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var got []string
	for m, err := range w.log.Subscribe(wait, streams.Subscription{Pattern: "a,many/1", After: at}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == streams.MessageCaughtUp {
			break
		}
		got = append(got, fmt.Sprintf("%d %s %d %+v", m.Kind, m.Stream, m.Event.Version, m.Gap))
	}
	want := []string{
		fmt.Sprintf("1 a 0 %+v", streams.Gap{Stream: "a", From: 52, To: 60, Cause: streams.CauseEpoch}),
		fmt.Sprintf("0 a 52 %+v", streams.Gap{}),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("a subscriber of the old epoch got %q, want %q", got, want)
	}
}
