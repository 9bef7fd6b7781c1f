package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// treeVersion names the content of dir, so that no cache can ever answer with another tree's module. Base32 in lower case
// has no zero digit, hence every result is a valid prerelease.
func treeVersion(dir string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version())
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
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
		return nil
	})
	name := strings.ToLower(base32.StdEncoding.EncodeToString(sum.Sum(nil)))
	return "v0.1.0-rehearse." + name[:12], err
}

// claimVersion gives this rehearsal a version of its own, because its end removes it from the user's module cache. Another
// rehearsal of the same tree, or one that was killed, only costs compiling our modules again.
func claimVersion(dir string) (version string, release func(), err error) {
	if version, err = treeVersion(dir); err != nil {
		return "", nil, err
	}
	claim := filepath.Join(os.TempDir(), version+".claim")
	if err = os.Mkdir(claim, 0o700); err == nil {
		return version, func() { os.RemoveAll(claim) }, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return "", nil, err
	}
	return version + "." + strings.ToLower(rand.Text()[:12]), func() {}, nil
}

// forget removes the modules of this rehearsal from the user's module cache.
func (s *stage) forget(ctx context.Context) error {
	var failed error
	for _, m := range s.set {
		failed = errors.Join(failed, staging.Forget(context.WithoutCancel(ctx), m.Path(), s.version))
	}
	return failed
}
