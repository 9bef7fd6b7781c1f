package filestore

import (
	"context"
	"io"
	"path/filepath"
	"sync"
)

// table holds the locks of this process where the system has none: the number of shared holders by path, or -1.
var table = struct {
	mu      sync.Mutex
	holders map[string]int
	freed   chan struct{} // closed and replaced whenever a lock ends
}{holders: make(map[string]int), freed: make(chan struct{})}

// lockInTable locks a file that exists.
func lockInTable(ctx context.Context, path string, how lockMode) (io.Closer, error) {
	path, err := filepath.EvalSymlinks(path) // a directory may have several
	if err != nil {
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
