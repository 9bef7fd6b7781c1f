package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// refresh takes in what other handles have done since the last call.
func (s *signalStore) refresh(ctx context.Context) error {
	err := s.catchUp(ctx)
	if err != nil {
		s.forget()
	}
	return err
}

// forget makes the next call load the log, and fail as this one did if that is not possible.
func (s *signalStore) forget() {
	_ = s.closeTail() // everything written through it is synced
	s.files, s.store, s.trimmed, s.torn, s.remove = nil, 0, 0, false, nil
}

func (s *signalStore) catchUp(ctx context.Context) error {
	for {
		n := s.newest()
		if n == nil || s.torn || s.tail == nil {
			return s.load(ctx)
		}
		size, err := s.tail.Size()
		if err != nil {
			return err
		}
		next, err := s.exists(n.number + 1)
		switch {
		case err != nil:
			return err
		case size < n.end: // others undid a write of their own
			return s.load(ctx)
		case next:
			if err := s.follow(ctx, n, size); err != nil {
				return err
			}
		case size == n.end:
			return nil
		default:
			s.unsynced = true
			return s.extend(ctx, n, size)
		}
	}
}

// follow goes on to the file that others began after n, of which it reads what is missing.
func (s *signalStore) follow(ctx context.Context, n *logFile, size int64) error {
	err := n.read(ctx, s.tail, size, s.trimmed)
	if errors.Is(err, errTail) {
		err = fmt.Errorf("%w: a damaged record at byte %d", sinks.ErrCorrupt, n.end)
	}
	if err != nil {
		return fmt.Errorf("log file %s: %w", logName(n.number), err)
	}
	_ = s.closeTail() // what this handle wrote through it is synced
	l, err := s.openTail(n.number + 1)
	if err != nil {
		return err
	}
	if l.header.last != n.last || l.trimmed != n.cleared {
		return fmt.Errorf("log file %s: %w: it does not go on from the file before", logName(l.number), sinks.ErrCorrupt)
	}
	s.files = append(s.files, l)
	s.unsynced, s.begin = true, false
	return s.hide(ctx, l.trimmed)
}

// openTail opens the newest file for what this handle may do with it.
func (s *signalStore) openTail(number uint64) (*logFile, error) {
	open := s.fs.OpenWrite
	if s.readOnly {
		open = s.fs.Open
	}
	f, err := open(logName(number))
	if err != nil {
		return nil, denied(err)
	}
	s.tail = f
	l, _, err := s.header(f, number)
	return l, err
}

