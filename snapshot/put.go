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

// A putter writes blobs, trying again where that may help.
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

// put writes a blob and returns how many tries it took. That the name is taken is fine if it holds the same, for then the
// answer to an earlier try was lost on the way; otherwise it is ErrConflict. Closing stop ends it before the next try.
func (p *putter) put(ctx context.Context, stop <-chan struct{}, name string, blob []byte) (tries int, err error) {
	for {
		tries++
		err = p.blobs.Put(ctx, name, int64(len(blob)), bytes.NewReader(blob))
		if errors.Is(err, sinks.ErrExists) {
			err = p.same(ctx, name, blob)
		}
		if err == nil {
			return tries, nil
		}
		if ctx.Err() != nil || permanent(err) || tries >= p.attempts {
			break
		}
		p.retries.Add(1)
		p.logger.WarnContext(ctx, "snapshot: writing failed, trying again", "object", name, "try", tries, "error", err)
		if pause(ctx, stop, p.backoff.Delay(tries)) != nil {
			break
		}
	}
	if errors.Is(err, sinks.ErrUnknownOutcome) && ctx.Err() == nil && p.same(ctx, name, blob) == nil {
		return tries, nil
	}
	return tries, wrap("save", name, err)
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
