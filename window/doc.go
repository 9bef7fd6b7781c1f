// Package window is a signal window: services raise named signals at about the price of an in-memory append, ask what
// happened lately by pattern, and find the same window again after a restart.
//
//	import _ "github.com/ephemera-go/ephemera/storage-sqlite" // registers the scheme sqlite
//
//	store, err := sinks.OpenSignals(ctx, "sqlite:///var/lib/app/signals.db")
//	defer store.Close() // after the window
//	w, err := window.New(ctx, window.Options{Store: store})
//	defer w.Close() // writes what is pending and returns the error
//	report, err := w.Load(ctx, window.LoadOptions{MaxAge: time.Hour})
//
//	completed, err := w.Intern("order.completed") // resolve a name once, raise it often
//	sequence, err := completed.Raise("order-17")
//	sequence, err = w.Raise("error:Timeout", "payments")
//
//	recent, err := w.Sense("order.*,error:*") // copies, oldest first
//	n, err := w.Count("error:*", time.Minute)
//	rate, err := w.Rate("order.*", 10*time.Second) // per second
//	last, err := w.Find("order.*").Key("order-17").Newest(5).Signals()
//
//	watcher, err := w.Watch("error:*", func(s window.Signal) { page(s) }, window.WatchOptions{
//		Policy: window.DropOldest,
//		OnGap:  func(g window.Gap) { log.Print(g) },
//	})
//	defer watcher.Stop() // no delivery after it returns
//
//	err = w.Flush(ctx) // everything raised before is durable when it returns nil
//
// # What the window shows
//
// Signals have a sequence, given in the order in which they were raised, 1 and up. A window on a Store goes on behind the
// last sequence that was ever stored; those of signals that an earlier run lost unwritten are given again. The window
// shows, of the newest Capacity signals, those that are not older than MaxAge by their own time; both limits are exact at
// every read. Memory is bounded by Capacity and MaxPending; age alone frees none. A read sees each signal whose Raise had
// returned, unless a Raise with a lower sequence is still running: the window shows a prefix without holes.
//
// # Patterns
//
// In a pattern * stands for any text, also the empty one and one with dots and colons, and ? for exactly one character.
// Everything else stands for itself; case matters; there is no escaping. Commas separate alternatives, blanks around
// them are dropped. The empty pattern is every signal. Matching takes time linear in the length of the name, whatever
// the pattern, and each pattern meets each name once, not each signal.
//
// # What is stored
//
// With a Store, every raised signal is pending until it was written. A goroutine writes in batches of MaxPerFlush, each
// one Append and so atomic, every FlushInterval, when HighWater signals are pending, on Flush and on Close. A failed
// batch stays pending and is tried again, after growing pauses and on Flush. MaxPending bounds what is pending; beyond it
// the Overload policy holds, and what it costs is counted. At any moment
//
//	raised            = persisted + pending + dropped
//	raised + restored = visible + discarded + cleared + expired
//
// Clear acts on memory only: what it forgets is written all the same, so that what reaches the disk does not depend on
// when the disk was written.
//
// # Diagnostics
//
// What the window does itself is told by signals too, in a window of their own that [Window.Diagnostics] returns. They
// take no room from the user's signals and never reach the store. No signal of the user has an effect on the window,
// whatever its name.
package window
