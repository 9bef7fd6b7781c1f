package filestore

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

func mustBlobs(t *testing.T, files fsys) sinks.BlobStore {
	t.Helper()
	s, err := openCrashBlobs(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func putText(t *testing.T, s sinks.BlobStore, name string) {
	t.Helper()
	if err := s.Put(t.Context(), name, int64(len(name)), strings.NewReader(name)); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

// folderNames lists the directories that hold or held blobs.
func (c *crashFS) folderNames() (names []string) {
	var walk func(id int, path string)
	walk = func(id int, path string) {
		for _, name := range slices.Sorted(maps.Keys(c.nodes[id].names)) {
			if child := c.nodes[id].names[name]; strings.HasSuffix(name, dirMark) {
				names = append(names, path+name)
				walk(child, path+name+"/")
			}
		}
	}
	walk(0, "")
	return names
}

// TestDeleteRemovesEmptyDirectories: a store whose names hold dates or numbers would collect them for ever, and every
// listing would walk through all of them.
func TestDeleteRemovesEmptyDirectories(t *testing.T) {
	c := newCrashFS()
	s := mustBlobs(t, c)
	for _, name := range []string{"a/b/c", "a/b/d", "a/e", "f/g/h"} {
		putText(t, s, name)
	}
	for _, step := range []struct {
		name string
		left []string
	}{
		{"a/b/c", []string{"a+", "a+/b+", "f+", "f+/g+"}},
		{"a/b/d", []string{"a+", "f+", "f+/g+"}},
		{"f/g/never", []string{"a+", "f+", "f+/g+"}},
		{"f/g/h", []string{"a+"}},
		{"never/there", []string{"a+"}},
		{"a/e", nil},
	} {
		if err := s.Delete(t.Context(), step.name); err != nil {
			t.Fatal(err)
		}
		if got := c.folderNames(); !slices.Equal(got, step.left) {
			t.Errorf("after %s the directories are %q, want %q", step.name, got, step.left)
		}
	}
	putText(t, s, "a/b/c")
	if err := holdsBlobs(t.Context(), s, map[string][]byte{"a/b/c": []byte("a/b/c")}); err != nil {
		t.Error(err)
	}
}

// TestDirectoryMadeAgain: one handle has seen a directory become durable, a second one removes it, and a third one is
// killed after making it again, before it has synced that. The first one must not take it for durable, also if it has
// removed a directory itself since.
func TestDirectoryMadeAgain(t *testing.T) {
	for _, own := range []bool{false, true} {
		directoryMadeAgain(t, own)
	}
}

func directoryMadeAgain(t *testing.T, own bool) {
	t.Helper()
	c := newCrashFS()
	a, b := mustBlobs(t, c), mustBlobs(t, c)
	putText(t, a, "x/y/1")
	putText(t, a, "z/1")
	if err := b.Delete(t.Context(), "x/y/1"); err != nil {
		t.Fatal(err)
	}
	killed := mustBlobs(t, c)
	c.fail = func(n int) error {
		if c.ops[n-1].kind == "name" && c.ops[n-1].name == "y+" {
			c.dead = true
			return errKilled
		}
		return nil
	}
	if err := killed.Put(t.Context(), "x/y/2", 1, strings.NewReader("2")); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	c.fail, c.dead = nil, false
	if got := c.folderNames(); !slices.Equal(got, []string{"x+", "x+/y+", "z+"}) {
		t.Fatalf("the directories are %q", got)
	}
	want := map[string][]byte{"x/y/3": []byte("x/y/3"), "z/1": []byte("z/1")}
	if own {
		delete(want, "z/1")
		if err := a.Delete(t.Context(), "z/1"); err != nil {
			t.Fatal(err)
		}
	}
	putText(t, a, "x/y/3")
	state := c.after(len(c.ops), c.pending(len(c.ops)), func(int) int { return leaveNone })
	if err := holdsBlobs(t.Context(), mustBlobs(t, state), want); err != nil {
		t.Errorf("own removal %v, after a power cut: %v", own, err)
	}
}

// TestManyDirectoriesAreForgotten: what a handle remembers of directories is bounded.
func TestManyDirectoriesAreForgotten(t *testing.T) {
	f := folders{fs: newCrashFS(), durable: make(map[string]bool)}
	for _, dir := range []string{"a+", "a+/b+"} {
		if err := f.mkdirs(dir); err != nil {
			t.Fatal(err)
		}
	}
	if f.look(); len(f.durable) != 2 {
		t.Errorf("%d directories are remembered", len(f.durable))
	}
	for i := range mostDurable {
		f.durable[strings.Repeat("x", i)] = true
	}
	if f.look(); len(f.durable) != 0 {
		t.Errorf("%d directories are remembered", len(f.durable))
	}
}

// noLinkFS is a file system without hard links, such as exFAT.
type noLinkFS struct{ *crashFS }

func (noLinkFS) Link(string, string) error { return &fs.PathError{Op: "link", Err: syscall.EPERM} }

func TestNoHardLinks(t *testing.T) {
	s := mustBlobs(t, noLinkFS{newCrashFS()})
	err := s.Put(t.Context(), "a", 1, strings.NewReader("1"))
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, sinks.ErrReadOnly) || !strings.Contains(err.Error(), "hard links") {
		t.Errorf("Put returned %v", err)
	}
	if err := holdsBlobs(t.Context(), s, map[string][]byte{}); err != nil {
		t.Error(err)
	}
}

// TestMakeAllSyncsWhatOthersMade: the last directory that exists may have been made by a process that was killed before it
// synced it.
func TestMakeAllSyncsWhatOthersMade(t *testing.T) {
	base := t.TempDir()
	var synced []string
	record := func(dir string) error {
		synced = append(synced, dir)
		return nil
	}
	path := filepath.Join(base, "a", "b")
	if err := makeAll(path, record); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Dir(base), base, filepath.Join(base, "a")}
	if !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
	synced = nil
	if err := makeAll(path, record); err != nil || !slices.Equal(synced, want[2:]) {
		t.Errorf("synced %q, error %v; want %q", synced, err, want[2:])
	}
	denied := func(string) error { return fs.ErrPermission }
	if err := makeAll(path, denied); err != nil {
		t.Errorf("in a directory of somebody else: %v", err)
	}
	if err := makeAll(filepath.Join(path, "c"), func(dir string) error {
		if dir == path {
			return syscall.EIO
		}
		return nil
	}); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failed sync: %v", err)
	}
}
