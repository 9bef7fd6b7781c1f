// Package sqlitestore keeps signals and blobs of package sinks in a SQLite file. Importing it registers the scheme
// sqlite:
//
//	import _ "github.com/ephemera-go/ephemera/storage-sqlite"
//
//	store, err := sinks.OpenSignals(ctx, "sqlite:///var/lib/app/signals.db?busy_timeout=5s")
//
// The path may be relative, as in sqlite:./data/signals.db. Missing folders and a missing file are made. Query keys are
// busy_timeout (a duration, 5s), synchronous (full or normal), max_size (such as 1GiB) and read_only (true or false); they
// are the fields of Options. One file holds one log of signals and any number of blobs.
//
// Signals stand in the table signals, one row each, for people to read with SQL: id is the sequence, timestamp is UTC
// in fixed-width RFC 3339, so that its text order is time order. A database of the system that this one succeeds is
// migrated when it is opened for writing; its table stays, as predecessor_signals. A database of anybody else is
// refused with sinks.ErrForeign and left alone.
//
// What a call has confirmed survives the end of the process, always. It survives a power cut too with synchronous=full,
// the default, if the disk keeps what it says it has. Every signal and every part of a blob carries a checksum that
// reading compares.
//
// Both stores implement sinks.Leaser and sinks.Verifier, the store of signals also sinks.Pruner. All methods are safe for
// concurrent use; writes go one by one through one connection, reads go beside them.
//
// Writer is that connection for use with tables of one's own.
package sqlitestore
