package filestore_test

import (
	"context"
	"io"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

func openBlobs(ctx context.Context, place string) (sinks.BlobStore, error) {
	return sinks.OpenBlobs(ctx, "file://"+place)
}

func openSignals(ctx context.Context, place string) (sinks.SignalStore, error) {
	return sinks.OpenSignals(ctx, "file://"+place)
}

// openSmall has a log file for every few batches, so that every case crosses borders.
func openSmall(ctx context.Context, place string) (sinks.SignalStore, error) {
	return filestore.OpenSignals(ctx, place, &filestore.Options{MaxFileBytes: 1 << 10})
}

func TestBlobs(t *testing.T) { sinktest.Blobs(t, openBlobs, sinktest.Caps{}) }

func TestSignals(t *testing.T) { sinktest.Signals(t, openSignals, sinktest.Caps{}) }

func TestSignalsSmallFiles(t *testing.T) { sinktest.Signals(t, openSmall, sinktest.Caps{}) }

func BenchmarkBlobs(b *testing.B) { sinktest.BenchBlobs(b, openBlobs) }

func BenchmarkSignals(b *testing.B) { sinktest.BenchSignals(b, openSignals) }

func shut(t *testing.T, s io.Closer) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
