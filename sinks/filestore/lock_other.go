//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync"
)

// locksCross says that a lock excludes other processes of this machine and ends with them. Here it does not: the
// standard library has no file locks for this system, so locks hold within the process only.
const locksCross = false

// table holds the locks of this process: the number of shared holders, or -1.
var table = struct {
	mu      sync.Mutex
	holders map[string]int
	freed   chan struct{} // closed and replaced whenever a lock ends
}{holders: make(map[string]int), freed: make(chan struct{})}

// lockFile locks path; the file itself is not needed.
func lockFile(ctx context.Context, f *os.File, path string, how lockMode) (io.Closer, error) {
	if err := f.Close(); err != nil {
		return nil, err
	}
	for {
		table.mu.Lock()
		n := table.holders[path]
		if n == 0 || n > 0 && !how.exclusive {
			if how.exclusive {
				n = -2
			}
			table.holders[path] = n + 1
			table.mu.Unlock()
			return &tableLock{path: path}, nil
		}
		freed := table.freed
		table.mu.Unlock()
		if how.try {
			return nil, errBusy
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type tableLock struct {
	path string
	once sync.Once
}

func (l *tableLock) Close() error {
	l.once.Do(func() {
		table.mu.Lock()
		defer table.mu.Unlock()
		if n := table.holders[l.path]; n > 1 {
			table.holders[l.path] = n - 1
		} else {
			delete(table.holders, l.path)
		}
		close(table.freed)
		table.freed = make(chan struct{})
	})
	return nil
}

func syncDir(f *os.File) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; renames are journaled
	}
	return f.Sync()
}

func readOnlyFS(error) bool { return false }
