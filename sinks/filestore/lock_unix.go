//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// locksCross says that a lock excludes other processes of this machine and ends with them.
const locksCross = true

// lockFile locks f, which the lock owns from then on; path names it.
func lockFile(ctx context.Context, f *os.File, path string, how lockMode) (io.Closer, error) {
	mode := syscall.LOCK_SH
	if how.exclusive {
		mode = syscall.LOCK_EX
	}
	err := flock(f, mode|syscall.LOCK_NB)
	switch {
	case err == nil:
		return &fileLock{f: f}, nil
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(err, f.Close())
	case how.try:
		return nil, errors.Join(errBusy, f.Close())
	}
	return waitInLine(ctx, f, spot{path, mode})
}

// A fileLock is a locked file.
type fileLock struct {
	f    *os.File
	once sync.Once
	err  error
}

// Close unlocks before it closes: a process that is being started right now holds a copy of the file until it runs its
// own program, and the lock would last as long.
func (l *fileLock) Close() error {
	l.once.Do(func() { l.err = errors.Join(flock(l.f, syscall.LOCK_UN), l.f.Close()) })
	return l.err
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// The system call that waits for a lock cannot be called off, and holds a thread. So one goroutine waits for all in this
// process who want the same lock in the same mode, one after another: whoever gives up leaves nothing behind but his place.
var lines = struct {
	mu sync.Mutex
	at map[spot][]*waiter // the first one is who the goroutine waits for
}{at: make(map[spot][]*waiter)}

type spot struct {
	path string
	mode int
}

type waiter struct {
	f    *os.File
	done chan error // gets one value
	gone bool       // guarded by lines.mu
}

// waitInLine waits for the lock of f at a spot, or until ctx ends; then f is closed, at the latest when its turn has come.
func waitInLine(ctx context.Context, f *os.File, at spot) (io.Closer, error) {
	w := &waiter{f: f, done: make(chan error, 1)}
	lines.mu.Lock()
	lines.at[at] = append(lines.at[at], w)
	if len(lines.at[at]) == 1 {
		go serveLine(at)
	}
	lines.mu.Unlock()
	select {
	case err := <-w.done:
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &fileLock{f: f}, nil
	case <-ctx.Done():
		return nil, w.leave(ctx, at)
	}
}

// leave gives the place in the line up, unless the turn came at the same moment.
func (w *waiter) leave(ctx context.Context, at spot) error {
	lines.mu.Lock()
	defer lines.mu.Unlock()
	w.gone = true
	line := lines.at[at]
	for i := 1; i < len(line); i++ {
		if line[i] == w {
			lines.at[at] = append(line[:i:i], line[i+1:]...)
			return errors.Join(ctx.Err(), w.f.Close())
		}
	}
	select {
	case err := <-w.done:
		given := &fileLock{f: w.f}
		return errors.Join(ctx.Err(), err, given.Close())
	default: // the goroutine still waits with the file
		return ctx.Err()
	}
}

func serveLine(at spot) {
	lines.mu.Lock()
	defer lines.mu.Unlock()
	for len(lines.at[at]) > 0 {
		w := lines.at[at][0]
		lines.mu.Unlock()
		err := flock(w.f, at.mode)
		lines.mu.Lock()
		lines.at[at] = lines.at[at][1:]
		if w.gone {
			_ = (&fileLock{f: w.f}).Close() // whoever left has had his answer
		} else {
			w.done <- err
		}
	}
	delete(lines.at, at)
}

func syncDir(f *os.File) error { return f.Sync() }

func readOnlyFS(err error) bool { return errors.Is(err, syscall.EROFS) }

// fullFS: the disk is full, or this user's share of it.
func fullFS(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
