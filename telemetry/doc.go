// Package telemetry tells OpenTelemetry about stores, windows and snapshots: metrics that are read when somebody collects
// them, and spans of the work on snapshots. It uses the API of OpenTelemetry only; the program brings the SDK and its
// exporters.
//
//	meter, tracer := otel.Meter("shop"), otel.Tracer("shop")
//	saver, err := snapshot.Open(ctx, blobs, options, snapshot.Options[Order]{Observer: telemetry.Spans(tracer)})
//	registration, err := telemetry.Store(meter, "orders", saver.Store())
//	defer registration.Unregister()
//
// Nothing is added to the path of an append or a raise: instruments are observed by a callback, once per collection, at
// the price of Stats. Counters are of this run; a restart begins them anew. Every instrument carries the attribute
// ephemera.name. Names of metrics and their units are part of the interface.
package telemetry
