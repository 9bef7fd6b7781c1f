package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/window"
)

// recorderOptions say what is kept, and what is a burst.
type recorderOptions struct {
	place  string        // URL of the recordings
	keep   time.Duration // age up to which records are kept in memory
	most   int           // records that are kept in memory
	errors int           // so many errors
	span   time.Duration // within this are a burst
}

// A recorder keeps the last records of a program in memory. When errors come in a burst it writes them all to a recording,
// which is a snapshot of the store: the next one shares with it what both hold.
type recorder struct {
	blobs  sinks.BlobStore
	saver  *snapshot.Saver[entry]
	store  *core.Store[entry]
	window *window.Window
	failed window.Name
	burst  window.Anomaly

	inBurst atomic.Bool
	wanted  chan struct{} // one recording
	over    chan struct{} // closed when no more recordings are taken
	problem error         // of the recordings; read behind over
}

// entry is a log record, as it is kept.
type entry struct {
	record slog.Record
	scope  *scope // groups and attributes of its logger
	line   string // the record as JSON instead, if it was read from a recording
}

func recordings() snapshot.Options[entry] {
	return snapshot.Options[entry]{
		Codec: codec{}, Compression: snapshot.Zstd, Keep: 10,
		Manual: true, NoFinal: true, // nothing is written without a burst
		Restore: snapshot.RestoreOptions{Fresh: true}, // of earlier recordings only the numbers matter
	}
}

// openRecorder makes a recorder that is closed with close.
func openRecorder(ctx context.Context, o recorderOptions) (*recorder, error) {
	r := &recorder{wanted: make(chan struct{}, 1), over: make(chan struct{})}
	var err error
	if r.blobs, err = sinks.OpenBlobs(ctx, o.place); err != nil {
		return nil, err
	}
	r.saver, err = snapshot.Open(ctx, r.blobs, core.Options[entry]{Capacity: o.most, MaxAge: o.keep, Arrival: true}, recordings())
	if err != nil {
		return nil, errors.Join(err, r.blobs.Close())
	}
	r.store = r.saver.Store()
	if r.window, err = window.New(ctx, window.Options{MaxAge: o.span}); err == nil {
		r.failed, err = r.window.Intern("error")
	}
	if err != nil {
		return nil, errors.Join(err, r.saver.Close(), r.blobs.Close())
	}
	r.burst = window.Anomaly{Window: r.window, Pattern: "error", Span: o.span, Threshold: o.errors}
	go func() {
		defer close(r.over)
		for range r.wanted {
			r.problem = errors.Join(r.problem, r.save())
		}
	}()
	return r, nil
}

// save takes a recording of every record that was handled before. A snapshot ends where a record is not in its place yet, and
// would leave out those behind it; the goroutine that has it is a few instructions before its end.
func (r *recorder) save() error {
	end, err := r.store.Next(0) // all records are in one partition, in their order
	for next := uint64(0); err == nil && next < end; {
		cut := r.store.Cut()
		_, next, err = cut.Bounds(0)
		cut.Close()
		runtime.Gosched()
	}
	if err != nil {
		return err
	}
	return r.saver.Save(context.Background())
}

// close waits for a recording that is wanted or being taken. No record may be handled any more.
func (r *recorder) close() error {
	close(r.wanted)
	<-r.over
	return errors.Join(r.problem, r.window.Close(), r.saver.Close(), r.blobs.Close())
}

// handle keeps a record. All but errors cost about an append to the store.
func (r *recorder) handle(e entry) error {
	if _, err := r.store.Append(e); err != nil {
		return err
	}
	if e.record.Level < slog.LevelError {
		return nil
	}
	if _, err := r.failed.Raise(""); err != nil {
		return err
	}
	burst, err := r.burst.Detected()
	if err != nil {
		return err
	}
	if r.inBurst.Swap(burst) || !burst { // one recording for each burst, at its beginning
		return nil
	}
	select {
	case r.wanted <- struct{}{}:
	default: // one is wanted already, and will hold this record too
	}
	return nil
}
