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
	} else if err := makeAll(path); err != nil {
		return nil, denied(err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, denied(err)
	}
	return &osFS{root: root, path: path}, nil
}

// makeAll is os.MkdirAll that survives a crash.
func makeAll(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is no directory", sinks.ErrForeign, path)
		}
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return fmt.Errorf("%w: %s", fs.ErrNotExist, path)
	}
	if err := makeAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
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

func (o *osFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := o.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
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
	f, err := o.root.OpenFile(name, flag, 0o600)
	if err != nil {
		if how.readOnly && errors.Is(err, fs.ErrNotExist) {
			return unlocked{}, nil
		}
		return nil, err
	}
	return lockFile(ctx, f, filepath.Join(o.path, name), how)
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

// denied says with a sentinel that the file system does not let us write.
func denied(err error) error {
	if err != nil && (errors.Is(err, fs.ErrPermission) || readOnlyFS(err)) {
		return fmt.Errorf("%w: %w", sinks.ErrReadOnly, err)
	}
	return err
}
