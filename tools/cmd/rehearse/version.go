package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// versions gives each module a version made from its files and from the versions of the siblings that it requires, so that no
// cache can ever answer with another tree's module, and every cache may answer for one that has not changed.
func versions(set modset.Set, tree string, order []modset.Module, suffix string) (map[string]string, error) {
	byDir := map[string]string{}
	for _, m := range order {
		f, err := staging.ReadMod(tree, m)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		fmt.Fprintln(sum, runtime.Version(), suffix)
		for _, r := range f.Require {
			if sibling, ok := set.Sibling(r.Mod.Path); ok {
				fmt.Fprintln(sum, sibling.Dir, byDir[sibling.Dir])
			}
		}
		digest, err := dirHash(filepath.Join(tree, m.Dir))
		if err != nil {
			return nil, err
		}
		sum.Write(digest)
		// Base32 in lower case has no zero digit, hence every result is a valid prerelease.
		name := strings.ToLower(base32.StdEncoding.EncodeToString(sum.Sum(nil)))
		byDir[m.Dir] = "v0.1.0-rehearse." + name[:16]
	}
	return byDir, nil
}

// dirHash hashes the files below dir. It also gives each the time that its content says: the go command takes what a test
// told before for true if the files it opened have the times and sizes of then.
func dirHash(dir string) ([]byte, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chtimes(path, epoch, epoch)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", filepath.ToSlash(rel), len(data))
		sum.Write(data)
		own := sha256.Sum256(data)
		at := epoch.Add(time.Duration(binary.LittleEndian.Uint64(own[:]) % uint64(10*365*24*time.Hour)))
		return os.Chtimes(path, at, at)
	})
	return sum.Sum(nil), err
}

// epoch begins the decade of all those times, none of which is now.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// version returns the version of a sibling by its path.
func (s *stage) version(path string) string {
	m, _ := s.set.Sibling(path)
	return s.versions[m.Dir]
}

// place is where the tree of a rehearsal lies, and what tells its modules from those of another one at the same time.
type place struct{ tree, suffix string }

// claim returns the place where every rehearsal of this user copies its tree to, because the go command finds what it has
// compiled and tested there before. When another one is there now, or its tree is to be kept, it is a folder below temp.
func claim(temp string, keep bool) (place, func(), error) {
	elsewhere := place{filepath.Join(temp, "tree"), rand.Text()}
	cache, err := os.UserCacheDir()
	if err != nil || keep {
		return elsewhere, func() {}, nil
	}
	folder := filepath.Join(cache, "ephemera", "rehearse")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return place{}, nil, err
	}
	unlock, ok, err := tryLock(filepath.Join(folder, "lock"))
	if err != nil || !ok {
		return elsewhere, func() {}, err
	}
	usual := place{tree: filepath.Join(folder, "tree")}
	release := func() {
		os.RemoveAll(usual.tree)
		unlock()
	}
	if err := os.RemoveAll(usual.tree); err != nil {
		release()
		return place{}, nil, err
	}
	return usual, release, nil
}

// forget removes the modules of this rehearsal from the user's module cache.
func (s *stage) forget(ctx context.Context) error {
	var failed error
	for _, m := range s.set {
		if version, ok := s.versions[m.Dir]; ok {
			failed = errors.Join(failed, staging.Forget(context.WithoutCancel(ctx), m.Path(), version))
		}
	}
	return failed
}
