package filestore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// List implements sinks.BlobStore.
func (s *blobStore) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	l := &listing{ctx: ctx, fs: s.fs, prefix: prefix, after: after, limit: limit}
	err := l.walk("", ".")
	return l.blobs, err
}

// A listing walks directories in the order of blob names. Below a directory a+ all names begin with "a/", so that
// ordering entries by their name, with "/" behind directories, orders everything.
type listing struct {
	ctx           context.Context
	fs            fsys
	prefix, after string
	limit         int
	blobs         []sinks.Blob
}

type entry struct {
	key  string // what the names of the entry are or begin with
	path string
	dir  bool
}

func (l *listing) full() bool { return l.limit > 0 && len(l.blobs) == l.limit }

// walk lists the directory whose blobs' names begin with above.
func (l *listing) walk(above, path string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	found, err := l.fs.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range l.pick(above, path, found) {
		if l.full() {
			return nil
		}
		if e.dir {
			err = l.walk(e.key, e.path)
		} else {
			err = l.add(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pick returns the entries that may matter, in order. What was not made by this package is passed over.
func (l *listing) pick(above, path string, found []fs.DirEntry) []entry {
	var entries []entry
	for _, d := range found {
		e := entry{key: above + d.Name(), path: d.Name()}
		if path != "." {
			e.path = path + "/" + d.Name()
		}
		stem := e.key
		switch {
		case d.IsDir():
			var ok bool
			if stem, ok = strings.CutSuffix(e.key, dirMark); !ok {
				continue
			}
			e.dir, e.key = true, stem+"/"
		case !d.Type().IsRegular():
			continue
		}
		if sinks.CheckBlobName(stem) == nil && l.matters(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return entries
}

func (l *listing) matters(e entry) bool {
	if !e.dir {
		return strings.HasPrefix(e.key, l.prefix) && e.key > l.after
	}
	inside := strings.HasPrefix(e.key, l.prefix) || strings.HasPrefix(l.prefix, e.key)
	return inside && (e.key > l.after || strings.HasPrefix(l.after, e.key))
}

func (l *listing) add(e entry) error {
	info, err := l.fs.Lstat(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	l.blobs = append(l.blobs, sinks.Blob{Name: e.key, Size: info.Size()})
	return nil
}
