// Package core is a lock-free in-memory event store that forgets on purpose: it keeps the last N events or the last T
// of time, appends in nanoseconds from any number of goroutines, and answers exact questions about what it holds.
//
//	s, err := core.New(core.Options[Order]{
//		Capacity: 1_000_000,
//		Time:     func(o *Order) time.Time { return o.At },
//	})
//	defer s.Close() // ends the background goroutine
//	pos, err := s.Append(order)
//
//	cut := s.Cut() // a consistent view; writers go on
//	defer cut.Close()
//	n, err := cut.Within(5 * time.Second).Count()
//	sum, err := core.Sum(cut.View(), func(o *Order) float64 { return o.Amount })
//
// # Model
//
// A store has partitions; a partition is a chain of segments; a segment is an array of events. An event's [Position]
// is its partition and its sequence there. Sequences are dense. A slot is written once and then published by one
// atomic operation; readers see published prefixes only. Capacity and Clear move the logical start of a partition
// and never touch a slot; whole segments are unlinked later and reused when nobody can see them, or else left to the
// garbage collector. So readers never see a torn, stale or missing event, and nobody ever waits for a reader.
//
// # Placement
//
// The zero [Options] give one partition with one total order. With Options.Key an event goes to the partition that its
// key hashes to. With Options.Lanes every appending goroutine borrows a partition of its own, which scales with cores
// at the price of a total order. A [Producer] owns a partition alone and appends at half the price.
//
// # Progress
//
// Append, AppendTo, AppendIf, AppendBatch and Producer appends are lock-free: they wait for no reader, callback, fold
// or other writer. (Go's allocator and collector may still pause a goroutine.) Opening and closing a [Cut] and reading
// from it are lock-free too. With Options.Lanes an append takes a lock when it hands out a lane or opens it for sharing, which is
// rare. With Options.OnStats the append that crosses a multiple of StatsInterval takes the locks of Stats and waits for
// the callback. Clear, Purge, Ledger, Stats, rollup queries with Retain, and the background goroutine share locks among
// themselves, never with other appends.
//
// # Saving and restoring
//
// Most programs save a store with package snapshot and need none of this. What it is built on is public, so that another
// way to save can be, too. [Store.Layout], [Store.Limits], [Store.PurgedBefore] and [Store.NextPartition] tell what the store is like;
// [Cut.Bounds] tells the sequences that a cut holds of a partition, and [Cut.Blocks] yields the events. A later store gets
// all that from Options: Epoch, StartAt and KeyNames, and in a [Restore] the events and, as [AddedPartition], the
// partitions that AddPartition had made. [Rollup.Past] and [Rollup.Inherit] carry what a rollup knows of events that have
// left.
//
// # Cost
//
// An event takes its own size plus one bit; three spare segments of up to 1,024 slots come on top of each partition
// (Options.MemoryEstimate). A partition of few events takes about 1 KiB.
package core
