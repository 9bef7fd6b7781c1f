//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func openTestDir(t *testing.T) *osFS {
	t.Helper()
	files, err := openDir(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	return files
}

func mustLock(t *testing.T, files fsys, name string, how lockMode) io.Closer {
	t.Helper()
	lock, err := files.Lock(t.Context(), name, how)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func unlock(t *testing.T, lock io.Closer) {
	t.Helper()
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skip("this system does not tell which files are open")
	}
	return len(entries)
}

// TestImpatientCallersLeaveNothingBehind: the system call that waits for a lock cannot be called off, so that each caller
// who gives up could cost a thread and a file for as long as somebody holds the lock.
func TestImpatientCallersLeaveNothingBehind(t *testing.T) {
	files := openTestDir(t)
	held := mustLock(t, files, lockName, lockMode{exclusive: true})
	goroutines, open := runtime.NumGoroutine(), openFiles(t)
	for range 100 {
		for _, how := range []lockMode{{}, {exclusive: true}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := files.Lock(ctx, lockName, how); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("waiting for a lock returned %v", err)
			}
			cancel()
		}
	}
	// One of each mode still waits.
	if more := runtime.NumGoroutine() - goroutines; more > 2 {
		t.Errorf("%d goroutines are left", more)
	}
	if more := openFiles(t) - open; more > 2 {
		t.Errorf("%d files are left open", more)
	}
	// Who waits now gets the lock although those before have left.
	got := make(chan error, 2)
	for _, how := range []lockMode{{exclusive: true}, {exclusive: true}} {
		go func() {
			lock, err := files.Lock(t.Context(), lockName, how)
			if err == nil {
				err = lock.Close()
			}
			got <- err
		}()
	}
	unlock(t, held)
	if err := errors.Join(<-got, <-got); err != nil {
		t.Error(err)
	}
	unlock(t, mustLock(t, files, lockName, lockMode{exclusive: true}))
}

// TestUnlockingReachesCopies: a process that is being started holds copies of all files for a moment.
func TestUnlockingReachesCopies(t *testing.T) {
	files := openTestDir(t)
	lock := mustLock(t, files, lockName, lockMode{exclusive: true})
	copied, err := syscall.Dup(int(lock.(*fileLock).f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(copied) }()
	unlock(t, lock)
	unlock(t, mustLock(t, files, lockName, lockMode{exclusive: true, try: true}))
}

// TestLockFileRemovedWhileWaiting: a lock on a file that is not there any more would exclude nobody.
func TestLockFileRemovedWhileWaiting(t *testing.T) {
	files := openTestDir(t)
	held := mustLock(t, files, lockName, lockMode{exclusive: true})
	got := make(chan io.Closer)
	go func() {
		lock, err := files.Lock(t.Context(), lockName, lockMode{exclusive: true})
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	waits := spot{filepath.Join(files.path, lockName), syscall.LOCK_EX}
	eventually(t, "the second caller waits", func() bool {
		lines.mu.Lock()
		defer lines.mu.Unlock()
		return len(lines.at[waits]) == 1
	})
	if err := files.Remove(lockName); err != nil {
		t.Fatal(err)
	}
	unlock(t, held)
	lock := <-got
	if _, err := files.Lock(t.Context(), lockName, lockMode{exclusive: true, try: true}); !errors.Is(err, errBusy) {
		t.Errorf("the lock is on a file that nobody finds: %v", err)
	}
	unlock(t, lock)
}

func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !reached(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never happens", what)
		}
	}
}

// TestWritersPassReaders: readers that take turns must not keep a writer out for ever. A reader that comes after a waiting
// writer waits for it.
func TestWritersPassReaders(t *testing.T) {
	files := openTestDir(t)
	writer, reader := newDoor(files, false), newDoor(files, false)
	inside := mustLock(t, files, lockName, lockMode{}) // a reader
	wrote := make(chan error)
	go func() { wrote <- writer.pass(t.Context(), true, func() error { return nil }) }()
	eventually(t, "the writer waits", func() bool {
		gate, err := files.Lock(t.Context(), gateName, lockMode{exclusive: true, try: true})
		if err == nil {
			unlock(t, gate)
		}
		return errors.Is(err, errBusy)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := reader.pass(ctx, false, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a reader got in before a writer that had waited longer: %v", err)
	}
	unlock(t, inside)
	if err := errors.Join(<-wrote, reader.pass(t.Context(), false, func() error { return nil })); err != nil {
		t.Error(err)
	}
}

// TestReplacedDirectory: what is written into a directory that was moved away would be found by nobody.
func TestReplacedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	signals, err := OpenSignals(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := OpenBlobs(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		if err := signals.Append(t.Context(), []sinks.Signal{crashSignal(1)}); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: Append returned %v", what, err)
		}
		if _, err := signals.Stat(t.Context()); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: Stat returned %v", what, err)
		}
		if err := blobs.Delete(t.Context(), "a"); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: Delete returned %v", what, err)
		}
		if _, err := sinks.Acquire(t.Context(), blobs, sinks.Claim{}); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: Acquire returned %v", what, err)
		}
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	refused("moved away")
	again, err := OpenSignals(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Append(t.Context(), []sinks.Signal{crashSignal(1), crashSignal(2)}), again.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("replaced")
	if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".old", dir)); err != nil {
		t.Fatal(err)
	}
	if err := signals.Append(t.Context(), []sinks.Signal{crashSignal(1)}); err != nil {
		t.Errorf("back in its place: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refused("removed")
	if err := errors.Join(signals.Close(), blobs.Close()); err != nil {
		t.Error(err)
	}
}

// TestPipeForALease: opening a pipe would wait for somebody to write into it, with the lock held.
func TestPipeForALease(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSignals(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "signals", leaseName), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []sinks.Signal{crashSignal(1)}); !errors.Is(err, sinks.ErrForeign) {
		t.Errorf("Append returned %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
