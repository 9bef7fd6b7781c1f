package state

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// The marker makes a directory one of ours. What a later format would change is told from it before anything is read.
const (
	markerName = "EPHEMERA"
	marker     = "data directory of ephemera, format 1\n"
)

// claimData makes the data directory, or checks that it is one, and returns its absolute path.
func claimData(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrData, err)
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return "", fmt.Errorf("%w: %w", ErrData, err)
	}
	if err := checkMarker(path); err != nil {
		return "", err
	}
	return path, probe(path)
}

func checkMarker(path string) error {
	name := filepath.Join(path, markerName)
	switch found, err := os.ReadFile(name); {
	case err == nil && string(found) == marker:
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s says %.60q; a newer version may have written it", ErrForeign, name, found)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%w: it holds %s and no %s; name an empty or a new directory",
			ErrForeign, entries[0].Name(), markerName)
	}
	if err := os.WriteFile(name, []byte(marker), 0o640); err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	return nil
}

// CheckData returns an error unless a directory is a data directory already.
func CheckData(dir string) error {
	found, err := os.ReadFile(filepath.Join(dir, markerName))
	switch {
	case err != nil:
		return wrap("open", dir, fmt.Errorf("%w: %w", ErrForeign, err))
	case string(found) != marker:
		return wrap("open", dir, fmt.Errorf("%w: %s is of another format", ErrForeign, markerName))
	}
	return nil
}

// probe writes a file, because rights alone do not tell: the file system may be read-only or full.
func probe(path string) error {
	f, err := os.CreateTemp(path, ".probe-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	_, err = f.Write([]byte{0})
	if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	return nil
}

// SnapshotsURL returns where the snapshots of a data directory lie by default.
func SnapshotsURL(dir string) (string, error) { return below("file", dir, "snapshots") }

// SignalsURL returns where the signals of a data directory lie by default.
func SignalsURL(dir string) (string, error) { return below("sqlite", dir, "signals.db") }

func below(scheme, dir, name string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", wrap("open", dir, err)
	}
	u := url.URL{Scheme: scheme, Path: filepath.ToSlash(filepath.Join(path, name))}
	return u.String(), nil
}
