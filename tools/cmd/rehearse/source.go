package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// export copies the files that git knows into dir, from the last commit or as they are now.
func export(ctx context.Context, root, dir string, head bool) error {
	if head {
		return exportHead(ctx, root, dir)
	}
	out, err := git(ctx, root, "ls-files", "-z", "--cached")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile leaves out what is no regular file: a module zip cannot hold it, and a deleted file is not there.
func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, data, info.Mode().Perm())
}

func writeFile(name string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, mode|0o600)
}

func exportHead(ctx context.Context, root, dir string) error {
	out, err := git(ctx, root, "archive", "--format=tar", "HEAD")
	if err != nil {
		return err
	}
	archive := tar.NewReader(bytes.NewReader(out))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("git archive names %s, which is outside of the tree", h.Name)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, h.Name), data, h.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
}

func git(ctx context.Context, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: git %s: %w: %s", errUsage, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

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
