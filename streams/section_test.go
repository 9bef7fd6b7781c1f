package streams_test

import (
	"errors"
	"testing"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// restarted returns a log over a store that was restored from what another one holds now, as snapshots do, with the options
// of the new program.
func restarted(t *testing.T, store *core.Store[streams.Record], section []byte, o streams.Options) (*streams.Local, error) {
	t.Helper()
	so, err := streams.StoreOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	cut := store.Cut()
	defer cut.Close()
	so.Epoch = store.Epoch()
	for _, number := range store.PartitionNumbers()[1:] {
		limits, err := store.Limits(number)
		if err != nil {
			t.Fatal(err)
		}
		limits.StartAt, _, _ = cut.Bounds(number)
		so.Restore.Added = append(so.Restore.Added, core.AddedPartition{Number: number, PartitionOptions: limits})
	}
	so.Restore.Events = func(yield func(core.Block[streams.Record], error) bool) {
		for _, number := range store.PartitionNumbers() {
			for b := range cut.Blocks(number, 0) {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
	back, err := core.New(so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Close() })
	l, err := streams.Over(back, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, l.LoadSection(section)
}

func logOver(t *testing.T, o streams.Options) (*streams.Local, *core.Store[streams.Record]) {
	t.Helper()
	so, err := streams.StoreOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	store, err := core.New(so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	l, err := streams.Over(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, store
}

func sectionOf(t *testing.T, l *streams.Local, store *core.Store[streams.Record]) []byte {
	t.Helper()
	section, err := l.SaveSection(func(partition int) (first, next uint64) {
		cut := store.Cut(partition)
		defer cut.Close()
		first, next, _ = cut.Bounds(partition)
		return first, next
	})
	if err != nil {
		t.Fatal(err)
	}
	return section
}

// TestOtherLimitsAfterARestart: a stream without limits of its own follows the defaults of the program that runs, in what it
// keeps and not only in what Info says; one with its own keeps these.
func TestOtherLimitsAfterARestart(t *testing.T) {
	for _, events := range []int{5, 20} {
		l, store := logOver(t, streams.Options{Limits: streams.Limits{Events: 10}})
		if err := l.SetLimits(t.Context(), "own", streams.Limits{Events: 7}); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			appendOne(t, l, "default")
			appendOne(t, l, "own")
		}
		back, err := restarted(t, store, sectionOf(t, l, store), streams.Options{Limits: streams.Limits{Events: events}})
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			appendOne(t, back, "default")
			appendOne(t, back, "own")
		}
		for stream, want := range map[string]int{"default": events, "own": 7} {
			if i, err := back.Info(t.Context(), stream); err != nil || i.Events != want || i.Limits.Events != want || i.Version != 60 {
				t.Errorf("%s: %+v, %v; want %d events", stream, i, err, want)
			}
		}
	}
}

// TestLimitsSetWhileASnapshotIsTaken: those of the section count, which is written last.
func TestLimitsSetWhileASnapshotIsTaken(t *testing.T) {
	l, store := logOver(t, streams.Options{})
	appendOne(t, l, "a")
	before := sectionOf(t, l, store)
	if err := l.SetLimits(t.Context(), "a", streams.Limits{Events: 3}); err != nil {
		t.Fatal(err)
	}
	for _, section := range [][]byte{before, sectionOf(t, l, store)} {
		back, err := restarted(t, store, section, streams.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			appendOne(t, back, "a")
		}
		i, err := back.Info(t.Context(), "a")
		if want := min(i.Limits.Events, 11); err != nil || i.Events != want {
			t.Errorf("%+v, %v; want %d events", i, err, want)
		}
	}
}

// TestSectionNamesAPartitionTwice: two streams never share a partition, nor a name.
func TestSectionNamesAPartitionTwice(t *testing.T) {
	l, store := logOver(t, streams.Options{})
	appendOne(t, l, "a")
	appendOne(t, l, "b")
	good := sectionOf(t, l, store)
	for _, change := range []struct{ at, to byte }{{'b', 'a'}, {2, 1}} {
		bad := append([]byte(nil), good...)
		for i := len(bad) - 1; i > 17; i-- { // behind version and epoch, and the number of streams
			if bad[i] == change.at && (change.at == 'b' || bad[i-1] == 'b') {
				bad[i] = change.to
				break
			}
		}
		if string(bad) == string(good) {
			t.Fatal("nothing was changed")
		}
		if _, err := restarted(t, store, bad, streams.Options{}); err == nil {
			t.Errorf("%d for %d is accepted", change.to, change.at)
		}
	}
}

// TestNumbersOfPartitionsEnd: when the store has given its last number, there are too many streams.
func TestNumbersOfPartitionsEnd(t *testing.T) {
	so, err := streams.StoreOptions(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	so.Restore.Added = []core.AddedPartition{{Number: core.MaxPartitionNumbers - 1, PartitionOptions: core.PartitionOptions{Capacity: 1}}}
	store, err := core.New(so)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	l, err := streams.Over(store, streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{Data: []byte(`1`)}}})
	if !errors.Is(err, streams.ErrTooManyStreams) || !errors.Is(err, core.ErrPartitionNumbers) {
		t.Error(err)
	}
}
