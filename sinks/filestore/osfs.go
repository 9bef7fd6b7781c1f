package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ephemera-go/ephemera/sinks"
)

// osFS is the real file system below one directory; os.Root keeps it there, whatever links lie around.
type osFS struct {
	root *os.Root
	path string // absolute
	is   fs.FileInfo
}

// openDir opens the directory of a store; unless readOnly it creates what is missing, durably.
func openDir(path string, readOnly bool) (*osFS, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if readOnly {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no directory %s", sinks.ErrNotFound, path)
		}
	} else if err := makeAll(path, syncPath); err != nil {
		return nil, denied(err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, denied(err)
	}
	is, err := root.Stat(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &osFS{root: root, path: path, is: is}, nil
}

// makeAll is os.MkdirAll that survives a crash. Of the directories that are there the last one may have been made by a
// process that was killed before it could sync that, so its entry is synced as well.
func makeAll(path string, sync func(dir string) error) error {
	parent := filepath.Dir(path)
	switch info, err := os.Stat(path); {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%w: %s is no directory", sinks.ErrForeign, path)
	case err == nil:
		err := sync(parent)
		if errors.Is(err, fs.ErrPermission) {
			return nil // where this user cannot even list, he has made nothing
		}
		return err
	case parent == path:
		return fmt.Errorf("%w: %s", fs.ErrNotExist, path)
	}
	if err := makeAll(parent, sync); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return sync(parent)
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

func (o *osFS) open(name string, flag int) (file, error) {
	f, err := o.root.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (o *osFS) Open(name string) (file, error) { return o.open(name, os.O_RDONLY) }

func (o *osFS) OpenWrite(name string) (file, error) { return o.open(name, os.O_RDWR) }

func (o *osFS) Create(name string) (file, error) {
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (o *osFS) Mkdir(name string) error { return o.root.Mkdir(name, 0o700) }

func (o *osFS) Rename(from, to string) error { return o.root.Rename(from, to) }

func (o *osFS) Link(from, to string) error { return o.root.Link(from, to) }

func (o *osFS) Remove(name string) error { return o.root.Remove(name) }

func (o *osFS) Lstat(name string) (fs.FileInfo, error) { return o.root.Lstat(name) }

func (o *osFS) ReadDir(name string, most int) ([]fs.DirEntry, error) {
	f, err := o.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(most)
	if errors.Is(err, io.EOF) { // there is none
		err = nil
	}
	return entries, errors.Join(err, f.Close())
}

func (o *osFS) SyncDir(name string) error {
	f, err := o.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

func (o *osFS) Close() error { return o.root.Close() }

func (o *osFS) Lock(ctx context.Context, name string, how lockMode) (io.Closer, error) {
	flag := os.O_RDWR | os.O_CREATE
	if how.readOnly {
		flag = os.O_RDONLY
	}
	for try := 1; ; try++ {
		lock, err := o.lock(ctx, name, flag, how)
		if errors.Is(err, errStale) && try < mostTries {
			continue
		}
		if how.readOnly && errors.Is(err, fs.ErrNotExist) {
			lock, err = unlocked{}, nil
		}
		if replaced := o.inPlace(); replaced != nil && (err == nil || errors.Is(err, fs.ErrNotExist)) {
			if err == nil {
				_ = lock.Close() // nothing was done under it
			}
			return nil, replaced
		}
		return lock, err
	}
}

// mostTries bounds how often a lock file is removed before that is taken for a file system without stable file numbers.
const mostTries = 100

// errStale means that the file was removed while it was being locked, so that others would not see the lock.
var errStale = errors.New("the lock file was removed")

func (o *osFS) lock(ctx context.Context, name string, flag int, how lockMode) (io.Closer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	is, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	lock, err := lockFile(ctx, f, filepath.Join(o.path, name), how)
	if err != nil {
		return nil, err
	}
	now, err := o.root.Lstat(name)
	if err == nil && os.SameFile(is, now) {
		return lock, nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = errStale
	}
	return nil, errors.Join(err, lock.Close())
}

// inPlace returns ErrReplaced if the directory is not found at its path any more.
func (o *osFS) inPlace() error {
	now, err := os.Stat(o.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(o.is, now) {
		return fmt.Errorf("%w: the store's directory", ErrReplaced)
	}
	return err
}

// unlocked stands for the lock of a store that nobody has written yet.
type unlocked struct{}

func (unlocked) Close() error { return nil }

var errBusy = errors.New("the lock is taken")

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ErrReplaced is sinks.ErrReplaced: the store's directory was removed, renamed, replaced or covered by a mount since it
// was opened. Writes, and reads of signals, stay refused until it is opened anew.
var ErrReplaced = sinks.ErrReplaced

// denied says with a sentinel that the file system does not let us.
func denied(err error) error {
	switch {
	case err == nil:
	case readOnlyFS(err):
		return fmt.Errorf("%w: %w", sinks.ErrReadOnly, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", sinks.ErrDenied, err)
	case fullFS(err) && !errors.Is(err, sinks.ErrFull):
		return fmt.Errorf("%w: %w", sinks.ErrFull, err)
	}
	return err
}
