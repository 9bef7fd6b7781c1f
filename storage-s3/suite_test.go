package s3store_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	_ "github.com/ephemera-go/ephemera/storage-s3"
)

func TestSignals(t *testing.T) {
	u := root(t)
	sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return sinks.OpenSignals(ctx, at(u, place))
	}, sinktest.Caps{})
}

func TestBlobs(t *testing.T) {
	u := root(t)
	sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return sinks.OpenBlobs(ctx, at(u, place))
	}, sinktest.Caps{})
}

// TestSuiteInMemory needs no server.
func TestSuiteInMemory(t *testing.T) {
	setCredentials(t)
	endpoint := httptestServer(t, newFake())
	u, err := url.Parse(placeOn(endpoint))
	must(t, err)
	t.Run("signals", func(t *testing.T) {
		sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
			return sinks.OpenSignals(ctx, at(u, place))
		}, sinktest.Caps{})
	})
	t.Run("blobs", func(t *testing.T) {
		sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
			return sinks.OpenBlobs(ctx, at(u, place))
		}, sinktest.Caps{})
	})
}
