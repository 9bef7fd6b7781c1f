package pgstore

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// SetPoll changes how often Tail looks without a notification.
func (s *Signals) SetPoll(d time.Duration) { s.inner.poll = d }

// SetIdleLimit changes when a transaction is ended whose client hangs, for stores that the test opens.
func SetIdleLimit(t *testing.T, d time.Duration) {
	before := idleLimit
	idleLimit = d
	t.Cleanup(func() { idleLimit = before })
}

// Write runs f as the body of a transaction.
func (s *Signals) Write(ctx context.Context, f func()) error {
	return s.inner.db.write(ctx, nil, func(*tx) error {
		f()
		return nil
	})
}

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
