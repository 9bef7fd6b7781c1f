package filestore_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestURL(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx := t.Context()
	strange := filepath.Join(t.TempDir(), "a b%c?d#é")
	for address, dir := range map[string]string{
		"file:./data":       "data",
		"file:data/deep/er": "data/deep/er",
		(&url.URL{Scheme: "file", Path: strange}).String(): strange,
	} {
		s, err := sinks.OpenBlobs(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Put(ctx, "x/y", 1, strings.NewReader("1")), s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "blobs", "x+", "y")); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"file:", "file://", "file://host/dir", "file://./data", "file:///x#f", "file:///x?max_file=10", "file:///x?max_file=1MiB&other=1", "file:%zz",
		"file:///x?read_only=yes",
	} {
		if _, err := sinks.OpenSignals(ctx, address); !errors.Is(err, sinks.ErrInvalid) {
			t.Errorf("%s: error %v", address, err)
		}
	}
	write(t, "plain", nil)
	if _, err := sinks.OpenSignals(ctx, "file:plain"); err == nil {
		t.Error("a plain file was opened as a directory")
	}
}

// TestStrangers puts things into a directory that this package did not make. They are neither shown nor touched.
func TestStrangers(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s, err := sinks.OpenBlobs(ctx, "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, []byte("secret"))
	in := func(name string) string { return filepath.Join(dir, "blobs", name) }
	for _, name := range []string{"UPPER", ".hidden", "with space", "plus+plus"} {
		write(t, in(name), []byte("strange"))
	}
	if err := errors.Join(os.Mkdir(in("plain-dir"), 0o700), os.Symlink(outside, in("link")), os.Symlink(filepath.Dir(outside), in("dir+"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "mine", 1, strings.NewReader("1")); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(ctx, "", "", 0)
	if err != nil || len(list) != 1 || list[0].Name != "mine" {
		t.Errorf("listing %v, error %v", list, err)
	}
	if _, _, err := s.Open(ctx, "link"); !errors.Is(err, sinks.ErrForeign) {
		t.Errorf("Open of a link: %v", err)
	}
	if err := s.Delete(ctx, "link"); !errors.Is(err, sinks.ErrForeign) {
		t.Errorf("Delete of a link: %v", err)
	}
	if _, _, err := s.Open(ctx, "dir/secret"); err == nil {
		t.Error("a link led out of the directory")
	}
	if err := s.Put(ctx, "dir/mine", 1, strings.NewReader("1")); err == nil {
		t.Error("a Put went out of the directory")
	}
}
