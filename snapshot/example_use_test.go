package snapshot_test

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// Host is the main part of a program: it saves while work runs, and a last time when work returns or a signal comes.
func ExampleHost() {
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer blobs.Close()
	saver, err := snapshot.Open(ctx, blobs, core.Options[Sale]{}, snapshot.Options[Sale]{})
	if err != nil {
		panic(err)
	}
	err = snapshot.Host(ctx, saver, func(context.Context) error { // its context ends with SIGINT and SIGTERM
		_, err := saver.Store().Append(Sale{Shop: "Basel", Cents: 100})
		return err
	})
	fmt.Println(err, saver.Stats().AtRisk)
	// Output:
	// <nil> 0
}

// Load looks at the newest snapshot without taking over from the program that writes it.
func ExampleLoad() {
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer blobs.Close()
	saver, err := snapshot.Open(ctx, blobs, core.Options[Sale]{}, snapshot.Options[Sale]{Manual: true})
	if err != nil {
		panic(err)
	}
	defer saver.Close()
	_, _ = saver.Store().AppendBatch([]Sale{{Cents: 100}, {Cents: 250}})
	fmt.Println("saved:", saver.Save(ctx))

	store, report, err := snapshot.Load(ctx, blobs, core.Options[Sale]{}, snapshot.Options[Sale]{})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	fmt.Println(report.Events, store.Len(), "its own epoch:", store.Epoch() != saver.Store().Epoch())
	// Output:
	// saved: <nil>
	// 2 2 its own epoch: true
}

// A codec for events of a fixed size. The name stands in the snapshot and must change with the form.
func ExampleFixed() {
	codec := snapshot.Fixed("cents-1", 8,
		func(b []byte, s *Sale) { binary.LittleEndian.PutUint64(b, uint64(s.Cents)) },
		func(b []byte, s *Sale) error {
			s.Cents = int(binary.LittleEndian.Uint64(b))
			return nil
		})
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer blobs.Close()
	o := snapshot.Options[Sale]{Codec: codec, Manual: true}
	saver, _ := snapshot.Open(ctx, blobs, core.Options[Sale]{}, o)
	_, _ = saver.Store().Append(Sale{Shop: "is not saved", Cents: -5})
	fmt.Println(saver.Close())
	store, _, err := snapshot.Load(ctx, blobs, core.Options[Sale]{}, o)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	cut := store.Cut()
	defer cut.Close()
	fmt.Println(cut.View().Copy())
	// Output:
	// <nil>
	// [{ -5 0001-01-01 00:00:00 +0000 UTC}] <nil>
}
