package s3store_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

// The server must be there: what these figures say is how many requests a call makes, and how fast it answers.

func BenchmarkSignals(b *testing.B) {
	u := root(b)
	sinktest.BenchSignals(b, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return sinks.OpenSignals(ctx, at(u, place))
	})
}

func BenchmarkBlobs(b *testing.B) {
	u := root(b)
	open := func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return sinks.OpenBlobs(ctx, at(u, place))
	}
	sinktest.BenchBlobs(b, open)
	b.Run("put/bytes=35", func(b *testing.B) {
		s, err := open(b.Context(), b.TempDir())
		must(b, err)
		for n := 0; b.Loop(); n++ {
			must(b, put(b.Context(), s, fmt.Sprintf("b/%d", n), []byte(strings.Repeat("x", 35))))
		}
		must(b, s.Close())
	})
	b.Run("open/bytes=35", func(b *testing.B) {
		s, err := open(b.Context(), b.TempDir())
		must(b, err)
		must(b, put(b.Context(), s, "b", []byte(strings.Repeat("x", 35))))
		for b.Loop() {
			r, _, err := s.Open(b.Context(), "b")
			must(b, err)
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			must(b, r.Close())
		}
		must(b, s.Close())
	})
}

// BenchmarkLease is what a lease costs beside the writes.
func BenchmarkLease(b *testing.B) {
	u := root(b)
	s := openBlobs(b, u.String())
	_, err := sinks.Acquire(b.Context(), s, sinks.Claim{TTL: time.Hour})
	must(b, err)
	for b.Loop() {
		must(b, sinks.Renew(b.Context(), s))
	}
}
