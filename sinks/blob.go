package sinks

import (
	"context"
	"io"
)

// BlobStore keeps immutable blobs under names. A name is '/'-separated segments of 1 to 128 bytes of [a-z0-9._-], no
// segment starts with a dot, and the whole name has at most 512 bytes; anything else is ErrInvalid. A name may also be
// the beginning of another one: "a" and "a/b" may both exist. All methods are safe for concurrent use.
type BlobStore interface {
	// Put stores the bytes of r under name. When it returns nil the blob is durable and visible; otherwise it is
	// absent or, if the error is ErrUnknownOutcome or the context's, absent or whole. A name that is taken is
	// ErrExists, whatever it holds. r must deliver exactly size bytes and then io.EOF; otherwise Put fails with
	// ErrInvalid, or with the error of r, and stores nothing. r must not use the store.
	Put(ctx context.Context, name string, size int64, r io.Reader) error

	// Open returns the content of a blob, to be closed by the caller, and its size in bytes. An absent blob is
	// ErrNotFound. The content delivers exactly that many bytes, or an error: ErrNotFound if the blob was deleted
	// meanwhile, ErrCorrupt if the driver can tell damage; not every one can, so what must be right has a checksum of
	// its own. The end of ctx ends reading too. A content is for one goroutine.
	Open(ctx context.Context, name string) (io.ReadCloser, int64, error)

	// List returns the blobs whose names start with prefix and are greater than after, ascending by the bytes of
	// their names, at most limit of them; limit 0 means all, other than in SignalStore.Read, and a negative one is
	// ErrInvalid. Fewer than limit means that there are no more. prefix
	// and after need not be whole names, but hold only bytes that names may hold. What is put or deleted during the
	// call may be in the result or not; everything else is in it once.
	List(ctx context.Context, prefix, after string, limit int) ([]Blob, error)

	// Delete removes a blob for good. An absent blob is no error.
	Delete(ctx context.Context, name string) error

	// Close waits for the calls in progress, gives up a lease, and frees what the store holds. Later calls of
	// Close return the same; all other methods return ErrClosed. Contents opened before may fail afterwards.
	Close() error
}

// A Blob is one entry of a listing.
type Blob struct {
	Name string
	Size int64 // bytes
}
