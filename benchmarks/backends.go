package benchmarks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"  // registers file
	_ "github.com/ephemera-go/ephemera/sinks/memstore"   // registers mem
	_ "github.com/ephemera-go/ephemera/storage-postgres" // registers postgres
	_ "github.com/ephemera-go/ephemera/storage-s3"       // registers s3
	_ "github.com/ephemera-go/ephemera/storage-sqlite"   // registers sqlite
)

// A Backend is a place for signals and blobs, with the options that its driver has by default.
type Backend struct {
	Name     string
	Variable string // of the environment, with the URL of a server; empty if the backend needs none
	place    func(server *url.URL, dir string) string
}

// Backends are those that are measured. A driver joins with an import above and a line here.
func Backends() []Backend {
	return []Backend{
		{"file", "", func(_ *url.URL, dir string) string { return "file://" + dir }},
		{"mem", "", func(*url.URL, string) string { return "mem://" }},
		{"sqlite", "", func(_ *url.URL, dir string) string { return "sqlite://" + path.Join(dir, "s.db") }},
		{"postgres", "EPHEMERA_TEST_POSTGRES", schema},
		{"s3", "EPHEMERA_TEST_S3", prefix},
	}
}

// schema and prefix give a folder its own part of a server. What is stored there stays: see README.md.
func schema(server *url.URL, dir string) string {
	u, query := *server, server.Query()
	query.Set("ephemera_schema", "bench_"+digest(dir))
	u.RawQuery = query.Encode()
	return u.String()
}

func prefix(server *url.URL, dir string) string {
	return server.JoinPath("bench-" + digest(dir)).String()
}

func digest(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}

// Available reports whether the backend can be measured here.
func (b Backend) Available() bool { return b.Variable == "" || os.Getenv(b.Variable) != "" }

// OpenSignals opens the store of signals that belongs to a folder, which exists and is used by nobody else.
func (b Backend) OpenSignals(ctx context.Context, dir string) (sinks.SignalStore, error) {
	place, err := b.url(dir)
	if err != nil {
		return nil, err
	}
	return sinks.OpenSignals(ctx, place)
}

// OpenBlobs is OpenSignals for blobs.
func (b Backend) OpenBlobs(ctx context.Context, dir string) (sinks.BlobStore, error) {
	place, err := b.url(dir)
	if err != nil {
		return nil, err
	}
	return sinks.OpenBlobs(ctx, place)
}

func (b Backend) url(dir string) (string, error) {
	var server *url.URL
	if b.Variable != "" {
		var err error
		if server, err = url.Parse(os.Getenv(b.Variable)); err != nil {
			return "", err
		}
	}
	return b.place(server, dir), nil
}
