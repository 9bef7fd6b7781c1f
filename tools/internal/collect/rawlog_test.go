package collect

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raw.txt")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	create := func(path string) *Log {
		t.Helper()
		l, err := CreateLog(path)
		if err == nil {
			err = errors.Join(l.note(Base, []result{{line: "BenchmarkGone 1 1 ns/op"}}), l.write(Head, 3, 2, result{header: header{"cpu: x"}, line: "BenchmarkA 1 1 ns/op"}))
		}
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := create(path)
	text("old")
	if err := l.Abandon(); err != nil {
		t.Fatal(err)
	}
	text("old")
	if err := create(path).Finish([]Failure{{Name: "BenchmarkBad"}}); err != nil {
		t.Fatal(err)
	}
	text("side: base\nBenchmarkGone 1 1 ns/op\nside: head\nround: 3\nslot: 2\ncpu: x\nBenchmarkA 1 1 ns/op\n--- FAIL: BenchmarkBad\n")
	l = create("")
	if err := l.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a log without a path stays: %v", err)
	}
	if _, err := CreateLog(filepath.Join(path, "raw.txt")); err == nil {
		t.Error("a log in a file that is no folder")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("files beside the log: %v, %v", entries, err)
	}
}
