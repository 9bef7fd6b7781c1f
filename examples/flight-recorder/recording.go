package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// codec writes records as lines of JSON. Only here, in a burst, they are formatted.
type codec struct{}

// Name is that of the format.
func (codec) Name() string { return "flight-recorder-lines" }

// Append appends a line for each record.
func (codec) Append(dst []byte, entries []entry) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	for _, e := range entries {
		if e.line != "" {
			b.WriteString(e.line + "\n")
			continue
		}
		h := e.scope.on(slog.NewJSONHandler(b, nil))
		if err := h.Handle(context.Background(), e.record); err != nil {
			return dst, err
		}
	}
	return b.Bytes(), nil
}

// Decode leaves the lines as they are.
func (codec) Decode(dst []entry, src []byte, n int) ([]entry, error) {
	lines := bytes.Split(bytes.TrimSuffix(src, []byte("\n")), []byte("\n"))
	if len(lines) != n {
		return dst, fmt.Errorf("%w: %d lines, want %d", snapshot.ErrCorrupt, len(lines), n)
	}
	for _, line := range lines {
		dst = append(dst, entry{line: string(line)})
	}
	return dst, nil
}

// list writes which recordings there are.
func list(ctx context.Context, place string, out io.Writer) (err error) {
	blobs, err := sinks.OpenBlobs(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	found, err := snapshot.List(ctx, blobs, snapshot.DefaultName)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Err != nil {
			fmt.Fprintf(out, "recording %d cannot be read: %v\n", f.Ordinal, f.Err)
			continue
		}
		fmt.Fprintf(out, "recording %d of %s, %d records\n", f.Ordinal, f.Manifest.TakenAt.Format(time.RFC3339), f.Manifest.Events())
	}
	if len(found) == 0 {
		fmt.Fprintln(out, "no recording: there was no burst")
	}
	return nil
}

// read writes the records of a recording, one line of JSON each; ordinal 0 is the newest one. last bounds their age when the
// recording was taken.
func read(ctx context.Context, place string, ordinal uint64, last time.Duration, out io.Writer) (err error) {
	blobs, err := sinks.OpenBlobs(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	// The recording may hold as much as it likes: it was bounded when it was taken.
	store, report, err := snapshot.Load(ctx, blobs, core.Options[entry]{Capacity: 1 << 24, Arrival: true}, snapshot.Options[entry]{
		Codec: codec{}, Restore: snapshot.RestoreOptions{Ordinal: ordinal},
	})
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return errors.New("there is no such recording; list shows which there are")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cut := store.Cut()
	defer cut.Close()
	for _, e := range cut.Between(report.TakenAt.Add(-last), report.TakenAt.Add(time.Hour)).All() {
		if _, err := fmt.Fprintln(out, e.line); err != nil {
			return err
		}
	}
	return nil
}
