package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/ephemera-go/ephemera/sinks"
)

// content makes bytes that differ from blob to blob and do not compress.
func content(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
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

func putSomething(ctx context.Context, s sinks.BlobStore, n uint64) error {
	return put(ctx, s, fmt.Sprintf("lease/%d", n), content(n, 10))
}
