package sinks

import (
	"context"
	"io"
	"sync"
)

// handle is what both checked stores share: the name for errors, the closed state, and the methods that do not depend on
// what is stored. The optional ones go through the package functions, which know what to do when the driver has none.
type handle struct {
	driver string
	kind   string // "blobs" or "signals", in messages
	inner  io.Closer

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // grows only while closed is false, under mu

	once     sync.Once
	closeErr error
}

// begin lets one call in; the caller must call h.calls.Done when it succeeds.
func (h *handle) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	h.calls.Add(1)
	return nil
}

// do runs f as one call of the store.
func (h *handle) do(ctx context.Context, op, object string, f func() error) error {
	err := h.begin(ctx)
	if err == nil {
		defer h.calls.Done()
		err = f()
	}
	return wrap(h.driver, op, object, err)
}

func (h *handle) Close() error {
	h.once.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.calls.Wait()
		h.closeErr = wrap(h.driver, "close", h.kind, h.inner.Close())
	})
	return h.closeErr
}

func (h *handle) Acquire(ctx context.Context, c Claim) (generation uint64, err error) {
	err = h.do(ctx, "acquire", h.kind, func() error {
		generation, err = Acquire(ctx, h.inner, c)
		return err
	})
	return generation, err
}

func (h *handle) Renew(ctx context.Context) error {
	return h.do(ctx, "renew", h.kind, func() error { return Renew(ctx, h.inner) })
}

func (h *handle) Release(ctx context.Context) error {
	return h.do(ctx, "release", h.kind, func() error { return Release(ctx, h.inner) })
}

func (h *handle) Verify(ctx context.Context) error {
	return h.do(ctx, "verify", h.kind, func() error { return Verify(ctx, h.inner) })
}
