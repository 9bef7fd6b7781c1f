package outfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	broken := errors.New("broken")
	half := func(w io.Writer) error { return errors.Join(text("half")(w), broken) }
	if err := Write(path, half); !errors.Is(err, broken) || !strings.Contains(err.Error(), "outfile: write "+path) {
		t.Errorf("error %v", err)
	}
	for _, s := range []string{"first, which is longer", "second"} {
		if err := errors.Join(Check(path), Write(path, text(s))); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, half); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		holds(t, path, s)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%d files left behind, %v", len(list), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(dir, "none", "x"): os.ErrNotExist,
		filepath.Join(file, "x"):        nil,
		dir:                             ErrFolder,
	} {
		for _, err := range []error{Check(path), Write(path, text("x"))} {
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
		}
	}
}