func (s *signalStore) exists(number uint64) (bool, error) {
	_, err := s.fs.Lstat(logName(number))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// extend reads on in the last file.
func (s *signalStore) extend(ctx context.Context, n *logFile, size int64) error {
	err := n.read(ctx, s.tail, size, s.trimmed)
	if errors.Is(err, errTail) {
		err = s.judge(ctx, n, size)
	}
	if err != nil {
		return fmt.Errorf("log file %s: %w", logName(n.number), err)
	}
	return s.hide(ctx, n.cleared)
}

// judge decides what the bytes behind the last whole record of the last file are.
func (s *signalStore) judge(ctx context.Context, n *logFile, size int64) error {
	torn, err := scan(ctx, s.tail, &n.header, n.end, size).torn()
	if err != nil {
		return err
	}
	if !torn {
		return fmt.Errorf("%w: a damaged record at byte %d, with more behind it", sinks.ErrCorrupt, n.end)
	}
	s.torn = true
	return nil
}

// load reads the whole log anew.
func (s *signalStore) load(ctx context.Context) error {
	s.forget()
	s.unsynced = true
	numbers, err := s.numbers()
	if err != nil || len(numbers) == 0 {
		return err
	}
	n, err := s.openTail(numbers[len(numbers)-1])
	if err != nil {
		return err
	}
	size, err := s.tail.Size()
	if err != nil {
		return err
	}
	s.store, s.files, s.trimmed = n.store, []*logFile{n}, n.trimmed
	if err := s.extend(ctx, n, size); err != nil {
		return err
	}
	return s.loadOlder(ctx, numbers[:len(numbers)-1])
}

// loadOlder reads downward the files that hold signals which are not trimmed. What lies below is left over from a trim
// that did not come to its end.
func (s *signalStore) loadOlder(ctx context.Context, numbers []uint64) error {
	for s.files[0].header.last > s.trimmed {
		want := s.files[0].number - 1
		if len(numbers) == 0 || numbers[len(numbers)-1] != want {
			return fmt.Errorf("%w: log file %s is missing", sinks.ErrCorrupt, logName(want))
		}
		numbers = numbers[:len(numbers)-1]
		l, err := s.loadFull(ctx, want)
		if err != nil {
			return fmt.Errorf("log file %s: %w", logName(want), err)
		}
		s.files = slices.Insert(s.files, 0, l)
	}
	for _, number := range numbers {
		s.remove = append(s.remove, logName(number))
	}
	return nil
}

// loadFull reads a file that was left whole when the next one began.
func (s *signalStore) loadFull(ctx context.Context, number uint64) (*logFile, error) {
	f, err := s.fs.Open(logName(number))
	if err != nil {
		return nil, err
	}
	l, size, err := s.header(f, number)
	if err == nil {
		err = l.read(ctx, f, size, s.trimmed)
	}
	if errors.Is(err, errTail) {
		err = fmt.Errorf("%w: a damaged record at byte %d", sinks.ErrCorrupt, l.end)
	}
	if err == nil && l.last != s.files[0].header.last {
		err = fmt.Errorf("%w: it ends with sequence %d, and the next file says %d", sinks.ErrCorrupt, l.last, s.files[0].header.last)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return l, nil
}

func (s *signalStore) header(f file, number uint64) (*logFile, int64, error) {
	h, size, err := readHeader(f, number)
	if err == nil && s.store != 0 && h.store != s.store {
		err = fmt.Errorf("%w: it belongs to another log", sinks.ErrForeign)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("log file %s: %w", logName(number), err)
	}
	return &logFile{header: h, cleared: h.trimmed, last: h.last, end: headerSize}, size, nil
}

// numbers lists the log files, ascending.
func (s *signalStore) numbers() ([]uint64, error) {
	entries, err := s.fs.ReadDir(".", 0)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		number, ok := logNumber(e.Name())
		if !ok {
			continue
		}
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%w: %s is no regular file", sinks.ErrForeign, e.Name())
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// settle makes the last file fit for writing.
func (s *signalStore) settle() error {
	if n := s.newest(); s.torn {
		s.log.Warn("filestore: removing a record that a crash cut short", "file", logName(n.number), "offset", n.end)
		if err := s.cut(); err != nil {
			return fmt.Errorf("removing an unfinished record: %w", err)
		}
		s.torn = false
	}
	if s.unsynced && s.tail != nil {
		if err := s.secure(s.newest()); err != nil {
			s.forget() // a file whose sync failed is not synced again: the next call opens it anew
			return fmt.Errorf("syncing what others wrote: %w", err)
		}
	}
	s.unsynced = false
	return nil
}

// secure makes the last record durable. It may be seen before it is, when its writer was killed in between, and it must
// be durable before it is acknowledged to somebody who repeats it. If a sync of it failed before, the kernel believes
// that it is on the disk, so it is written once more. Those before it were synced before it began.
func (s *signalStore) secure(n *logFile) error {
	if n.tailRecord > 0 {
		record := make([]byte, n.end-n.tailRecord)
		if _, err := s.tail.ReadAt(record, n.tailRecord); err != nil {
			return err
		}
		if _, err := s.tail.WriteAt(record, n.tailRecord); err != nil {
			return err
		}
	}
	if err := s.tail.Sync(); err != nil {
		return err
	}
	return s.fs.SyncDir(".")
}
