package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	gateName  = ".gate"  // held while waiting for lockName, see pass
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
//
// Who waits for the lock holds the gate. A lock of its own would let readers in as long as other readers are in, so that
// a writer would wait for ever beside readers that take turns; but once he has the gate, no more of them come.
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
	lock, err := d.lock(ctx, lockMode{exclusive: exclusive, readOnly: d.readOnly})
	if err != nil {
		return denied(fmt.Errorf("locking: %w", err))
	}
	defer func() { _ = lock.Close() }() // closing ends the lock even when it fails, and must not make f fail
	return f()
}

func (d *door) lock(ctx context.Context, how lockMode) (io.Closer, error) {
	gate, err := d.fs.Lock(ctx, gateName, how)
	if err != nil {
		return nil, err
	}
	defer func() { _ = gate.Close() }() // as above
	return d.fs.Lock(ctx, lockName, how)
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

// readSmall returns the content of a small file.
func readSmall(files fsys, name string, most int64) ([]byte, error) {
	info, err := files.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe hangs
		return nil, fmt.Errorf("%w: %s is no regular file", sinks.ErrForeign, name)
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err == nil && size > most {
		err = fmt.Errorf("%w: %s has %d bytes", sinks.ErrCorrupt, name, size)
	}
	b := make([]byte, min(size, most))
	if err == nil {
		_, err = f.ReadAt(b, 0)
	}
	return b, errors.Join(err, f.Close())
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
