package snapshot

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A Report says what was restored.
type Report struct {
	Ordinal    uint64        // of the snapshot; 0: there was none, and the store is empty
	TakenAt    time.Time     // of the snapshot
	Age        time.Duration // of the snapshot when it was restored: at most this much time is missing
	Epoch      core.Epoch    // of the snapshot
	Final      bool          // the snapshot was taken after the store was closed
	NewEpoch   bool          // the store has an epoch of its own: events may have been appended that no snapshot has
	Partitions int           // with at least one event
	Events     uint64
	Bytes      int64 // read
	Took       time.Duration
	Skipped    []Skipped // newer snapshots that could not be restored, newest first
	Regrouped  bool      // the number of partitions is another one: events went where their keys say, under new sequences

	fixed int // partitions of the store if Regrouped
}

// Skipped is a snapshot that could not be restored.
type Skipped struct {
	Ordinal uint64
	Err     error
}

// String returns the report on one line.
func (r Report) String() string {
	if r.Ordinal == 0 {
		return "no snapshot: the store is empty"
	}
	s := fmt.Sprintf("snapshot %d of %s: %d events in %d partitions restored in %v", r.Ordinal,
		r.TakenAt.UTC().Format(time.RFC3339), r.Events, r.Partitions, r.Took.Round(time.Millisecond))
	switch {
	case r.Regrouped:
		s += "; regrouped by key, under new sequences"
	case r.NewEpoch && r.Final:
		s += "; a new epoch begins"
	case r.NewEpoch:
		s += fmt.Sprintf("; it is not final, so a new epoch begins: what was appended in the %v behind it is lost", r.Age.Round(time.Second))
	}
	var b strings.Builder
	b.WriteString(s)
	for _, x := range r.Skipped {
		fmt.Fprintf(&b, "; snapshot %d skipped: %v", x.Ordinal, x.Err)
	}
	return b.String()
}

// renumber returns the partition that took over from one of the snapshot.
func (r *Report) renumber(partition int) int {
	if r.Regrouped {
		return partition % r.fixed
	}
	return partition
}

func (r Report) attributes() []slog.Attr {
	return []slog.Attr{
		slog.Uint64("ordinal", r.Ordinal), slog.Uint64("events", r.Events), slog.Int64("bytes", r.Bytes),
		slog.Int("skipped", len(r.Skipped)),
	}
}
