package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ephemera-go/ephemera/sinks"
)

// What every object carries with it.
const (
	metaWriter = "ephemera-writer" // random, different for every write
	metaCRC    = "ephemera-crc32c" // Castagnoli checksum of the content, 8 hexadecimal digits
)

// An object is what a reply says about one.
type object struct {
	size    int64
	etag    string
	writer  string
	crc     uint32
	changed time.Time // by the clock of the server, to the second
	now     time.Time // when it replied, by the same clock; zero if it did not say
}

var errSize = errors.New("the server does not say how large the object is")

func newObject(i minio.ObjectInfo, h http.Header) (object, error) {
	o := object{size: i.Size, etag: i.ETag, changed: i.LastModified}
	if i.Size < 0 {
		return o, errSize
	}
	var sum string
	for name, value := range i.UserMetadata {
		switch strings.ToLower(name) {
		case metaWriter:
			o.writer = value
		case metaCRC:
			sum = value
		}
	}
	crc, err := strconv.ParseUint(sum, 16, 32)
	if err != nil || len(sum) != 8 || o.writer == "" {
		return o, stop{fmt.Errorf("%w: it has no checksum of this driver", sinks.ErrForeign)}
	}
	o.crc = uint32(crc)
	if now, err := http.ParseTime(h.Get("Date")); err == nil {
		o.now = now
	}
	return o, nil
}

// head returns what there is to know about an object.
func (b *bucket) head(ctx context.Context, key string) (object, error) {
	i, err := b.client.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
	if err != nil {
		return object{}, err
	}
	return newObject(i, nil)
}

// open returns the content of an object, which is not compared with its checksum yet.
func (b *bucket) open(ctx context.Context, key string) (content io.ReadCloser, o object, err error) {
	err = b.try(ctx, func() error {
		var i minio.ObjectInfo
		var h http.Header
		content, i, h, err = b.client.GetObject(ctx, b.name, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		if o, err = newObject(i, h); err != nil {
			_ = content.Close() // it was only read from
		}
		return err
	})
	return content, o, err
}

// read returns a whole object of at most that many bytes. Memory grows with the bytes that arrive.
func (b *bucket) read(ctx context.Context, key string, most int64) (content []byte, o object, err error) {
	err = b.try(ctx, func() error {
		var r io.ReadCloser
		if r, o, err = b.open(ctx, key); err != nil {
			return stop{err}
		}
		content, err = io.ReadAll(io.LimitReader(r, most+1))
		_ = r.Close()
		return err
	})
	switch {
	case err != nil:
		return nil, o, err
	case int64(len(content)) > most:
		return nil, o, fmt.Errorf("%w: an object of %d bytes; at most %d", sinks.ErrCorrupt, o.size, most)
	case checksum(content) != o.crc:
		return nil, o, fmt.Errorf("%w: checksum", sinks.ErrCorrupt)
	}
	return content, o, nil
}

// readStart returns the first n bytes of an object, or as many as there are. They are not compared with its checksum.
func (b *bucket) readStart(ctx context.Context, key string, n int) (content []byte, err error) {
	var o minio.GetObjectOptions
	if err := o.SetRange(0, int64(n)-1); err != nil {
		return nil, err
	}
	err = b.try(ctx, func() error {
		r, _, _, err := b.client.GetObject(ctx, b.name, key, o)
		if err != nil {
			return err
		}
		content, err = io.ReadAll(io.LimitReader(r, int64(n)))
		_ = r.Close()
		return err
	})
	return content, err
}

// remove removes an object; an absent one is no error.
func (b *bucket) remove(ctx context.Context, key string, allow func(context.Context) error) error {
	return b.tryWrite(ctx, allow, func() error {
		err := b.client.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{})
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil
		}
		return err
	})
}

// removeAll removes up to 1,000 objects in one request.
func (b *bucket) removeAll(ctx context.Context, keys []string) error {
	return b.tryWrite(ctx, anytime, func() error {
		results, err := b.client.RemoveObjectsWithIter(ctx, b.name, func(yield func(minio.ObjectInfo) bool) {
			for _, key := range keys {
				if !yield(minio.ObjectInfo{Key: key}) {
					return
				}
			}
		}, minio.RemoveObjectsOptions{})
		if err != nil {
			return err
		}
		for r := range results {
			if r.Err != nil && minio.ToErrorResponse(r.Err).Code != minio.NoSuchKey {
				err = r.Err
			}
		}
		return errors.Join(err, ctx.Err())
	})
}
