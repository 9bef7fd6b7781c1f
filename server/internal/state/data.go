package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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
	case err == nil && !strings.HasPrefix(marker, string(found)): // else it was cut short, by a full disk or a crash
		return fmt.Errorf("%w: %s says %.60q; a newer version may have written it", ErrForeign, name, found)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	if _, err := checkCopy(path); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(marker), 0o640); err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	return nil
}

// The names of what is kept in a data directory by default.
const (
	snapshotsName = "snapshots"
	signalsName   = "signals.db"
)

// checkCopy refuses a directory without marker that holds more than a backup that was copied there; empty: it holds nothing.
func checkCopy(path string) (empty bool, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrData, err)
	}
	for _, e := range entries {
		if !copied(path, e) {
			return false, fmt.Errorf("%w: it holds %s and no %s; name an empty or a new directory, or one with a copy in it",
				ErrForeign, e.Name(), markerName)
		}
	}
	return len(entries) == 0, nil
}

// copied says whether an entry is what is left of the marker, or what a backup was copied to: snapshots, or signals in a
// database of ours. What is in them is judged by those who read it.
func copied(dir string, e fs.DirEntry) bool {
	switch name := filepath.Join(dir, e.Name()); e.Name() {
	case markerName:
		return true // it was cut short, or nobody would look
	case snapshotsName:
		entries, err := os.ReadDir(name)
		return err == nil && len(entries) == 1 && entries[0].Name() == "blobs" && entries[0].IsDir()
	case signalsName:
		return e.Type().IsRegular() && isSignals(name)
	case signalsName + "-wal", signalsName + "-shm": // the database beside them is looked at, too
		_, err := os.Stat(filepath.Join(dir, signalsName))
		return err == nil
	}
	return false
}

// isSignals looks for our application id in the header of a SQLite file, which is docs/formats/sqlite.md.
func isSignals(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	header := make([]byte, 72)
	_, err = io.ReadFull(f, header)
	return err == nil && string(header[:16]) == "SQLite format 3\x00" && string(header[68:]) == "ephe"
}

// CheckData returns an error unless a directory is a data directory already, or holds a copy and becomes one when it is opened.
func CheckData(dir string) error {
	found, err := os.ReadFile(filepath.Join(dir, markerName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		empty, copyErr := checkCopy(dir)
		if empty {
			copyErr = fmt.Errorf("%w: %w", ErrForeign, err)
		}
		return wrap("open", dir, copyErr)
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
func SnapshotsURL(dir string) (string, error) { return below("file", dir, snapshotsName) }

// SignalsURL returns where the signals of a data directory lie by default.
func SignalsURL(dir string) (string, error) { return below("sqlite", dir, signalsName) }

func below(scheme, dir, name string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", wrap("open", dir, err)
	}
	u := url.URL{Scheme: scheme, Path: filepath.ToSlash(filepath.Join(path, name))}
	return u.String(), nil
}
