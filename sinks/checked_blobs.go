package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// checkedBlobs has the optional interfaces through its handle.
type checkedBlobs struct {
	handle
	inner BlobStore
}

// CheckedBlobs returns s with everything that all drivers need: arguments are checked before the driver sees them,
// errors are wrapped in one *Error that names driver, what Put reads and Open returns is held to its size and ends with its
// context, and the closed state is kept: s.Close is called once, when no call is in progress. Drivers return their stores through it. A
// checked store is returned as it is.
//
// The driver may rely on valid names and on a limit of at least 0. It must consume the reader of Put until io.EOF or an
// error, and store nothing on an error.
func CheckedBlobs(driver string, s BlobStore) BlobStore {
	if c, ok := s.(*checkedBlobs); ok {
		return c
	}
	return &checkedBlobs{handle: handle{driver: driver, kind: "blobs", inner: s}, inner: s}
}

func (c *checkedBlobs) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	return c.do(ctx, "put", object(name), func() error {
		if err := CheckBlobName(name); err != nil {
			return err
		}
		if size < 0 || r == nil {
			return fmt.Errorf("%w: size %d, reader %T", ErrInvalid, size, r)
		}
		exact := &exactReader{ctx: ctx, r: r, size: size, remaining: size}
		if size == 0 {
			// A driver may have no reason to read at all.
			if _, err := exact.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		return c.inner.Put(ctx, name, size, exact)
	})
}

func (c *checkedBlobs) Open(ctx context.Context, name string) (r io.ReadCloser, size int64, err error) {
	err = c.do(ctx, "open", object(name), func() error {
		if err := CheckBlobName(name); err != nil {
			return err
		}
		r, size, err = c.inner.Open(ctx, name)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return &content{ctx: ctx, inner: r, driver: c.driver, name: name, size: size, left: size}, size, nil
}

func (c *checkedBlobs) List(ctx context.Context, prefix, after string, limit int) (blobs []Blob, err error) {
	err = c.do(ctx, "list", object(prefix), func() error {
		if limit < 0 {
			return fmt.Errorf("%w: limit %d", ErrInvalid, limit)
		}
		if err := errors.Join(checkBlobPart("prefix", prefix), checkBlobPart("bound", after)); err != nil {
			return err
		}
		blobs, err = c.inner.List(ctx, prefix, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return blobs, nil
}

func (c *checkedBlobs) Delete(ctx context.Context, name string) error {
	return c.do(ctx, "delete", object(name), func() error {
		if err := CheckBlobName(name); err != nil {
			return err
		}
		return c.inner.Delete(ctx, name)
	})
}

// object is a name as it may stand in a message; it may be hostile.
func object(name string) string {
	if checkBlobPart("", name) == nil {
		return name
	}
	return show(name)
}
