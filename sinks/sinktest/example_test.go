package sinktest_test

import (
	"context"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

// A driver's test hands the suite a way to open its stores.
func Example() {
	_ = func(t *testing.T) {
		sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
			return filestore.OpenSignals(ctx, place, nil)
		}, sinktest.Caps{})
	}
}
