package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/sinks"
)

// A putter writes blobs, and tries again where that may help.
type putter struct {
	blobs    sinks.BlobStore
	attempts int
	backoff  Backoff
	logger   *slog.Logger
	retries  atomic.Uint64
}

func newPutter[E any](blobs sinks.BlobStore, o *Options[E]) *putter {
	return &putter{blobs: blobs, attempts: o.MaxAttempts, backoff: o.Backoff, logger: o.Logger}
}

// again calls f until it succeeds, as long as that may help, and returns how many tries it took. Closing stop ends it before
// the next try.
func (p *putter) again(ctx context.Context, stop <-chan struct{}, object string, f func() error) (tries int, err error) {
	for {
		tries++
		if err = f(); err == nil {
			return tries, nil
		}
		if ctx.Err() != nil || permanent(err) || tries >= p.attempts {
			return tries, wrap("save", object, err)
		}
		p.retries.Add(1)
		p.logger.WarnContext(ctx, "snapshot: trying again", "object", object, "try", tries, "error", err)
		if pause(ctx, stop, p.backoff.Delay(tries)) != nil {
			return tries, wrap("save", object, err)
		}
	}
}

// put writes a blob and returns how many tries it took. That the name is taken is fine if it holds the same, for then the
// answer to an earlier try was lost on the way; otherwise it is ErrConflict.
func (p *putter) put(ctx context.Context, stop <-chan struct{}, name string, blob []byte) (tries int, err error) {
	tries, err = p.again(ctx, stop, name, func() error {
		err := p.blobs.Put(ctx, name, int64(len(blob)), bytes.NewReader(blob))
		if errors.Is(err, sinks.ErrExists) {
			err = p.same(ctx, name, blob)
		}
		return err
	})
	if errors.Is(err, sinks.ErrUnknownOutcome) && ctx.Err() == nil && p.same(ctx, name, blob) == nil {
		return tries, nil
	}
	return tries, err
}

// same wants a blob to hold the given bytes.
func (p *putter) same(ctx context.Context, name string, want []byte) error {
	r, size, err := p.blobs.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if size == int64(len(want)) {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil {
			return err
		}
		if bytes.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("%w: another writer has put something else there", ErrConflict)
}
