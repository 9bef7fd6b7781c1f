package memstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

// spaces leads from the place that the suite gives to a Space.
var spaces sync.Map

func space(place string) *memstore.Space {
	s, _ := spaces.LoadOrStore(place, new(memstore.Space))
	return s.(*memstore.Space)
}

func openBlobs(_ context.Context, place string) (sinks.BlobStore, error) {
	return space(place).OpenBlobs(), nil
}

func openSignals(_ context.Context, place string) (sinks.SignalStore, error) {
	return space(place).OpenSignals(), nil
}

func TestBlobs(t *testing.T) { sinktest.Blobs(t, openBlobs, sinktest.Caps{}) }

func TestSignals(t *testing.T) { sinktest.Signals(t, openSignals, sinktest.Caps{}) }

func BenchmarkBlobs(b *testing.B) { sinktest.BenchBlobs(b, openBlobs) }

func BenchmarkSignals(b *testing.B) { sinktest.BenchSignals(b, openSignals) }
