package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
	"github.com/ephemera-go/ephemera/window"
)

// What a hub raises.
const (
	started = "hub.started"
	stopped = "hub.stopped" // well: a start with no stop before it follows a crash
	scanned = "parcel.scanned"
)

// placeOf returns the URL of a hub's signals.
func placeOf(dir, hub, query string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, hub))
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query}).String(), err
}

// beHub scans parcels until there are no more, or the context ends.
func beHub(ctx context.Context, o options, out io.Writer) (err error) {
	place, err := placeOf(o.dir, o.hub, "")
	if err != nil {
		return err
	}
	store, err := sinks.OpenSignals(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	lease, err := sinks.Hold(ctx, store, sinks.Claim{Owner: o.hub}) // one hub of a name
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Close()) }()
	w, err := window.New(ctx, window.Options{Store: store, FlushInterval: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }() // writes what is pending
	if _, err := w.Raise(started, ""); err != nil {
		return err
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s is up\n", o.hub); err != nil {
		return err
	}
	scans, err := scan(ctx, o, w)
	if err != nil {
		return err
	}
	if _, err := w.Raise(stopped, ""); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s scanned %d parcels\n", o.hub, scans)
	return err
}

// scan is the hub's work.
func scan(ctx context.Context, o options, w *window.Window) (scans int, err error) {
	name, err := w.Intern(scanned)
	if err != nil {
		return 0, err
	}
	clock := time.NewTicker(o.every)
	defer clock.Stop()
	for scans < o.parcels {
		select {
		case <-ctx.Done():
			return scans, nil
		case <-clock.C:
		}
		scans++
		if _, err := name.Raise(fmt.Sprintf("P-%04d", scans)); err != nil {
			return scans, err
		}
	}
	return scans, nil
}
