package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxLine is the longest line that is looked at; longer ones are counted.
const maxLine = 1 << 20

// line is one line of the log, without its end.
type line struct {
	text    string
	tooLong bool
}

// A source hands the lines of a log to emit, some at a time, until its end, an error, or the end of the context. It stops
// when emit returns false.
type source interface {
	run(ctx context.Context, emit func([]line) bool) error
	close() error

	// written tells when the log was written last.
	written() time.Time
}

// splitter cuts what was read into lines.
type splitter struct {
	rest    []byte // of a line whose end was not read yet
	tooLong bool
	lines   []line
}

func (s *splitter) write(p []byte) {
	for {
		before, after, ended := bytes.Cut(p, []byte{'\n'})
		if s.tooLong = s.tooLong || len(s.rest)+len(before) > maxLine; s.tooLong {
			s.rest = s.rest[:0]
		} else {
			s.rest = append(s.rest, before...)
		}
		if !ended {
			return
		}
		s.cut()
		p = after
	}
}

func (s *splitter) cut() {
	s.lines = append(s.lines, line{string(bytes.TrimRight(s.rest, "\r")), s.tooLong})
	s.rest, s.tooLong = s.rest[:0], false
}

// end makes a line of what is left.
func (s *splitter) end() {
	if len(s.rest) > 0 || s.tooLong {
		s.cut()
	}
}

// take returns the lines that are complete.
func (s *splitter) take() []line {
	lines := s.lines
	s.lines = nil
	return lines
}

// reader is a source that ends where the input ends.
type reader struct {
	in    io.Reader
	file  *os.File // nil: there is nothing to close or to ask for its age
	split splitter
}

const readSize = 64 << 10

func openReader(file string, stdin io.Reader) (*reader, error) {
	if file == "-" {
		r := &reader{in: stdin}
		if f, ok := stdin.(*os.File); ok {
			r.file = f
		}
		return r, nil
	}
	f, err := openLog(file)
	if err != nil {
		return nil, err
	}
	return &reader{in: f, file: f}, nil
}

// openLog refuses a folder at once, which reading would do later.
func openLog(file string) (*os.File, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s: is a directory", file)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (r *reader) run(ctx context.Context, emit func([]line) bool) error {
	buf := make([]byte, readSize)
	for ctx.Err() == nil {
		n, err := r.in.Read(buf)
		r.split.write(buf[:n])
		if err != nil {
			r.split.end()
		}
		if lines := r.split.take(); len(lines) > 0 && !emit(lines) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

// written of a pipe is now.
func (r *reader) written() time.Time {
	if r.file != nil {
		if info, err := r.file.Stat(); err == nil && info.Mode().IsRegular() {
			return info.ModTime()
		}
	}
	return time.Now()
}

// close leaves standard input open: a read of it may still wait.
func (r *reader) close() error {
	if r.file == nil || r.file == os.Stdin {
		return nil
	}
	return r.file.Close()
}
