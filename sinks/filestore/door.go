package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	lockName  = ".lock"  // held exclusively while anything is written or the lease changes
	leaseName = ".lease" // who holds the lease
	newName   = ".new"   // a file that is being made; whoever holds the lock owns it
)

// A door lets one call at a time into a store, across handles and processes.
type door struct {
	fs       fsys
	readOnly bool
	turn     chan struct{} // holds one token; a channel, so that waiting ends with the context
	grip     grip
}

func newDoor(files fsys, readOnly bool) door {
	d := door{fs: files, readOnly: readOnly, turn: make(chan struct{}, 1)}
	d.turn <- struct{}{}
	return d
}

// pass runs f alone in this handle, and, if exclusive, alone in all handles.
func (d *door) pass(ctx context.Context, exclusive bool, f func() error) error {
	if exclusive && d.readOnly {
		return fmt.Errorf("%w: opened with ReadOnly", sinks.ErrReadOnly)
	}
	select {
	case <-d.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { d.turn <- struct{}{} }()
	lock, err := d.fs.Lock(ctx, lockName, lockMode{exclusive: exclusive, readOnly: d.readOnly})
	if err != nil {
		return denied(fmt.Errorf("locking: %w", err))
	}
	defer func() { _ = lock.Close() }() // closing ends the lock even when it fails, and must not make f fail
	return f()
}

// write is pass for writers: it refuses those whom the lease refuses.
func (d *door) write(ctx context.Context, f func() error) error {
	return d.pass(ctx, true, func() error {
		if err := d.grip.allow(d.fs); err != nil {
			return err
		}
		return denied(f())
	})
}

// replace makes a file hold content, whole or not at all, durably. The caller must be alone.
func replace(files fsys, name string, content []byte) error {
	if err := removeIfThere(files, newName); err != nil {
		return err
	}
	f, err := files.Create(newName)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, files.Remove(newName))
	}
	if err := files.Rename(newName, name); err != nil {
		return errors.Join(err, files.Remove(newName))
	}
	return files.SyncDir(".")
}
