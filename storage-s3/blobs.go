package s3store

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	blobDir = "blobs/"
	// blobMark ends the key of every blob. Some servers keep objects as files, where a and a/b cannot both exist; a! and
	// a/b! can. It lies below every byte that a name may hold, so that the order of keys is that of names.
	blobMark = "!"
)

// blobStore is used through sinks.CheckedBlobs.
type blobStore struct {
	*control
	dir string // of the keys
}

func openBlobs(ctx context.Context, name, prefix string, o *Options) (*blobStore, error) {
	b, err := newBucket(name, prefix, o)
	if err != nil {
		return nil, err
	}
	s := &blobStore{control: newControl(b, "blobs.state"), dir: b.key(blobDir)}
	if err := s.start(ctx); err != nil {
		s.discard()
		return nil, b.explain(err)
	}
	return s, nil
}

// start makes sure that the bucket can be listed and, unless the store is read-only, written to as it must be.
func (s *blobStore) start(ctx context.Context) error {
	if err := s.bucket.list(ctx, s.dir, "", 1, func(string, int64) bool { return false }); err != nil {
		return err
	}
	if s.bucket.readOnly {
		return nil
	}
	if err := s.bucket.probe(ctx); err != nil {
		return err
	}
	return s.create(ctx)
}

func (s *blobStore) key(name string) string { return s.dir + name + blobMark }

// Put implements sinks.BlobStore. The body is all there before its upload begins.
func (s *blobStore) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if size > inMemory {
		// Refuse early what would be refused in the end.
		if err := s.free(ctx, name); err != nil {
			return err
		}
	}
	content, err := receive(r, size)
	if err != nil {
		return err
	}
	defer content.close()
	err = s.bucket.put(ctx, s.key(name), content, ifAbsent, s.allow)
	if errors.Is(err, errLost) {
		return sinks.ErrExists
	}
	return err
}

// free returns ErrExists if a name is taken.
func (s *blobStore) free(ctx context.Context, name string) error {
	if err := s.allow(ctx); err != nil {
		return err
	}
	err := s.bucket.try(ctx, func() error {
		_, err := s.bucket.head(ctx, s.key(name))
		return err
	})
	switch {
	case errors.Is(err, sinks.ErrNotFound):
		return nil
	case err == nil || errors.Is(err, sinks.ErrForeign):
		return sinks.ErrExists
	}
	return err
}

// Open implements sinks.BlobStore.
func (s *blobStore) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	content, o, err := s.bucket.open(ctx, s.key(name))
	if errors.Is(err, sinks.ErrNotFound) && !noBucket(err) {
		err = sinks.ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	return &blobReader{ctx: ctx, name: name, content: content, left: o.size, want: o.crc, sum: crc32.New(castagnoli)}, o.size, nil
}

// List implements sinks.BlobStore. What has no name of a blob is not ours and is passed over.
func (s *blobStore) List(ctx context.Context, prefix, after string, limit int) (blobs []sinks.Blob, err error) {
	if !possible(prefix) {
		return nil, nil // some servers refuse it
	}
	bound, page := "", maxPage
	if after != "" {
		bound = s.key(after)
	}
	if limit > 0 {
		page = limit
	}
	err = s.bucket.list(ctx, s.dir+prefix, bound, page, func(key string, size int64) bool {
		name, ours := strings.CutSuffix(strings.TrimPrefix(key, s.dir), blobMark)
		if ours && sinks.CheckBlobName(name) == nil {
			blobs = append(blobs, sinks.Blob{Name: name, Size: size})
		}
		return limit == 0 || len(blobs) < limit
	})
	return blobs, err
}

// possible reports whether a name can begin with prefix.
func possible(prefix string) bool {
	i := strings.LastIndexByte(prefix, '/')
	return (i < 0 || sinks.CheckBlobName(prefix[:i]) == nil) && !strings.HasPrefix(prefix[i+1:], ".")
}

// Delete implements sinks.BlobStore.
func (s *blobStore) Delete(ctx context.Context, name string) error {
	return s.bucket.remove(ctx, s.key(name), s.allow)
}

// Acquire implements sinks.Leaser.
func (s *blobStore) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	generation, _, err := s.acquire(ctx, c)
	return generation, err
}

// Renew implements sinks.Leaser.
func (s *blobStore) Renew(ctx context.Context) error {
	_, err := s.renew(ctx)
	return err
}

// Verify implements sinks.Verifier: it reads every blob.
func (s *blobStore) Verify(ctx context.Context) error {
	blobs, err := s.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	for _, b := range blobs {
		r, _, err := s.Open(ctx, b.Name)
		if errors.Is(err, sinks.ErrNotFound) {
			continue // deleted since it was listed
		}
		if err == nil {
			err = copyAll(io.Discard, r)
			_ = r.Close()
		}
		if err != nil {
			return fmt.Errorf("blob %s: %w", b.Name, err)
		}
	}
	return nil
}

// Close implements sinks.BlobStore.
func (s *blobStore) Close() error { return s.close() }

// blobReader ends with io.EOF only if every byte came and their checksum is right. Until that is known it keeps the last
// bytes back, so that nobody takes a damaged blob for a whole one.
type blobReader struct {
	ctx     context.Context
	name    string
	content io.ReadCloser
	left    int64
	want    uint32
	sum     hash.Hash32
	err     error // what every further call returns
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.content.Read(p)
	b.left -= int64(n)
	_, _ = b.sum.Write(p[:n]) // a checksum takes everything
	ended := err == io.EOF    // a wrapped one is a failure
	switch {
	case b.left == 0 && (ended || err == nil && n > 0):
		if b.sum.Sum32() != b.want {
			return 0, b.fail(fmt.Errorf("%w: checksum", sinks.ErrCorrupt))
		}
		b.err = io.EOF
		if n > 0 {
			return n, nil
		}
		return 0, io.EOF
	case ended:
		return n, b.fail(io.ErrUnexpectedEOF)
	case err != nil && b.ctx.Err() != nil:
		return n, b.fail(b.ctx.Err())
	case err != nil:
		return n, b.fail(translate(err))
	}
	return n, nil
}

func (b *blobReader) fail(err error) error {
	b.err = &sinks.Error{Op: "read", Driver: scheme, Object: b.name, Err: err}
	return b.err
}

func (b *blobReader) Close() error {
	b.err = sinks.ErrClosed
	_ = b.content.Close() // nothing was written, and what was read is known to be right or wrong
	return nil
}
