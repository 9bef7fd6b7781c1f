package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

type copyCmd struct {
	From    string `arg:"" help:"URL to copy from; docs/urls.md."`
	To      string `arg:"" help:"URL to copy to."`
	Newest  bool   `help:"The newest snapshot of each name only."`
	Signals bool   `help:"Copy signals instead of snapshots."`
}

func (copyCmd) Help() string {
	return `Copies snapshots, byte by byte and checked on the way, between places of any kind. It can be repeated after an interruption:
what is there already is not written again. With --signals it copies the log of signals.

Examples:

  ephemera copy file:./data/snapshots 's3://bucket/events'
  ephemera copy 's3://bucket/events' file:./data/snapshots --newest
  ephemera copy sqlite:./data/signals.db 'postgres://db.internal/app' --signals`
}

func (c *copyCmd) Run(w *world) error {
	ctx, cancel := w.until()
	defer cancel()
	if c.Signals && c.Newest {
		return fmt.Errorf("%w: --newest is about snapshots; --signals copies all that the target does not have", errUsage)
	}
	if c.Signals {
		return c.signals(ctx, w)
	}
	from, err := openSource(ctx, c.From, sinks.OpenBlobs)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := sinks.OpenBlobs(ctx, c.To)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	names, err := snapshot.Names(ctx, from)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%w in %s", snapshot.ErrNoSnapshot, sinks.Redact(c.From))
	}
	var failed []error
	for _, name := range names {
		done, err := snapshot.Copy(ctx, from, to, snapshot.CopyOptions{Name: name, Newest: c.Newest, Progress: w.progress})
		failed = append(failed, lacking(err))
		if w.json {
			if err := w.line(map[string]any{
				"name": name, "snapshots": done.Snapshots, "objects": done.Objects, "present": done.Present, "bytes": done.Bytes,
				"skipped": len(done.Skipped),
			}); err != nil {
				return err
			}
			continue
		}
		w.say("%s: %d snapshots, %d objects, %d bytes copied; %d blobs were there; %d damaged snapshots left out", name,
			done.Snapshots, done.Objects, done.Bytes, done.Present, len(done.Skipped))
	}
	return errors.Join(failed...)
}

// openSource makes nothing: who mistypes where to copy from must not be told that all of it is copied. What an older version has
// written can be read only when it is opened for writing.
func openSource[S any](ctx context.Context, at string, open func(context.Context, string) (S, error)) (S, error) {
	from, err := open(ctx, readOnly(at))
	if errors.Is(err, sinks.ErrReadOnly) {
		return open(ctx, at)
	}
	return from, err
}

const signalBatch = 1000

// signals goes on behind what the target has.
func (c *copyCmd) signals(ctx context.Context, w *world) error {
	from, err := openSource(ctx, c.From, sinks.OpenSignals)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := sinks.OpenSignals(ctx, c.To)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	there, err := to.Stat(ctx)
	if err != nil {
		return err
	}
	copied, last := 0, there.Last
	for {
		batch, err := from.Read(ctx, last, signalBatch)
		if err != nil {
			return err
		}
		if err := to.Append(ctx, batch); err != nil {
			return err
		}
		copied += len(batch)
		if len(batch) < signalBatch {
			break
		}
		last = batch[len(batch)-1].Sequence
	}
	if w.json {
		return w.line(map[string]any{"signals": copied, "present": there.Count})
	}
	w.say("%d signals copied; %d were there", copied, there.Count)
	return nil
}
