package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const pollEvery = 200 * time.Millisecond

// follower is a source that goes on with what is appended to a file. When another file has taken the path, it reads the
// old one to its end, and the new one from its beginning; when the file became shorter, it begins anew. It looks every
// now and then, so it misses a file that comes and goes in between, and a truncation after which the file has grown
// beyond the place where reading stood.
type follower struct {
	path    string
	file    *os.File
	offset  int64
	moved   bool // another file has the path, or none
	split   splitter
	emit    func([]line) bool
	ended   bool                        // emit wants no more
	wait    func(context.Context) error // until it is time to look again; an error ends the follower
	reached bool                        // the end of the file was seen
}

func openFollower(path string) (*follower, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		err = fmt.Errorf("%s: a pipe is read to its end without --follow", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &follower{path: path, file: f, wait: waitFor(pollEvery)}, nil
}

func waitFor(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
}

func (f *follower) run(ctx context.Context, emit func([]line) bool) error {
	f.emit = emit
	for {
		if err := f.drain(ctx); err != nil || f.ended {
			return err
		}
		if ctx.Err() != nil {
			return f.finish()
		}
		again, err := f.look()
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if f.wait(ctx) != nil {
			return f.finish()
		}
	}
}

// drain reads to the end of the file.
func (f *follower) drain(ctx context.Context) error {
	buf := make([]byte, readSize)
	for ctx.Err() == nil && !f.ended {
		n, err := f.file.Read(buf)
		f.offset += int64(n)
		f.split.write(buf[:n])
		f.pass()
		if errors.Is(err, io.EOF) {
			f.reached = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

func (f *follower) pass() {
	if lines := f.split.take(); len(lines) > 0 && !f.emit(lines) {
		f.ended = true
	}
}

// look asks what became of the file, after it was read to its end. It reports whether there is something to read at once.
func (f *follower) look() (bool, error) {
	old, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.moved = true
		return false, nil
	case err != nil:
		return false, err
	case !os.SameFile(old, info):
		if !f.moved {
			// Whoever writes may not know yet: the old file is read once more, one look later.
			f.moved = true
			return false, nil
		}
		return f.change()
	}
	f.moved = false
	if old.Size() >= f.offset {
		return false, nil
	}
	f.split.end()
	f.pass()
	f.offset = 0
	_, err = f.file.Seek(0, io.SeekStart)
	return err == nil, err
}

// change goes over to the file that has the path now.
func (f *follower) change() (bool, error) {
	next, err := openLog(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.split.end()
	f.pass()
	err = f.file.Close()
	f.file, f.offset, f.moved, f.reached = next, 0, false, false
	return true, err
}

// finish reads what was written until now, so that an interrupt loses no line. A follower that has not caught up yet
// stops where it is, without the unfinished line.
func (f *follower) finish() error {
	if !f.reached {
		info, err := f.file.Stat()
		if err != nil || f.offset < info.Size() {
			return err
		}
	}
	for {
		if err := f.drainTo(f.file); err != nil {
			return err
		}
		f.moved = true // there is no later look that could find more in the old file
		again, err := f.look()
		if err != nil {
			return err
		}
		if !again || f.ended {
			f.split.end()
			f.pass()
			return nil
		}
	}
}

// drainTo reads up to the size that the file has now: somebody may write for ever.
func (f *follower) drainTo(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	limit := info.Size()
	buf := make([]byte, readSize)
	for f.offset < limit && !f.ended {
		n, err := file.Read(buf[:min(readSize, limit-f.offset)])
		f.offset += int64(n)
		f.split.write(buf[:n])
		f.pass()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

func (f *follower) written() time.Time {
	if info, err := os.Stat(f.path); err == nil {
		return info.ModTime()
	}
	return time.Now()
}

func (f *follower) close() error { return f.file.Close() }
