//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import (
	"context"
	"io"
	"os"
	"runtime"
)

// locksCross says that a lock excludes other processes of this machine and ends with them. Here it does not: the
// standard library has no file locks for this system.
const locksCross = false

// lockFile locks path; the file itself is not needed.
func lockFile(ctx context.Context, f *os.File, path string, how lockMode) (io.Closer, error) {
	if err := f.Close(); err != nil {
		return nil, err
	}
	return lockInTable(ctx, path, how)
}

func syncDir(f *os.File) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; renames are journaled
	}
	return f.Sync()
}

func readOnlyFS(error) bool { return false }

func fullFS(error) bool { return false }
