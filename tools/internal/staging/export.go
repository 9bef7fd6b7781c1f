package staging

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Export copies the files that git tracks below root, as they are now, into dir.
func Export(ctx context.Context, root, dir string) error {
	out, err := Git(ctx, root, "ls-files", "-z", "--cached")
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
	return WriteFile(to, data, info.Mode().Perm())
}

// WriteFile writes a file whose owner may read and write it, and makes the folders that it needs.
func WriteFile(name string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, mode|0o600)
}

// ExportRevision copies what a revision holds below the paths, or all of it, into dir.
func ExportRevision(ctx context.Context, root, revision, dir string, paths ...string) error {
	out, err := Git(ctx, root, append([]string{"archive", "--format=tar", revision, "--"}, paths...)...)
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
		if err := WriteFile(filepath.Join(dir, h.Name), data, h.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
}

// Git runs git in a folder and returns what it prints.
func Git(ctx context.Context, root string, args ...string) ([]byte, error) {
	return GitInput(ctx, root, nil, args...)
}

// GitInput is Git with a standard input.
func GitInput(ctx context.Context, root string, input []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
