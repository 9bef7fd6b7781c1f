package sinktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/ephemera-go/ephemera/sinks"
)

// content makes bytes that differ from blob to blob and do not compress.
func content(seed uint64, size int) []byte {
	random := rand.NewPCG(seed, uint64(size))
	b := make([]byte, 0, size+8)
	for len(b) < size {
		b = binary.LittleEndian.AppendUint64(b, random.Uint64())
	}
	return b[:size]
}

func put(ctx context.Context, s sinks.BlobStore, name string, b []byte) error {
	return s.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

// get reads a whole blob and holds it to the size that Open and List give.
func get(ctx context.Context, s sinks.BlobStore, name string) ([]byte, error) {
	r, size, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	err = errors.Join(err, r.Close())
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("blob %s has %d bytes, Open said %d", name, len(b), size)
	}
	return b, err
}

// holds checks that a blob is there with these bytes.
func holds(ctx context.Context, s sinks.BlobStore, name string, want []byte) error {
	b, err := get(ctx, s, name)
	if err != nil {
		return fmt.Errorf("reading blob %s: %w", name, err)
	}
	if !bytes.Equal(b, want) {
		return fmt.Errorf("blob %s holds %d bytes that are not the %d bytes that were put", name, len(b), len(want))
	}
	return nil
}

// absent checks that a blob neither opens nor is listed.
func absent(ctx context.Context, s sinks.BlobStore, name string) error {
	if r, _, err := s.Open(ctx, name); !errors.Is(err, sinks.ErrNotFound) {
		if err == nil {
			_ = r.Close()
		}
		return fmt.Errorf("opening blob %s, which must be absent, returned %s", name, say(err))
	}
	list, err := s.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	for _, b := range list {
		if b.Name == name {
			return fmt.Errorf("blob %s, which must be absent, is listed", name)
		}
	}
	return nil
}

// names checks a listing.
func names(ctx context.Context, s sinks.BlobStore, prefix, after string, limit int, want ...string) error {
	list, err := s.List(ctx, prefix, after, limit)
	if err != nil {
		return fmt.Errorf("listing %q after %q, limit %d: %w", prefix, after, limit, err)
	}
	got := make([]string, len(list))
	for i, b := range list {
		got[i] = b.Name
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("listing %q after %q, limit %d: got %q, want %q", prefix, after, limit, got, want)
	}
	return nil
}

// all returns the first error of steps. All of them run, in order, whatever the earlier ones return.
func all(steps ...error) error {
	for _, err := range steps {
		if err != nil {
			return err
		}
	}
	return nil
}

var blobContract = contract[sinks.BlobStore]{
	write: func(ctx context.Context, s sinks.BlobStore, n uint64) error {
		return put(ctx, s, numbered(n), content(n, 10))
	},
	holds: func(ctx context.Context, s sinks.BlobStore, numbers ...uint64) error {
		var want []string
		for _, n := range numbers {
			want = append(want, numbered(n))
		}
		err := names(ctx, s, "", "", 0, want...)
		for _, n := range numbers {
			if err == nil {
				err = holds(ctx, s, numbered(n), content(n, 10))
			}
		}
		return err
	},
	calls: []call[sinks.BlobStore]{
		{"Put", func(ctx context.Context, s sinks.BlobStore) error { return put(ctx, s, "number/other", nil) }},
		{"Open", func(ctx context.Context, s sinks.BlobStore) error {
			r, _, err := s.Open(ctx, numbered(1))
			if err == nil {
				err = r.Close()
			}
			return err
		}},
		{"List", func(ctx context.Context, s sinks.BlobStore) error { _, err := s.List(ctx, "", "", 0); return err }},
		removeBlob,
	},
	removals: []call[sinks.BlobStore]{removeBlob},
}

var removeBlob = call[sinks.BlobStore]{"Delete", func(ctx context.Context, s sinks.BlobStore) error {
	return s.Delete(ctx, numbered(1))
}}

func numbered(n uint64) string { return fmt.Sprintf("number/%06d", n) }
