// Package snapshot lets a store of any event type come back after a restart where it was, from any place that a
// sinks.BlobStore keeps: files, SQLite, S3, Postgres, chosen by one URL.
//
//	blobs, err := sinks.OpenBlobs(ctx, "file:///var/lib/app/snapshots")
//	defer blobs.Close()
//	saver, err := snapshot.Open(ctx, blobs, core.Options[Order]{Capacity: 1_000_000}, snapshot.Options[Order]{})
//	orders := saver.Store()   // restored, or empty
//	err = snapshot.Host(ctx, saver, func(ctx context.Context) error {
//		return serve(ctx, orders)
//	}) // saves now and then, and a last time when serve has returned; err tells what was not saved
//
// # What is saved
//
// A snapshot is a manifest that points at immutable objects. Each holds blocks of events; a new snapshot writes only the
// events that are new since the last one and shares the rest, so it costs what has changed. Small blocks are written
// together with newer ones later on, each event a logarithmic number of times. Partitions are cut one after the other,
// not at one instant; of each, the snapshot is a contiguous prefix of what was published.
//
// With the events travel sequences, interned names, the time floor of Purge, the limits of added partitions, and the
// sections of other parts of the program (see Attach), such as what rollups know of events that left.
//
// # Progress
//
// Appenders never wait for a snapshot. It reads pinned cuts; a writer that has stalled between reserving and publishing
// makes the snapshot end before its event, never fail. Until the events of a partition are encoded, those that leave the
// store stay in memory, at most what the store held when the snapshot began. Beside them a snapshot takes a few megabytes
// for each of MaxConcurrent, and the manifest. The next snapshot waits for the one before; Save is safe at any time.
//
// # Restoring
//
// Open restores the newest snapshot that is whole. One with a damaged or missing part is skipped for the one before, and
// the Report says so; nothing is deleted then. If there are snapshots and none is whole, Open fails. It fails, too, and
// goes back to nothing older, on any doubt: a blob store that cannot be reached, a newer format, another Schema, a
// codec that cannot read what is whole.
//
// The epoch of the store goes on only if the snapshot is final, taken by Close, and nobody has opened it since. Otherwise
// events may have been appended that no snapshot has, and a new epoch begins: sequences go on from where the snapshot
// ends, and the manifest remembers how far the old epoch was kept.
//
// # Loss
//
// What was appended after the last snapshot is lost in a crash: Stats.AtRisk events, no older than Stats.Age. Whatever else
// happened to the store since then is undone: Clear, Purge, partitions that were added or removed, new limits and names.
package snapshot
