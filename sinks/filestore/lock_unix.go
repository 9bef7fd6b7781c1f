//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// locksCross says that a lock excludes other processes of this machine and ends with them.
const locksCross = true

// lockFile locks f, which the lock owns from then on. Closing the file ends the lock.
func lockFile(ctx context.Context, f *os.File, _ string, how lockMode) (io.Closer, error) {
	mode := syscall.LOCK_SH
	if how.exclusive {
		mode = syscall.LOCK_EX
	}
	err := flock(f, mode|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(err, f.Close())
	}
	if how.try {
		return nil, errors.Join(errBusy, f.Close())
	}
	locked := make(chan error, 1)
	go func() { locked <- flock(f, mode) }()
	select {
	case err := <-locked:
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	case <-ctx.Done():
		// The system call cannot be called off: whoever holds the lock ends it, and then nobody needs it.
		go func() { _ = errors.Join(<-locked, f.Close()) }()
		return nil, ctx.Err()
	}
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func syncDir(f *os.File) error { return f.Sync() }

func readOnlyFS(err error) bool { return errors.Is(err, syscall.EROFS) }
