package sqlitestore_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// configurations are all that change how the contracts are kept.
var configurations = []struct {
	name    string
	options sqlitestore.Options
}{
	{"default", sqlitestore.Options{}},
	{"normal", sqlitestore.Options{Synchronous: sqlitestore.Normal}},
	{"limited", sqlitestore.Options{Synchronous: sqlitestore.Normal, MaxBytes: 64 << 20}},
}

func TestSignals(t *testing.T) {
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
				return sqlitestore.OpenSignals(ctx, filepath.Join(place, "signals.db"), &c.options)
			}, sinktest.Caps{})
		})
	}
}

func TestBlobs(t *testing.T) {
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
				return sqlitestore.OpenBlobs(ctx, filepath.Join(place, "blobs.db"), &c.options)
			}, sinktest.Caps{})
		})
	}
}

// rawURL names a database in a folder whatever its path holds.
func rawURL(place, query string) string {
	return (&url.URL{Scheme: "sqlite", Path: filepath.Join(place, "by url.db"), RawQuery: query}).String()
}

func TestByURL(t *testing.T) {
	t.Run("signals", func(t *testing.T) {
		sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
			return sinks.OpenSignals(ctx, rawURL(place, "synchronous=normal&busy_timeout=10s"))
		}, sinktest.Caps{})
	})
	t.Run("blobs", func(t *testing.T) {
		sinktest.Blobs(t, func(ctx context.Context, place string) (sinks.BlobStore, error) {
			return sinks.OpenBlobs(ctx, rawURL(place, "synchronous=normal&busy_timeout=10s&max_size=1GiB"))
		}, sinktest.Caps{})
	})
}
