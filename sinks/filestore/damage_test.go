package filestore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/filestore"
)

var small = &filestore.Options{MaxFileBytes: 1 << 10}

func numbered(from, to uint64) (batch []sinks.Signal) {
	for n := from; n <= to; n++ {
		batch = append(batch, sinks.Signal{
			Sequence: n, Time: time.Unix(int64(n), 0).UTC(), Name: fmt.Sprintf("name-%d", n), Key: strings.Repeat("k", 200),
		})
	}
	return batch
}

// build makes a log of three files with a last record of signals 9 and 10, and returns the paths of the files.
func build(t *testing.T) (dir string, files []string) {
	t.Helper()
	dir = t.TempDir()
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n < 10; n += 2 {
		if err := s.Append(t.Context(), numbered(n, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err = filepath.Glob(filepath.Join(dir, "signals", "log-*.sig")); err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	return dir, files
}

// sequences opens a log and returns what it holds.
func sequences(t *testing.T, dir string) ([]uint64, error) {
	t.Helper()
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	signals, err := s.Read(t.Context(), 0, 1000)
	var list []uint64
	for i, s := range signals {
		if !s.Equal(numbered(s.Sequence, s.Sequence)[0]) {
			t.Fatalf("signal %d came back changed: %+v", i, s)
		}
		list = append(list, s.Sequence)
	}
	return list, err
}

func span(n uint64) (list []uint64) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryLengthOfTheLastFile cuts the last file at every byte: the unfinished record is removed, and going on works.
func TestEveryLengthOfTheLastFile(t *testing.T) {
	dir, files := build(t)
	path := files[2]
	whole := content(t, path)
	for size := range len(whole) {
		write(t, path, whole[:size])
		got, err := sequences(t, dir)
		if size < 64 {
			// A file gets its name only when its header is whole and synced, so this is damage.
			if !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, sinks.ErrForeign) {
				t.Fatalf("%d of %d bytes: error %v", size, len(whole), err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, span(8)) {
			t.Fatalf("%d of %d bytes: signals %v, error %v", size, len(whole), got, err)
		}
		s, err := filestore.OpenSignals(t.Context(), dir, small)
		if err != nil {
			t.Fatal(err)
		}
		// A shorter record first, then one more file: nothing of the unfinished record may be left in between.
		err = errors.Join(
			s.Append(t.Context(), numbered(8, 9)), s.Append(t.Context(), numbered(10, 10)),
			s.Append(t.Context(), numbered(11, 12)), s.Append(t.Context(), numbered(13, 14)), s.Close(),
		)
		if err != nil {
			t.Fatalf("%d of %d bytes: going on: %v", size, len(whole), err)
		}
		if got, err := sequences(t, dir); err != nil || !slices.Equal(got, span(14)) {
			t.Fatalf("%d of %d bytes: signals %v after going on, error %v", size, len(whole), got, err)
		}
		made, err := filepath.Glob(filepath.Join(dir, "signals", "log-*.sig"))
		if err != nil || len(made) < 4 {
			t.Fatal(made, err)
		}
		for _, more := range made[3:] {
			if err := os.Remove(more); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEveryBit flips every bit of the log. Damage is reported; only a last record that may have been cut short is
// taken for that.
func TestEveryBit(t *testing.T) {
	dir, files := build(t)
	for number, path := range files {
		whole := content(t, path)
		for i := range whole {
			spoiled := slices.Clone(whole)
			spoiled[i] ^= 1 << (i % 8)
			write(t, path, spoiled)
			got, err := sequences(t, dir)
			last := number == 2 && i >= 64 && err == nil && slices.Equal(got, span(8))
			if !last && !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, sinks.ErrForeign) && !errors.Is(err, sinks.ErrTooNew) {
				t.Fatalf("file %d, byte %d: signals %v, error %v", number+1, i, got, err)
			}
		}
		write(t, path, whole)
	}
	if got, err := sequences(t, dir); err != nil || !slices.Equal(got, span(10)) {
		t.Fatalf("signals %v, error %v", got, err)
	}
}

func TestDamage(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(t *testing.T, files []string)
		want  error
	}{
		{"a file is missing", func(t *testing.T, files []string) { remove(t, files[1]) }, sinks.ErrCorrupt},
		{"the first file is missing", func(t *testing.T, files []string) { remove(t, files[0]) }, sinks.ErrCorrupt},
		{"an older file is cut", func(t *testing.T, files []string) {
			b := content(t, files[0])
			write(t, files[0], b[:len(b)-1])
		}, sinks.ErrCorrupt},
		{"an older file has more", func(t *testing.T, files []string) { write(t, files[0], append(content(t, files[0]), 0)) }, sinks.ErrCorrupt},
		{"a file has the name of another", func(t *testing.T, files []string) { write(t, files[1], content(t, files[0])) }, sinks.ErrCorrupt},
		{"a file is empty", func(t *testing.T, files []string) { write(t, files[1], nil) }, sinks.ErrForeign},
		{"a file is of another log", func(t *testing.T, files []string) {
			_, others := build(t)
			write(t, files[1], content(t, others[1]))
		}, sinks.ErrForeign},
		{"a file is something else", func(t *testing.T, files []string) { write(t, files[2], []byte(strings.Repeat("text\n", 50))) }, sinks.ErrForeign},
		{"a newer format", func(t *testing.T, files []string) {
			b := content(t, files[2])
			b[8]++
			write(t, files[2], b)
		}, sinks.ErrTooNew},
		{"a directory has the name of a file", func(t *testing.T, files []string) {
			remove(t, files[1])
			if err := os.Mkdir(files[1], 0o700); err != nil {
				t.Fatal(err)
			}
		}, sinks.ErrForeign},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir, files := build(t)
			c.spoil(t, files)
			before := listing(t, dir)
			got, err := sequences(t, dir)
			if !errors.Is(err, c.want) {
				t.Errorf("signals %v, error %v, want %v", got, err, c.want)
			}
			if after := listing(t, dir); before != after {
				t.Errorf("opening a damaged log changed it from\n%s\nto\n%s", before, after)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// listing describes the log files of a directory.
func listing(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "signals", "log-*"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, path := range files {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, info.Name(), info.Size(), info.Mode())
	}
	return b.String()
}

func TestVerifyFindsDamage(t *testing.T) {
	dir, files := build(t)
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	if err := sinks.Verify(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b := content(t, files[0])
	b[100] ^= 1
	write(t, files[0], b)
	if err := sinks.Verify(t.Context(), s); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("Verify of a damaged log returned %v", err)
	}
	if _, err := s.Stat(t.Context()); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("Stat of a damaged log returned %v", err)
	}
	b[100] ^= 1
	write(t, files[0], b)
	if err := sinks.Verify(t.Context(), s); err != nil {
		t.Errorf("Verify of the repaired log returned %v", err)
	}
	if err := s.Append(t.Context(), numbered(9, 12)); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	if _, err := filestore.OpenSignals(t.Context(), filepath.Join(t.TempDir(), "none"), &filestore.Options{ReadOnly: true}); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("opening a missing directory returned %v", err)
	}
	dir, files := build(t)
	b := content(t, files[2])
	write(t, files[2], b[:len(b)-3])
	before := listing(t, dir)
	s, err := sinks.OpenSignals(t.Context(), "file://"+dir+"?read_only=true")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	signals, err := s.Read(t.Context(), 0, 100)
	if err != nil || len(signals) != 8 {
		t.Errorf("%d signals, error %v", len(signals), err)
	}
	_, leaseErr := sinks.Acquire(t.Context(), s, sinks.Claim{})
	for _, err := range []error{s.Append(t.Context(), numbered(9, 10)), s.Trim(t.Context(), 3), leaseErr} {
		if !errors.Is(err, sinks.ErrReadOnly) {
			t.Errorf("a write returned %v", err)
		}
	}
	if after := listing(t, dir); before != after {
		t.Errorf("reading changed the log from\n%s\nto\n%s", before, after)
	}
}

func TestTrimFreesFiles(t *testing.T) {
	dir, files := build(t)
	s, err := filestore.OpenSignals(t.Context(), dir, small)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	most := int64(0)
	for n := uint64(1); n <= 400; n++ {
		if err := errors.Join(s.Append(t.Context(), numbered(n+10, n+10)), s.Trim(t.Context(), n+6)); err != nil {
			t.Fatal(err)
		}
		stat, err := s.Stat(t.Context())
		if err != nil || stat.Count != 4 {
			t.Fatal(stat, err)
		}
		most = max(most, stat.Bytes)
	}
	if _, err := os.Stat(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the first file is still there: %v", err)
	}
	// Four signals lie in at most three files of which one may be over its size by a record.
	if most > 4<<10 {
		t.Errorf("the log took %d bytes", most)
	}
}
