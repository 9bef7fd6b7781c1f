package faultstore

import (
	"context"
	"errors"
	"io"

	"github.com/ephemera-go/ephemera/sinks"
)

const driver = "fault"

// Blobs returns a store that calls inner unless the plan says otherwise. Closing it closes inner. It can do what inner
// can do beyond the contract.
func Blobs(inner sinks.BlobStore, plan *Plan) sinks.BlobStore {
	return sinks.CheckedBlobs(driver, &blobs{common: common{plan: plan, inner: inner}, inner: inner})
}

// common is what both kinds of store have.
type common struct {
	plan  *Plan
	inner io.Closer
}

// do runs call as the plan says.
func (c *common) do(ctx context.Context, op string, call func() error) error {
	r, err := c.plan.begin(ctx, op)
	switch {
	case err != nil:
		return err
	case r == nil:
		return call()
	case r.action == lostReply:
		_ = call() // whatever it says is lost
	}
	return r.err()
}

func (c *common) Verify(ctx context.Context) error {
	return c.do(ctx, "verify", func() error { return sinks.Verify(ctx, c.inner) })
}

func (c *common) Acquire(ctx context.Context, claim sinks.Claim) (generation uint64, err error) {
	err = c.do(ctx, "acquire", func() error {
		generation, err = sinks.Acquire(ctx, c.inner, claim)
		return err
	})
	return generation, err
}

func (c *common) Renew(ctx context.Context) error {
	return c.do(ctx, "renew", func() error { return sinks.Renew(ctx, c.inner) })
}

func (c *common) Release(ctx context.Context) error {
	return c.do(ctx, "release", func() error { return sinks.Release(ctx, c.inner) })
}

// Close always closes the store beneath; an injected error comes on top.
func (c *common) Close() error {
	closed := false
	err := c.do(context.Background(), "close", func() error {
		closed = true
		return c.inner.Close()
	})
	if !closed {
		err = errors.Join(err, c.inner.Close())
	}
	return err
}

type blobs struct {
	common
	inner sinks.BlobStore
}

func (b *blobs) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	fault, err := b.plan.begin(ctx, "put")
	switch {
	case err != nil:
		return err
	case fault == nil:
		return b.inner.Put(ctx, name, size, r)
	case fault.action == partial:
		return b.inner.Put(ctx, name, size, &brokenReader{r: r, left: fault.amount, err: fault.err()})
	case fault.action == lostReply:
		_ = b.inner.Put(ctx, name, size, r) // whatever it says is lost
	}
	return fault.err()
}

func (b *blobs) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	fault, err := b.plan.begin(ctx, "open")
	if err != nil {
		return nil, 0, err
	}
	if fault != nil && fault.action == fail {
		return nil, 0, fault.err()
	}
	content, size, err := b.inner.Open(ctx, name)
	if fault != nil && fault.action == lostReply {
		if err == nil {
			_ = content.Close() // whatever it says is lost
		}
		return nil, 0, fault.err()
	}
	if err != nil || fault == nil {
		return content, size, err
	}
	return &brokenContent{brokenReader{r: content, left: fault.amount, err: fault.err()}, content}, size, nil
}

func (b *blobs) List(ctx context.Context, prefix, after string, limit int) (list []sinks.Blob, err error) {
	err = b.do(ctx, "list", func() error {
		list, err = b.inner.List(ctx, prefix, after, limit)
		return err
	})
	return list, err
}

func (b *blobs) Delete(ctx context.Context, name string) error {
	return b.do(ctx, "delete", func() error { return b.inner.Delete(ctx, name) })
}

// brokenReader fails after some bytes, whatever r would do next.
type brokenReader struct {
	r    io.Reader
	left uint64
	err  error
}

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(uint64(len(p)), b.left)])
	b.left -= uint64(n)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

type brokenContent struct {
	brokenReader
	io.Closer
}
