package s3store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/ephemera-go/ephemera/sinks"
)

// A condition is what must hold for a write to happen.
type condition struct {
	etag string // of the object that is to be replaced; "" means that there must be none
}

var ifAbsent = condition{}

// headerCRC is no metadata, in spite of where the SDK wants it: servers that know it compare it with the body, and Amazon
// S3 insists on it where objects are locked.
const headerCRC = "x-amz-checksum-crc32c"

var errNoETag = errors.New("the reply is not one to an upload")

// put stores a body under a key if the condition holds, else it returns errLost. allow says before each attempt whether
// it may be made. After an attempt whose outcome is unknown the object itself tells whether it was this call that wrote
// it; if it cannot be asked, the error is ErrUnknownOutcome.
func (b *bucket) put(ctx context.Context, key string, content *body, c condition, allow func(context.Context) error) error {
	writer := rand.Text()
	var doubt error // why an attempt may have succeeded unnoticed
	for attempt := 1; ; attempt++ {
		if err := allow(ctx); err != nil {
			return inDoubt(doubt, err)
		}
		err := b.putOnce(ctx, key, content, c, writer)
		if err == nil {
			return nil
		}
		verdict := judge(err)
		err = translate(err)
		if verdict == unsure {
			doubt = err
		}
		if ctx.Err() != nil {
			return inDoubt(doubt, ctx.Err())
		}
		if verdict == unsure || verdict == lost {
			owner, errOwner := b.owner(ctx, key, c, writer, verdict)
			switch {
			case owner == ours:
				return nil
			case owner == theirs:
				return errLost
			case owner == nobodyKnows && verdict == lost:
				// Who refused may have repeated the request and refused the repetition.
				return inDoubt(errOwner, errOwner)
			}
		}
		if verdict == refused || attempt == b.attempts {
			return inDoubt(doubt, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return inDoubt(doubt, err)
		}
	}
}

func (b *bucket) putOnce(ctx context.Context, key string, content *body, c condition, writer string) error {
	o := minio.PutObjectOptions{
		UserMetadata: map[string]string{
			metaWriter: writer, metaCRC: fmt.Sprintf("%08x", content.crc),
			headerCRC: base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, content.crc)),
		},
		// The checksum of the whole body is in the signature already.
		DisableContentSha256: true,
	}
	if c.etag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(c.etag)
	}
	done, err := b.client.PutObject(ctx, b.name, key, io.NewSectionReader(content.content, 0, content.size), content.size, "", content.sha256, o)
	if err == nil && done.ETag == "" {
		err = errNoETag
	}
	return err
}

type ownership int

const (
	nobodyKnows ownership = iota
	nobody                // the object is absent, or the one that was to be replaced
	ours
	theirs
)

// owner finds out who wrote an object after an attempt to write it.
func (b *bucket) owner(ctx context.Context, key string, c condition, writer string, verdict fate) (ownership, error) {
	var o object
	ask := func() (err error) {
		o, err = b.head(ctx, key)
		return err
	}
	var err error
	if verdict == lost {
		err = b.try(ctx, ask)
	} else {
		err = translate(ask()) // the upload is tried again in any case
	}
	switch {
	case errors.Is(err, sinks.ErrNotFound) && c.etag == "":
		return nobody, nil
	case errors.Is(err, sinks.ErrNotFound), errors.Is(err, sinks.ErrForeign):
		return theirs, nil
	case err != nil:
		return nobodyKnows, err
	case o.writer == writer:
		return ours, nil
	case o.etag == c.etag:
		return nobody, nil
	}
	return theirs, nil
}
