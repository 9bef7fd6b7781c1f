// Package streams keeps named, ordered streams of events in memory: appends that are conditional on a version and safe to
// repeat, reads from any version, and subscriptions that catch up, follow, and say exactly what they missed.
//
//	log, err := streams.New(streams.Options{})
//	defer log.Close()
//	result, err := log.Append(ctx, streams.Append{Stream: "orders/eu", Expect: streams.ExpectNoStream, Events: []streams.Event{
//		{ID: "o-17", Type: "order.placed", Data: []byte(`{"amount":12.5}`)},
//	}})
//	page, err := log.Read(ctx, streams.Read{Stream: "orders/eu"})
//
// [Log] is one interface: New keeps streams in this process, NewClient reaches those of another one over HTTP, and
// NewHandler serves any Log.
//
// # Versions
//
// The version of a stream is the number of events that were ever appended to it, 0 for none; the versions of its events are
// 1, 2, 3, … without gaps. Limits discard the oldest events and never lower a version. Versions are meaningful within one
// epoch, which every answer carries: a new one begins when the process lost events in a crash.
//
// # Appending
//
// A batch is stored whole or not at all, in one stream, with consecutive versions. Expect makes it depend on the version of
// the stream. An idempotency key, or the ids of the events, make it safe to repeat: an append whose key is known returns the
// first result and stores nothing, whatever Expect says. Checking, storing and remembering the key are one step. The memory
// for keys is bounded by number and age, per stream; see Options.
//
// # Reading
//
// Reads see every event whose Append had returned. What limits have discarded is told as a Gap, with the versions from, to
// and the cause.
//
// # Order
//
// Order is per stream. A subscription to several streams gets each in its order.
//
// # Snapshots
//
// A log that comes back after a restart is made over the store of a snapshot.Saver, with StoreOptions, Over and
// Saver.Attach; examples/getting-started/example_streams_test.go in the repository shows it whole.
package streams
