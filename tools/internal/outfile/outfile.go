// Package outfile writes a file all at once, so that whoever is interrupted leaves the last one as it was.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrFolder marks a target that is a folder.
var ErrFolder = errors.New("it is a folder")

// mostLinks is how many symbolic links may lead to a file; operating systems stop there too.
const mostLinks = 40

// target says how a path is written.
type target struct {
	path string // where the links end
	// direct is set for what cannot be replaced: a pipe, a device, or the file to which our own output goes.
	direct bool
}

// Check reports why Write would fail for the path, as far as that can be known before. It changes nothing.
func Check(path string) error {
	to, err := find(path)
	if err == nil && !to.direct {
		var probe *os.File
		if probe, err = create(to.path); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("outfile: write %s: %w", path, err)
	}
	return nil
}

// Write replaces the file at path by what write writes. If that fails, the old file stays as it was. Of a symbolic link
// the target is replaced. What exists and is no regular file, such as a pipe, is written directly. A new file is readable
// by everybody.
func Write(path string, write func(io.Writer) error) error {
	to, err := find(path)
	switch {
	case err != nil:
	case to.direct:
		err = writeDirect(to.path, write)
	default:
		err = replace(to.path, write)
	}
	if err != nil {
		return fmt.Errorf("outfile: write %s: %w", path, err)
	}
	return nil
}

func find(path string) (target, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return target{}, err
	case err == nil && info.IsDir():
		return target{}, ErrFolder
	case err == nil && (!info.Mode().IsRegular() || standard(info) != nil):
		return target{path, true}, nil
	}
	for range mostLinks {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return target{path: path}, nil
		}
		if err != nil {
			return target{}, err
		}
		link, err := os.Readlink(path)
		if err != nil {
			return target{}, err
		}
		if !filepath.IsAbs(link) {
			// Not cleaned: the folder may be a link itself, and then .. is not what stands before the last slash.
			link = filepath.Dir(path) + string(filepath.Separator) + link
		}
		path = link
	}
	return target{}, errors.New("too many symbolic links")
}

// standard returns the stream of this process that goes to the file, if one does.
func standard(info fs.FileInfo) *os.File {
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if own, err := stream.Stat(); err == nil && os.SameFile(info, own) {
			return stream
		}
	}
	return nil
}

func writeDirect(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil {
		if stream := standard(info); stream != nil {
			return write(stream)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func create(path string) (*os.File, error) {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, err // which names the folder and not a temporary file in it
	}
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
}

func replace(path string, write func(io.Writer) error) error {
	tmp, err := create(path)
	if err != nil {
		return err
	}
	err = errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
