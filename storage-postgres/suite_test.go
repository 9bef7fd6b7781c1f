package pgstore_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// Other configurations that change how the contracts are kept: TestPooler and TestOddSession.

func TestSignals(t *testing.T) { signalSuite(t, server(t)) }

func signalSuite(t *testing.T, base *url.URL, pairs ...string) {
	s := newSchemas(t)
	sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return pgstore.OpenSignals(ctx, s.url(place, base, pairs...).String(), nil)
	}, sinktest.Caps{})
}

func TestBlobs(t *testing.T) { blobSuite(t, server(t)) }

func blobSuite(t *testing.T, base *url.URL, pairs ...string) {
	s := newSchemas(t)
	sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return pgstore.OpenBlobs(ctx, s.url(place, base, pairs...).String(), nil)
	}, sinktest.Caps{})
}

func TestByURL(t *testing.T) {
	other := *server(t)
	other.Scheme = "postgresql"
	pairs := []string{"ephemera_retry_timeout", "10s", "ephemera_read_only", "false", "application_name", "suite"}
	t.Run("signals", func(t *testing.T) {
		s := newSchemas(t)
		sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
			return sinks.OpenSignals(ctx, s.url(place, &other, pairs...).String())
		}, sinktest.Caps{})
	})
	t.Run("blobs", func(t *testing.T) {
		s := newSchemas(t)
		sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
			return sinks.OpenBlobs(ctx, s.url(place, &other, pairs...).String())
		}, sinktest.Caps{})
	})
}
