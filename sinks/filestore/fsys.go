package filestore

import (
	"context"
	"io"
	"io/fs"
)

// fsys is the little that the stores need of a file system, so that tests can put one in its place that forgets what
// was not synced. Names are relative to the store's directory, with slashes.
type fsys interface {
	Open(name string) (file, error)      // an existing file, for reading
	OpenWrite(name string) (file, error) // an existing file, for writing
	Create(name string) (file, error)    // a new file, for writing; fs.ErrExist if the name is taken
	Mkdir(name string) error             // fs.ErrExist if the name is taken
	Rename(from, to string) error        // replaces to
	Link(from, to string) error          // fs.ErrExist if to is taken
	Remove(name string) error            // a file or an empty directory
	Lstat(name string) (fs.FileInfo, error)
	ReadDir(name string, most int) ([]fs.DirEntry, error) // at most so many, in any order; 0 means all
	SyncDir(name string) error                            // makes what happened to the names in a directory durable

	// Lock locks a file, which it creates unless readOnly; an exclusive lock excludes all others, a shared one the
	// exclusive ones. It waits until ctx ends. The lock ends when it is closed or when the process ends.
	Lock(ctx context.Context, name string, how lockMode) (io.Closer, error)
	Close() error
}

type lockMode struct {
	exclusive bool
	try       bool // errBusy instead of waiting
	readOnly  bool // a missing file is locked already
}

type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}
