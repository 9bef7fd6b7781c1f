package filestore

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// List implements sinks.BlobStore.
func (s *blobStore) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	l := &listing{ctx: ctx, fs: s.fs, pages: &s.pages, prefix: prefix, after: after, limit: limit}
	above, path := "", "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		if sinks.CheckBlobName(prefix[:i]) != nil {
			return nil, nil // no name begins like that
		}
		above, path = prefix[:i+1], blobPath(prefix[:i])+dirMark
	}
	err := l.walk(above, path)
	if !l.full() {
		s.pages.forget() // nobody will ask for the next page
	}
	return l.blobs, err
}

// A listing walks directories in the order of blob names. Below a directory a+ all names begin with "a/", so that
// ordering entries by their name, with "/" behind directories, orders everything.
type listing struct {
	ctx           context.Context
	fs            fsys
	pages         *pages
	prefix, after string
	limit         int
	blobs         []sinks.Blob
}

func (l *listing) full() bool { return l.limit > 0 && len(l.blobs) == l.limit }

// walk lists the directory whose blobs' names begin with above.
func (l *listing) walk(above, path string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	names, err := l.pages.read(path, l.limit > 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	begin := sort.Search(len(names), func(i int) bool {
		key := above + names[i]
		return key > l.after && key >= l.prefix
	})
	// A directory stands before all that is in it.
	if begin > 0 {
		if key := above + names[begin-1]; isDir(key) && (strings.HasPrefix(l.after, key) || strings.HasPrefix(l.prefix, key)) {
			begin--
		}
	}
	for _, name := range names[begin:] {
		key := above + name
		inside := strings.HasPrefix(key, l.prefix)
		switch {
		case l.full() || !inside && key > l.prefix:
			return nil
		case isDir(key) && (inside || strings.HasPrefix(l.prefix, key)):
			if sinks.CheckBlobName(key[:len(key)-1]) == nil {
				err = l.walk(key, join(path, name[:len(name)-1]+dirMark))
			}
		case inside && key > l.after:
			err = l.add(key, join(path, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isDir(key string) bool { return strings.HasSuffix(key, "/") }

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

func (l *listing) add(key, path string) error {
	info, err := l.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted meanwhile
		return nil
	case err != nil:
		return err
	case sinks.CheckBlobName(key) == nil && info.Mode().IsRegular():
		l.blobs = append(l.blobs, sinks.Blob{Name: key, Size: info.Size()})
	}
	return nil
}

const (
	// Directories below fewKept names are read anew for every page, those above mostKept too: they would fill the memory.
	fewKept  = 1000
	mostKept = 1 << 20
	// ages is how old the last change of a directory must be for the next one to be seen by its time: file systems
	// write times in steps of up to two seconds.
	ages = 2 * time.Second
)

// pages reads directories. File systems return names in no order, so that for one page of a directory all of it must be
// read and sorted; what was read for a page is kept for the next one as long as the directory has not changed since.
type pages struct {
	fs   fsys
	mu   sync.Mutex
	kept map[string]sorted
}

type sorted struct {
	changed time.Time // of the directory, before it was read
	names   []string
}

func (p *pages) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = nil
}

// read returns the names of a directory in order: those of blobs, and those of directories with "/" for the mark. What
// this package did not make is passed over. Nobody may change the result.
func (p *pages) read(path string, keep bool) ([]string, error) {
	begin := time.Now()
	info, err := p.fs.Lstat(path)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	kept, known := p.kept[path]
	p.mu.Unlock()
	if known && kept.changed.Equal(info.ModTime()) {
		return kept.names, nil
	}
	entries, err := p.fs.ReadDir(path, 0)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		stem, marked := strings.CutSuffix(e.Name(), dirMark)
		switch {
		case sinks.CheckBlobName(stem) != nil:
		case marked && e.IsDir():
			names = append(names, stem+"/")
		case !marked && e.Type().IsRegular():
			names = append(names, stem)
		}
	}
	slices.Sort(names)
	changed := info.ModTime()
	if keep && len(names) >= fewKept && len(names) <= mostKept && !changed.IsZero() && begin.Sub(changed) > ages {
		p.keep(path, sorted{changed, names})
	}
	return names, nil
}

func (p *pages) keep(path string, s sorted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil || len(p.kept) == 4 {
		p.kept = make(map[string]sorted)
	}
	p.kept[path] = s
}
