package filestore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// countingFS counts what is read and opened.
type countingFS struct {
	fsys
	dirs, opened atomic.Int64
}

func (c *countingFS) ReadDir(name string, most int) ([]fs.DirEntry, error) {
	c.dirs.Add(1)
	return c.fsys.ReadDir(name, most)
}

func (c *countingFS) Open(name string) (file, error) {
	c.opened.Add(1)
	return c.fsys.Open(name)
}

func (c *countingFS) OpenWrite(name string) (file, error) {
	c.opened.Add(1)
	return c.fsys.OpenWrite(name)
}

// crowd opens a store on a directory of many blobs that were put long ago.
func crowd(t *testing.T, blobs int) (s sinks.BlobStore, raw *blobStore, count *countingFS, dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := openDir(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	count = &countingFS{fsys: files}
	o, err := (*Options)(nil).complete()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = newBlobs(t.Context(), count, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	crowded := filepath.Join(dir, "many+")
	if err := os.Mkdir(crowded, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range blobs {
		if err := os.WriteFile(filepath.Join(crowded, fmt.Sprintf("%06d", i*7919%blobs)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	age(t, crowded)
	count.dirs.Store(0)
	return sinks.CheckedBlobs(scheme, raw), raw, count, dir
}

// age makes a directory look as if nothing had happened to it lately.
func age(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
}

func page(t *testing.T, s sinks.BlobStore, prefix, after string, limit int) []sinks.Blob {
	t.Helper()
	blobs, err := s.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// TestPagesReadADirectoryOnce: reading and sorting a hundred thousand names for each page of a thousand would make a
// listing cost a hundred times what it must.
func TestPagesReadADirectoryOnce(t *testing.T) {
	const blobs, limit = 1100, 100
	s, raw, count, _ := crowd(t, blobs)
	var names []string
	after := ""
	for {
		found := page(t, s, "many/", after, limit)
		if len(found) == 0 {
			break
		}
		for _, b := range found {
			names = append(names, b.Name)
		}
		after = found[len(found)-1].Name
	}
	for i, name := range names {
		if want := fmt.Sprintf("many/%06d", i); name != want {
			t.Fatalf("name %d is %s", i, name)
		}
	}
	if n := count.dirs.Load(); len(names) != blobs || n != 1 {
		t.Errorf("%d names; directories were read %d times", len(names), n)
	}
	if kept := len(raw.pages.kept); kept != 0 {
		t.Errorf("%d directories stay in memory after the last page", kept)
	}
}

// TestPagesSeeChanges: what was kept for the next page is read anew as soon as somebody changes the directory, also
// when that was just before it was kept.
func TestPagesSeeChanges(t *testing.T) {
	s, _, _, dir := crowd(t, 1100)
	crowded := filepath.Join(dir, "many+")
	first := page(t, s, "many/", "", 10)
	for i, change := range []func() error{
		func() error { return os.WriteFile(filepath.Join(crowded, "000009a"), nil, 0o600) },
		func() error { return os.WriteFile(filepath.Join(crowded, "000009b"), nil, 0o600) },
		func() error { return os.Remove(filepath.Join(crowded, "000009a")) },
		func() error { return s.Delete(t.Context(), "many/000009b") },
		func() error { return s.Put(t.Context(), "many/000009c", 0, strings.NewReader("")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		want := []string{"many/000009a", "many/000009a", "many/000009b", "many/000010", "many/000009c"}[i]
		for range 2 {
			if got := page(t, s, "many/", first[9].Name, 1); len(got) != 1 || got[0].Name != want {
				t.Fatalf("after change %d the page is %v, want %s", i, got, want)
			}
		}
		if i%2 == 1 {
			age(t, crowded) // so that it is kept again
		}
	}
}

// coarseFS is a file system whose clock stands still: changes within one of its ticks do not show.
type coarseFS struct {
	fsys
	now time.Time
}

type coarseInfo struct {
	fs.FileInfo
	at time.Time
}

func (i coarseInfo) ModTime() time.Time { return i.at }

func (c *coarseFS) Lstat(name string) (fs.FileInfo, error) {
	info, err := c.fsys.Lstat(name)
	return coarseInfo{info, c.now}, err
}

func TestPagesSeeChangesWithinATick(t *testing.T) {
	s, raw, count, dir := crowd(t, 1100)
	raw.pages.fs = &coarseFS{count, time.Now()}
	for i := range 3 {
		page(t, s, "many/", "", 10)
		name := fmt.Sprintf("000000%c", 'a'+i)
		if err := os.WriteFile(filepath.Join(dir, "many+", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := page(t, s, "many/", "many/000000", i+2); got[i].Name != "many/"+name {
			t.Fatalf("the page is %v, want %s", got, name)
		}
	}
}

// TestPrefixNamesTheDirectory: a listing of a directory does not read those above it.
func TestPrefixNamesTheDirectory(t *testing.T) {
	s, _, count, _ := crowd(t, 10)
	for prefix, want := range map[string]struct {
		names int
		dirs  int64
	}{
		"many/": {10, 1}, "many/00000": {10, 1}, "many/000003": {1, 1}, "many/000003/": {0, 0}, "man": {10, 2}, "many//": {0, 0}, "../": {0, 0},
	} {
		count.dirs.Store(0)
		if got := page(t, s, prefix, "", 0); len(got) != want.names || count.dirs.Load() > want.dirs {
			t.Errorf("prefix %q: %v, %d directories read, want %+v", prefix, got, count.dirs.Load(), want)
		}
	}
}

// TestDeepestName has as many directories as a name may have.
func TestDeepestName(t *testing.T) {
	s, err := OpenBlobs(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	name := strings.Repeat("a/", 255) + "a"
	putText(t, s, name)
	if got := page(t, s, "a/a/a", "", 2); len(got) != 1 || got[0].Name != name {
		t.Errorf("the listing holds %v", got)
	}
	if err := s.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if got := page(t, s, "", "", 0); len(got) != 0 {
		t.Errorf("the listing holds %v", got)
	}
}
