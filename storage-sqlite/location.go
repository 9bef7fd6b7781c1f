package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ephemera-go/ephemera/sinks"
)

// A location is where a database is.
type location struct {
	given string // absolute, as the caller knows it
	path  string // without links: SQLite keeps the log beside this one
}

func (l location) log() string { return l.path + "-wal" }

// locate checks a path; SQLite's special names would not name a file.
func locate(path string) (location, error) {
	switch {
	case path == "":
		return location{}, fmt.Errorf("%w: no path", sinks.ErrInvalid)
	case path[0] == ':':
		return location{}, fmt.Errorf("%w: %s is no file; package memstore keeps things in memory", sinks.ErrInvalid, path)
	case containsNUL(path):
		return location{}, fmt.Errorf("%w: the path holds NUL", sinks.ErrInvalid)
	case path[len(path)-1] == '/':
		return location{}, fmt.Errorf("%w: the path names a folder", sinks.ErrInvalid)
	}
	given, err := filepath.Abs(path)
	if err != nil {
		return location{}, fmt.Errorf("%w: path: %w", sinks.ErrInvalid, err)
	}
	real, err := filepath.EvalSymlinks(given)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		switch info, err := os.Lstat(given); {
		case err != nil:
			real = given
		case info.Mode()&fs.ModeSymlink != 0:
			return location{}, fmt.Errorf("%w: the path is a link that leads nowhere", sinks.ErrNotFound)
		default: // made meanwhile
			return locate(path)
		}
	case err != nil:
		return location{}, err
	}
	return location{given: given, path: real}, nil
}

// exists says whether a file of content stands there. Anything but a regular file is refused: opening a pipe hangs. So is
// a log without its database: SQLite would take it for rubbish and remove it.
func (l location) exists() (bool, error) {
	log := filled(l.log()) // first: whoever makes a database fills the file before the log
	info, err := os.Stat(l.path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: not a regular file", sinks.ErrForeign)
	case err == nil && info.Size() > 0:
		return true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	case log:
		return false, fmt.Errorf("%w: the write-ahead log is there without its database", sinks.ErrCorrupt)
	}
	return false, nil
}

// inPlace returns ErrReplaced unless the file that was opened is still there.
func (l location) inPlace(opened fs.FileInfo) error {
	now, err := os.Stat(l.given)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, opened):
		return fmt.Errorf("%w: the database file", ErrReplaced)
	case err != nil:
		return fmt.Errorf("database file: %w", err)
	}
	return nil
}

func filled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// makeFolder makes a folder and those above it. SQLite flushes the entry of the file, but not those of the folders. Of the
// folders that are there the last one may have been made by a process that ended before it flushed that.
func makeFolder(dir string, flush func(dir string) error) error {
	above := filepath.Dir(dir)
	_, err := os.Stat(dir)
	switch {
	case err == nil:
		if err := flush(above); !errors.Is(err, fs.ErrPermission) { // of somebody else
			return err
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist) || dir == above:
		return err
	}
	if err := makeFolder(above, flush); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return flush(above)
}

func flushFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
