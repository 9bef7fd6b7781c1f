package sinks

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// handle is what both checked stores share: the name for errors and the closed state.
type handle struct {
	driver string
	kind   string // "blobs" or "signals", in messages

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

func (h *handle) close(inner io.Closer) error {
	h.once.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		h.calls.Wait()
		h.closeErr = wrap(h.driver, "close", h.kind, inner.Close())
	})
	return h.closeErr
}

func (h *handle) acquire(ctx context.Context, inner io.Closer, c Claim) (generation uint64, err error) {
	err = h.do(ctx, "acquire", h.kind, func() error {
		generation, err = Acquire(ctx, inner, c)
		return err
	})
	return generation, err
}

func (h *handle) renew(ctx context.Context, inner io.Closer) error {
	return h.do(ctx, "renew", h.kind, func() error { return Renew(ctx, inner) })
}

func (h *handle) release(ctx context.Context, inner io.Closer) error {
	return h.do(ctx, "release", h.kind, func() error { return Release(ctx, inner) })
}

func (h *handle) verify(ctx context.Context, inner io.Closer) error {
	return h.do(ctx, "verify", h.kind, func() error { return Verify(ctx, inner) })
}

// exactReader fails unless r delivers exactly the promised number of bytes. It gives the last bytes away only when it
// knows that nothing follows, so that even a driver that stops reading there cannot store a wrong blob.
type exactReader struct {
	r         io.Reader
	size      int64
	remaining int64
	err       error // what every further call returns
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	if e.remaining > 0 {
		p = p[:min(int64(len(p)), e.remaining)]
		n, e.err = e.r.Read(p)
		if n < 0 || n > len(p) {
			e.err = fmt.Errorf("%w: reader returned a count of %d for %d bytes", ErrInvalid, n, len(p))
			return 0, e.err
		}
		e.remaining -= int64(n)
	}
	switch {
	case e.remaining > 0 && e.err == io.EOF: //nolint:errorlint // a wrapped EOF is a failure of the reader
		e.err = fmt.Errorf("%w: reader ended after %d of %d bytes", ErrInvalid, e.size-e.remaining, e.size)
		return 0, e.err
	case e.remaining > 0:
		return n, e.err
	case e.err == nil:
		e.err = e.probe()
	}
	if n == 0 || e.err != io.EOF { //nolint:errorlint // as above
		return 0, e.err
	}
	return n, nil
}

// probe returns io.EOF if r has ended.
func (e *exactReader) probe() error {
	var extra [1]byte
	for range 100 {
		n, err := e.r.Read(extra[:])
		if n != 0 {
			return fmt.Errorf("%w: reader delivers more than %d bytes", ErrInvalid, e.size)
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
