// Package sinks defines where blobs and signals are kept: two small contracts, [BlobStore] and [SignalStore], and the
// way from a URL to a driver.
//
//	import _ "github.com/ephemera-go/ephemera/sinks/filestore" // registers the scheme file
//
//	store, err := sinks.OpenSignals(ctx, "file:///var/lib/app") // in /var/lib/app/signals
//	defer store.Close()
//	err = store.Append(ctx, []sinks.Signal{{Sequence: 1, Time: time.Now(), Name: "order.completed"}})
//	latest, err := store.ReadNewest(ctx, 0, 100)
//
// # Drivers
//
// Package filestore keeps both in files, memstore in memory; other modules bring databases and object stores. Every
// driver passes package sinktest, and package faultstore wraps any of them with failures made to order. Package process
// tells drivers whether the holder of a lease still lives.
//
// # More than the contract
//
// What only some drivers can do is an optional interface: [Pruner], [Leaser], [Verifier]. Callers use the functions
// [Prune], [Acquire], [Hold], [Verify], which fall back where that is possible and else return an error that is
// [errors.ErrUnsupported]. A decorator implements the optional interfaces by calling those functions on the store
// beneath it.
//
// # Errors
//
// Errors are the sentinels of this package, wrapped once in an [*Error] that names the driver, the operation and the
// object. A done context fails a call before it does anything; when a context ends while a write is under way, the
// error says so, and whether the write happened is unknown. Repeating it is safe.
//
// # Concurrency
//
// All methods of all stores may be called from any number of goroutines.
package sinks
