package pgstore_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// The suites wait for disks most of the time, so they run beside each other, after the tests that stop servers. Other
// configurations that change how the contracts are kept: TestPooler and TestOddSession.

func TestSignals(t *testing.T) {
	server(t)
	t.Parallel()
	signalSuite(t, server(t))
}

func TestBlobs(t *testing.T) {
	server(t)
	t.Parallel()
	blobSuite(t, server(t))
}

func signalSuite(t *testing.T, base *url.URL, pairs ...string) {
	s := newSchemas(t)
	sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return pgstore.OpenSignals(ctx, s.url(place, base, pairs...).String(), nil)
	}, sinktest.Caps{})
}

// blobSuite opens by the other scheme, through the drivers that are registered.
func blobSuite(t *testing.T, base *url.URL, pairs ...string) {
	s := newSchemas(t)
	other := *base
	other.Scheme = "postgresql"
	sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return sinks.OpenBlobs(ctx, s.url(place, &other, pairs...).String())
	}, sinktest.Caps{})
}
