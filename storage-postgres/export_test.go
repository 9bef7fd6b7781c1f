package pgstore

import (
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// SetPoll changes how often Tail looks without a notification.
func (s *Signals) SetPoll(d time.Duration) { s.inner.poll = d }

// AddMigration makes this the version before until the end of the test.
func AddMigration(t *testing.T, sql string) {
	released := migrations
	migrations = append(slices.Clone(released), migration{released.last() + 1, "of a test", sql})
	t.Cleanup(func() { migrations = released })
}

// For tests of what no server does on demand.
var (
	Translate = translate
	Undecided = undecided
	Again     = again
)

// Sum is the checksum of a signal.
func Sum(s sinks.Signal) int64 { return sum(&s) }
