package telemetry_test

import (
	"context"

	mnoop "go.opentelemetry.io/otel/metric/noop"
	tnoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/telemetry"
)

func Example() {
	meter := mnoop.Meter{}   // otel.Meter("shop") in a program with an SDK
	tracer := tnoop.Tracer{} // otel.Tracer("shop")

	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer func() { _ = blobs.Close() }()
	saver, err := snapshot.Open(ctx, blobs, core.Options[int]{}, snapshot.Options[int]{Observer: telemetry.Spans(tracer)})
	if err != nil {
		panic(err)
	}
	defer func() { _ = saver.Close() }()
	store, err := telemetry.Store(meter, "orders", saver.Store())
	if err != nil {
		panic(err)
	}
	defer func() { _ = store.Unregister() }()
	snapshots, err := telemetry.Snapshots(meter, "orders", saver)
	if err != nil {
		panic(err)
	}
	defer func() { _ = snapshots.Unregister() }()
}
