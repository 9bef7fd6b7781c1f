package sinks

import (
	"context"
	"fmt"
	"io"
)

// mostEmptyReads is how often in a row a reader may deliver nothing without an error.
const mostEmptyReads = 100

// exactReader ends with its context, and fails unless r delivers exactly the promised number of bytes. It gives the last bytes away only when it
// knows that nothing follows, so that even a driver that stops reading there cannot store a wrong blob.
type exactReader struct {
	ctx       context.Context
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
		n, e.err = e.some(p[:min(int64(len(p)), e.remaining)])
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
	n, err := e.some(make([]byte, 1))
	if n != 0 {
		return fmt.Errorf("%w: reader delivers more than %d bytes", ErrInvalid, e.size)
	}
	return err
}

// some reads at least a byte, or returns an error.
func (e *exactReader) some(p []byte) (int, error) {
	for range mostEmptyReads {
		if err := e.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := e.r.Read(p)
		if n < 0 || n > len(p) {
			return 0, fmt.Errorf("%w: reader returned a count of %d for %d bytes", ErrInvalid, n, len(p))
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// content is what Open returns: it ends with its context, and it is an error when the driver delivers another number of
// bytes than it promised, such as those of a file that somebody has cut short.
type content struct {
	ctx    context.Context
	inner  io.ReadCloser
	driver string
	name   string
	size   int64
	left   int64
	err    error // what every further Read returns
	closed bool
	ended  error // of closing
}

func (c *content) Read(p []byte) (int, error) {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	n := 0
	if c.err == nil {
		n, c.err = c.inner.Read(p)
		n = c.count(n)
	}
	if c.err == nil || c.err == io.EOF { //nolint:errorlint // io.Reader asks for the bare one
		return n, c.err
	}
	c.err = wrap(c.driver, "read", c.name, c.err)
	return n, c.err
}

// count takes n bytes off what is left and returns how many of them the caller may have.
func (c *content) count(n int) int {
	switch most := c.left; {
	case int64(n) > most:
		c.err = fmt.Errorf("%w: more than its %d bytes", ErrCorrupt, c.size)
		n = int(most)
	case int64(n) < most && c.err == io.EOF: //nolint:errorlint // as above
		c.err = fmt.Errorf("%w: it ends after %d of %d bytes", ErrCorrupt, c.size-most+int64(n), c.size)
	}
	c.left -= int64(n)
	return n
}

// Close may be called again, like that of a store.
func (c *content) Close() error {
	if !c.closed {
		c.closed = true
		c.ended = wrap(c.driver, "close", c.name, c.inner.Close())
		c.err = wrap(c.driver, "read", c.name, ErrClosed)
	}
	return c.ended
}
