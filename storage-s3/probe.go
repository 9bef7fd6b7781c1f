package s3store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// tidyPatience bounds what is done after the end of a context.
const tidyPatience = 5 * time.Second

// probe finds out whether the server honours conditions of writes; everything rests on them. It writes an object of its
// own, four times, and removes it.
func (b *bucket) probe(ctx context.Context) error {
	key := b.key("probe-" + rand.Text())
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyPatience)
		defer cancel()
		if err := b.remove(ctx, key, anytime); err != nil {
			b.log.Warn("s3: an object that probed the server stays behind", "key", key, "error", err)
		}
	}()
	if err := b.put(ctx, key, bodyOf([]byte("1")), ifAbsent, anytime); err != nil {
		return fmt.Errorf("writing an object to probe the server: %w", err)
	}
	first, err := b.probed(ctx, key)
	if err != nil {
		return err
	}
	steps := []struct {
		content, header string
		c               condition
		want            error
	}{
		{"2", "If-None-Match", ifAbsent, errLost},
		{"3", "If-Match", condition{etag: "00000000000000000000000000000000"}, errLost},
		{"4", "If-Match", condition{etag: first.etag}, nil},
	}
	for _, s := range steps {
		err := b.put(ctx, key, bodyOf([]byte(s.content)), s.c, anytime)
		switch {
		case errors.Is(err, s.want): // nil is nil
		case err == nil || errors.Is(err, errLost):
			return fmt.Errorf("%w: the server does not honour %s on uploads; without it writers cannot be kept apart", errors.ErrUnsupported, s.header)
		default:
			return fmt.Errorf("probing %s: %w", s.header, err)
		}
	}
	return nil
}

func (b *bucket) probed(ctx context.Context, key string) (o object, err error) {
	err = b.try(ctx, func() error {
		o, err = b.head(ctx, key)
		return err
	})
	if err != nil {
		return o, fmt.Errorf("reading an object to probe the server: %w", err)
	}
	return o, nil
}
