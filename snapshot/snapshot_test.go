package snapshot_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

type order struct {
	Customer string
	Amount   float64
	At       time.Time
}

func columns() snapshot.Codec[order] {
	return snapshot.Columns(
		snapshot.TextColumn(func(o *order) *string { return &o.Customer }),
		snapshot.FloatColumn(func(o *order) *float64 { return &o.Amount }),
		snapshot.TimeColumn(func(o *order) *time.Time { return &o.At }),
	)
}

func openBlobs(t testing.TB, url string) sinks.BlobStore {
	t.Helper()
	b, err := sinks.OpenBlobs(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestOnFiles is a whole life of a store on a file system: growing, saved often, closed, and opened again.
func TestOnFiles(t *testing.T) {
	ctx := context.Background()
	blobs := openBlobs(t, "file://"+t.TempDir())
	o := core.Options[order]{Capacity: 200_000, Partitions: 3, MaxKeys: 100, Key: func(o order) string { return o.Customer }}
	so := snapshot.Options[order]{Codec: columns(), Manual: true}
	s, err := snapshot.Open(ctx, blobs, o, so)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 150_000 {
		if _, err := s.Store().Append(order{fmt.Sprintf("c%d", i%50), float64(i%1000) / 100, time.Unix(int64(i), 0).UTC()}); err != nil {
			t.Fatal(err)
		}
		if i%15_000 == 0 {
			if err := s.Save(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := snapshot.Verify(ctx, blobs, "store", nil)
	if err != nil || len(v.Unused)+len(v.Foreign) > 0 || len(v.Snapshots) != snapshot.DefaultKeep {
		t.Fatal(err, v)
	}
	again, err := snapshot.Open(ctx, blobs, o, so)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if r := again.Report(); r.Events != 150_000 || r.NewEpoch {
		t.Fatal(r)
	}
	if a, b := s.Store().Len(), again.Store().Len(); a != b {
		t.Fatalf("%d events, want %d", b, a)
	}
	a, b := s.Store().Cut(), again.Store().Cut()
	defer a.Close()
	defer b.Close()
	for pos, e := range a.All() {
		_, x, ok := b.From(pos).First()
		if !ok || *x != *e {
			t.Fatalf("%v: %v, want %v", pos, x, e)
		}
	}
	if s.Store().Epoch() != again.Store().Epoch() {
		t.Error("the epoch of a final snapshot does not go on")
	}
}
