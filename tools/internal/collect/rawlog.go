package collect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/outfile"
)

// Log is the raw output of a run in the format of go test -bench, each result after lines that say its side, round and slot.
type Log struct {
	file *os.File
	path string
}

// CreateLog begins a log that Finish puts at path. Until then whatever is at path stays as it is. With an empty path there
// is no file in the end.
func CreateLog(path string) (*Log, error) {
	if path != "" {
		if err := outfile.Check(path); err != nil {
			return nil, fmt.Errorf("collect: create log: %w", err)
		}
	}
	dir, err := tempDir()
	if err != nil {
		return nil, fmt.Errorf("collect: create log: %w", err)
	}
	f, err := os.CreateTemp(dir, "benchgate-*.txt")
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

// procs says how many processors the benchmarks use, which tells their number from the end of a name.
func (l *Log) procs(n int) error { return l.print(fmt.Sprintf("gomaxprocs: %d\n", n)) }

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

// Finish ends the log with the benchmarks that failed, which makes it unfit to be judged again, and puts it at its path.
func (l *Log) Finish(failures []Failure) error {
	var text strings.Builder
	for _, f := range failures {
		fmt.Fprintf(&text, "--- FAIL: %s\n", f.Name)
	}
	err := l.print(text.String())
	if err == nil && l.path != "" {
		err = outfile.Write(l.path, func(w io.Writer) error {
			if _, err := l.file.Seek(0, io.SeekStart); err != nil {
				return err
			}
			_, err := io.Copy(w, l.file)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("collect: finish log: %w", errors.Join(err, l.Abandon()))
	}
	return l.Abandon()
}

// Abandon removes the temporary file; what was at its path before stays.
func (l *Log) Abandon() error {
	if err := errors.Join(l.file.Close(), os.Remove(l.file.Name())); err != nil {
		return fmt.Errorf("collect: abandon log: %w", err)
	}
	return nil
}
