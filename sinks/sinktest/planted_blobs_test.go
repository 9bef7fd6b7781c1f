package sinktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

func inside(s *memstore.Space) sinks.BlobStore { return s.OpenBlobs() }

func checkedBlobs(s sinks.BlobStore) sinks.BlobStore { return sinks.CheckedBlobs("planted", s) }

// torn publishes what it got when the reader failed.
type torn struct{ sinks.BlobStore }

func (s torn) Put(ctx context.Context, name string, _ int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	return errors.Join(err, s.BlobStore.Put(context.WithoutCancel(ctx), name, int64(len(b)), bytes.NewReader(b)))
}

// swallowPut stores nothing when the reader failed, and does not say so.
type swallowPut struct{ sinks.BlobStore }

func (s swallowPut) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	err := s.BlobStore.Put(ctx, name, size, r)
	if errors.Is(err, errReader) {
		return nil
	}
	return err
}

// overwrite replaces.
type overwrite struct{ sinks.BlobStore }

func (s overwrite) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	return errors.Join(s.BlobStore.Delete(ctx, name), s.BlobStore.Put(ctx, name, size, r))
}

// anySize stores what comes.
type anySize struct{ sinks.BlobStore }

func (s anySize) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if size < 0 {
		return s.BlobStore.Put(ctx, name, size, r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, io.MultiReader(bytes.NewReader(b), failingReader{}))
	}
	return s.BlobStore.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

// byPath sorts as file systems do.
type byPath struct{ sinks.BlobStore }

func (s byPath) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	blobs, err := s.BlobStore.List(ctx, prefix, after, 0)
	slices.SortFunc(blobs, func(a, b sinks.Blob) int {
		return cmp.Compare(strings.ReplaceAll(a.Name, "/", "\x00"), strings.ReplaceAll(b.Name, "/", "\x00"))
	})
	if limit > 0 {
		blobs = blobs[:min(limit, len(blobs))]
	}
	return blobs, err
}

type noBlobLimit struct{ sinks.BlobStore }

func (s noBlobLimit) List(ctx context.Context, prefix, after string, _ int) ([]sinks.Blob, error) {
	return s.BlobStore.List(ctx, prefix, after, 0)
}

// bySegment takes the prefix for a directory.
type bySegment struct{ sinks.BlobStore }

func (s bySegment) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return s.BlobStore.List(ctx, prefix, after, limit)
}

type strictDelete struct{ sinks.BlobStore }

func (s strictDelete) Delete(ctx context.Context, name string) error {
	r, _, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), s.BlobStore.Delete(ctx, name))
}

type noDelete struct{ sinks.BlobStore }

func (noDelete) Delete(context.Context, string) error { return nil }

// plainErrors loses which driver and operation failed.
type plainErrors struct{ sinks.BlobStore }

func (s plainErrors) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	r, size, err := s.BlobStore.Open(ctx, name)
	if errors.Is(err, sinks.ErrNotFound) {
		return nil, 0, sinks.ErrNotFound
	}
	return r, size, err
}

var errClosedTwice = errors.New("closed twice")

type closeBlobsOnce struct {
	sinks.BlobStore
	closed bool
}

func (s *closeBlobsOnce) Close() error {
	if s.closed {
		return errClosedTwice
	}
	s.closed = true
	return s.BlobStore.Close()
}

// freeBlobs gives leases that nobody asks for when writing.
type freeBlobs struct {
	sinks.BlobStore
	leases *memstore.Space
}

func (s freeBlobs) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, s.leases.OpenBlobs(), c)
}

func (freeBlobs) Renew(context.Context) error { return nil }

func (freeBlobs) Release(context.Context) error { return nil }
