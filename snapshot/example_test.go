package snapshot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// Sale is the event of the examples.
type Sale struct {
	Shop  string
	Cents int
	At    time.Time
}

// saleCodec is optional: without a codec, events are saved as JSON.
func saleCodec() snapshot.Codec[Sale] {
	return snapshot.Columns(
		snapshot.TextColumn(func(s *Sale) *string { return &s.Shop }),
		snapshot.IntColumn(func(s *Sale) *int { return &s.Cents }),
		snapshot.TimeColumn(func(s *Sale) *time.Time { return &s.At }),
	)
}

// A program that is stopped and started again goes on where it was. With another URL it does so on files, SQLite, S3 or
// Postgres.
func ExampleOpen() {
	ctx := context.Background()
	start := func() (*snapshot.Saver[Sale], sinks.BlobStore) {
		blobs, err := sinks.OpenBlobs(ctx, "mem://example-open")
		if err != nil {
			panic(err)
		}
		saver, err := snapshot.Open(ctx, blobs, core.Options[Sale]{Capacity: 1000}, snapshot.Options[Sale]{Codec: saleCodec()})
		if err != nil {
			panic(err)
		}
		return saver, blobs
	}

	saver, blobs := start()
	fmt.Println(saver.Report())
	go func() { _ = saver.Run(ctx) }() // saves every five minutes, and every 100,000 events
	for cents := range 3 {
		pos, err := saver.Store().Append(Sale{Shop: "Basel", Cents: cents})
		fmt.Println(pos, err)
	}
	fmt.Println("closed:", saver.Close()) // takes the final snapshot
	_ = blobs.Close()

	again, blobs := start()
	defer blobs.Close()
	defer again.Close()
	r := again.Report()
	fmt.Println(r.Events, "events restored; new epoch:", r.NewEpoch)
	fmt.Println(again.Store().Append(Sale{Shop: "Basel", Cents: 3}))
	fmt.Println(again.Stats().AtRisk, "event at risk")
	// Output:
	// no snapshot: the store is empty
	// 0@0 <nil>
	// 0@1 <nil>
	// 0@2 <nil>
	// closed: <nil>
	// 3 events restored; new epoch: false
	// 0@3 <nil>
	// 1 event at risk
}

// till counts what was taken, which the events alone do not tell once the oldest have left.
type till struct{ Total int }

func (t *till) SectionName() string { return "till" }

func (t *till) SaveSection(func(partition int) (first, next uint64)) ([]byte, error) {
	return json.Marshal(t)
}

func (t *till) LoadSection(data []byte) error { return json.Unmarshal(data, t) }

// What belongs to a store, but is not made of its events, travels in its snapshots as a section.
func ExampleSaver_Attach() {
	ctx := context.Background()
	run := func(cents int) {
		blobs, err := sinks.OpenBlobs(ctx, "mem://example-attach")
		if err != nil {
			panic(err)
		}
		defer blobs.Close()
		saver, err := snapshot.Open(ctx, blobs, core.Options[Sale]{}, snapshot.Options[Sale]{})
		if err != nil {
			panic(err)
		}
		defer saver.Close()
		t := new(till)
		if err := saver.Attach(t); err != nil { // loads the section, if there is one
			panic(err)
		}
		t.Total += cents
		fmt.Println(t.Total, saver.Save(ctx))
	}
	run(100)
	run(250)
	// Output:
	// 100 <nil>
	// 350 <nil>
}

// Snapshots move from any place to any other. Verify reads every byte without restoring anything.
func ExampleCopy() {
	ctx := context.Background()
	from, err := sinks.OpenBlobs(ctx, "mem://example-copy-from")
	if err != nil {
		panic(err)
	}
	defer from.Close()
	to, err := sinks.OpenBlobs(ctx, "mem://example-copy-to")
	if err != nil {
		panic(err)
	}
	defer to.Close()

	saver, err := snapshot.Open(ctx, from, core.Options[Sale]{}, snapshot.Options[Sale]{Manual: true})
	if err != nil {
		panic(err)
	}
	for day := range 2 {
		_, _ = saver.Store().Append(Sale{Shop: "Bern", Cents: day})
		_ = saver.Save(ctx)
	}
	_, _ = saver.Store().Append(Sale{Shop: "Bern", Cents: 2})
	fmt.Println(saver.Close())

	done, err := snapshot.Copy(ctx, from, to, snapshot.CopyOptions{})
	fmt.Println(done.Snapshots, "snapshots copied,", err)
	found, err := snapshot.Verify(ctx, to, snapshot.DefaultName, nil)
	fmt.Println(err)
	for _, s := range found.Snapshots {
		fmt.Println(s.Ordinal, s.Manifest.Events(), "events, final:", s.Manifest.Final)
	}
	// Output:
	// <nil>
	// 3 snapshots copied, <nil>
	// <nil>
	// 1 1 events, final: false
	// 2 2 events, final: false
	// 3 3 events, final: true
}
