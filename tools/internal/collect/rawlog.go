package collect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Log is the raw output of a run in the format of go test -bench, each result after lines that say its side, round and slot.
type Log struct {
	file *os.File
	path string
}

// CreateLog begins a log that Finish puts at path. Until then whatever is at path stays as it is. With an empty path the
// log is temporary.
func CreateLog(path string) (*Log, error) {
	dir := ""
	if path != "" {
		dir = filepath.Dir(path)
	}
	f, err := os.CreateTemp(dir, ".benchgate-*.txt")
	if err != nil {
		return nil, fmt.Errorf("collect: create log: %w", err)
	}
	return &Log{file: f, path: path}, nil
}

// Name is the file that holds all that was written so far.
func (l *Log) Name() string { return l.file.Name() }

// write appends one result of a round.
func (l *Log) write(side Side, round, slot int, r result) error {
	return l.print(fmt.Sprintf("side: %s\nround: %d\nslot: %d\n%s", side, round, slot, r.text()))
}

// note appends results that only show which benchmarks a side has; they must come before those of rounds. Without any it
// still tells that the side was looked at.
func (l *Log) note(side Side, results []result) error {
	var text strings.Builder
	fmt.Fprintf(&text, "side: %s\n", side)
	for _, r := range results {
		text.WriteString(r.text())
	}
	return l.print(text.String())
}

func (l *Log) print(text string) error {
	if _, err := l.file.WriteString(text); err != nil {
		return fmt.Errorf("collect: write log: %w", err)
	}
	return nil
}

// Finish ends the log with the benchmarks that failed, which makes it unfit to be judged again, and moves it to its path.
// A temporary log is removed.
func (l *Log) Finish(failures []Failure) error {
	if l.path == "" {
		return l.Abandon()
	}
	var err error
	for _, f := range failures {
		if _, e := fmt.Fprintf(l.file, "--- FAIL: %s\n", f.Name); e != nil {
			err = e
		}
	}
	err = errors.Join(err, l.file.Chmod(0o644), l.file.Sync(), l.file.Close())
	if err == nil {
		err = os.Rename(l.file.Name(), l.path)
	}
	if err != nil {
		return fmt.Errorf("collect: finish log: %w", errors.Join(err, os.Remove(l.file.Name())))
	}
	return nil
}

// Abandon removes the unfinished log; what was at its path before stays.
func (l *Log) Abandon() error {
	if err := errors.Join(l.file.Close(), os.Remove(l.file.Name())); err != nil {
		return fmt.Errorf("collect: abandon log: %w", err)
	}
	return nil
}
