package telemetry_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
	tnoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/telemetry"
)

// printer stands for the SDK: it asks all callbacks and prints the counters that have counted something.
type printer struct {
	meter
	callbacks []metric.Callback
}

func (p *printer) RegisterCallback(f metric.Callback, o ...metric.Observable) (metric.Registration, error) {
	p.callbacks = append(p.callbacks, f)
	return p.meter.RegisterCallback(f, o...)
}

func (p *printer) print(ctx context.Context) {
	for _, f := range p.callbacks {
		_ = f(ctx, printed{})
	}
}

type printed struct{ observer }

func (printed) ObserveInt64(x metric.Int64Observable, v int64, _ ...metric.ObserveOption) {
	if c, ok := x.(intCounter); ok && v > 0 {
		fmt.Println(c.name, v, c.unit)
	}
}

func (printed) ObserveFloat64(metric.Float64Observable, float64, ...metric.ObserveOption) {}

func Example() {
	meter := new(printer)    // otel.Meter("shop") in a program with an SDK
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

	_, _ = saver.Store().AppendBatch([]int{1, 2, 3})
	meter.print(ctx)
	// Output:
	// ephemera.store.appended 3 {event}
}
