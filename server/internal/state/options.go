package state

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
)

// A Restore says which snapshot a server starts from.
type Restore string

// The ways to start.
const (
	Newest Restore = "newest" // the newest one; if it is damaged, Open fails
	Older  Restore = "older"  // the newest one that is whole
	Empty  Restore = "empty"  // none
)

// Names of the snapshots in their place.
const (
	StreamsName = "streams"
	MetricsName = "metrics"
)

// Options configures a State. Bad values are refused together by Open.
type Options struct {
	Data      string // directory; made if it does not exist
	Snapshots string // URL of blobs; empty: files below Data
	Signals   string // URL of signals; empty: SQLite below Data
	Owner     string // who, in messages of others; no secret
	Restore   Restore
	Ordinals  map[string]uint64 // by name of snapshots: this one and no other, whatever Restore says

	Streams      streams.Options
	MetricEvents int           // kept
	SignalCount  int           // in the window
	SignalAge    time.Duration // beyond which signals are not shown
	SignalKeep   uint64        // > 0: signals kept in their store, the newest
	NoSignals    bool          // signals are left as they are: State.Signals and Runs are nil, and nothing but Close may follow Open

	SnapshotInterval time.Duration // 0: time starts no snapshot
	SnapshotEvents   int           // 0: events start none
	Keep             int           // snapshots
	FinalTimeout     time.Duration // of Close

	Progress func(snapshot.Progress) // of restoring and saving; may be nil
	Logger   *slog.Logger            // nil means silence
}

// Validate returns what is wrong with the options, as far as it can be told without opening anything. Open does so too.
func (o *Options) Validate() error {
	var p []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			p = append(p, fmt.Errorf("%w: "+format, append([]any{streams.ErrOption}, args...)...))
		}
	}
	add(o.Data == "", "Data: empty")
	add(o.Restore != Newest && o.Restore != Older && o.Restore != Empty, "Restore: %q; newest, older or empty", o.Restore)
	add(o.MetricEvents < 1, "MetricEvents: %d; at least 1", o.MetricEvents)
	add(!o.NoSignals && o.SignalCount < 1, "SignalCount: %d; at least 1", o.SignalCount)
	add(!o.NoSignals && o.SignalAge <= 0, "SignalAge: %v; more than 0", o.SignalAge)
	add(o.SnapshotInterval < 0, "SnapshotInterval: %v; not negative", o.SnapshotInterval)
	add(o.SnapshotEvents < 0, "SnapshotEvents: %d; not negative", o.SnapshotEvents)
	add(o.Keep < 1, "Keep: %d; at least 1", o.Keep)
	add(o.FinalTimeout <= 0, "FinalTimeout: %v; more than 0", o.FinalTimeout)
	// Of these streams would take 0 for its default, which nobody asked for who says 0.
	add(o.Streams.Limits.Events == 0, "Streams.Limits.Events: 0; at least 1")
	add(o.Streams.MaxStreams == 0, "Streams.MaxStreams: 0; at least 1")
	add(o.Streams.MaxKeys == 0, "Streams.MaxKeys: 0; at least 1")
	add(o.Streams.KeyAge == 0, "Streams.KeyAge: 0; more than 0")
	_, err := streams.StoreOptions(o.Streams)
	return errors.Join(append(p, err)...)
}
