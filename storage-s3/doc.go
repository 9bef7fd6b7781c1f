// Package s3store keeps signals and blobs of package sinks in a bucket of Amazon S3 or a server that speaks its protocol.
// Importing it registers the scheme s3:
//
//	import _ "github.com/ephemera-go/ephemera/storage-s3"
//
//	store, err := sinks.OpenBlobs(ctx, "s3://bucket/prefix?region=eu-west-1")
//	store, err := sinks.OpenSignals(ctx, "s3://bucket/prefix?endpoint=http://127.0.0.1:9000")
//
// Query keys are endpoint, region, path_style (true or false), attempts (a number) and read_only (true or false); they are
// fields of Options. Credentials never stand in a URL, see Options.Credentials. The bucket must exist; one prefix holds one
// log of signals and any number of blobs.
//
// # Conditional writes
//
// Everything rests on writes that the server refuses if somebody else has written: If-None-Match and If-Match on uploads.
// Opening a store for writing tries them on an object of its own, and refuses a server that ignores them with an error that
// is errors.ErrUnsupported. It does not go on with less.
//
// # Blobs
//
// A blob is one object and one upload, whole or not at all, of at most 5 GiB; a larger one is ErrTooLarge. Put takes its
// reader to the end before it sends anything: into memory up to 8 MiB, beyond that into a temporary file in os.TempDir. So
// a reader that fails stores nothing, and an upload whose reply is lost can be repeated: each Put marks its object, and
// looks there before it says ErrExists or ErrUnknownOutcome. Reading compares the checksum that was stored with the blob
// before it gives away the last bytes.
//
// # Signals
//
// The log is immutable objects, one for each Append, so append in batches; a batch takes at most 64 MiB. Appends of any
// number of handles and processes are put in order by the server. See docs/formats/signal-objects.md.
//
// # Failures
//
// A request that fails in a way that may pass is repeated Options.Attempts times, after random pauses that double up to 2
// s. Contexts end everything. What a call has confirmed is as durable as the server makes it. Errors name code and status,
// and errors.As finds the minio.ErrorResponse.
//
// # Lease
//
// Both stores implement sinks.Leaser. The TTL runs by the clock of the server; clocks of writers do not matter. Appends and
// trims of a handle whose lease was taken over are refused exactly. An object of a blob cannot be written on the condition
// that another object says something: Put and Delete ask for the lease before every attempt, and a request that is on its
// way when the lease is taken over still happens.
//
// All methods are safe for concurrent use. Appends and trims through one handle go one by one.
package s3store
