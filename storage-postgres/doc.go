// Package pgstore keeps signals and blobs of package sinks in a PostgreSQL database. Importing it registers the schemes
// postgres and postgresql:
//
//	import _ "github.com/ephemera-go/ephemera/storage-postgres"
//
//	store, err := sinks.OpenSignals(ctx, "postgres://app@db.example.com/app?sslmode=verify-full&ephemera_schema=events")
//
// The keys ephemera_schema (ephemera), ephemera_read_only (true or false) and ephemera_retry_timeout (5s) are the fields of
// Options. The other keys are those of pgx; docs/urls.md lists which are let through. Passwords are found where pgx looks
// for them: in the URL, PGPASSWORD, or the password file.
//
// A store has a schema of its own in the database, which is made and migrated when it is opened for writing. It holds one
// log of signals and any number of blobs. The signals stand in the table signals, one row each, for people to read with
// SQL. A schema that holds anybody else's tables is refused with sinks.ErrForeign and left alone.
//
// What a call has confirmed was committed and flushed by the server, also if synchronous_commit is off elsewhere. A call
// that loses its connection, or finds the server restarting, is repeated on a new connection for Options.RetryTimeout. If
// the answer to a COMMIT was lost, that repetition waits until the first transaction has ended and then sees whether it was
// committed; only if that cannot be found out the error is sinks.ErrUnknownOutcome. Every signal and every part of a blob
// carries a checksum that reading compares.
//
// Both stores implement sinks.Leaser and sinks.Verifier, the store of signals also sinks.Pruner. All methods are safe for
// concurrent use. Appends to one log go one by one, whoever makes them; everything else goes side by side. There is no
// timeout besides the contexts of the callers, those of the server, and one: a transaction whose client has said nothing for
// 3 seconds is undone by the server, so that nobody waits for it, and begins again if the client is still there.
//
// Errors are also *pgconn.PgError for errors.As where the server gave one; their text shows its SQLSTATE, not its message,
// because messages may quote values.
package pgstore
