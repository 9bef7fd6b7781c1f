package staging

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// Forget removes one version of a module from the user's module cache.
func Forget(ctx context.Context, path, version string) error {
	vars, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return err
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return err
	}
	downloads := filepath.Join(vars[0], "cache", "download", escaped, "@v")
	files, err := filepath.Glob(filepath.Join(downloads, version+".*"))
	if err != nil {
		return err
	}
	err = os.RemoveAll(filepath.Join(vars[0], escaped+"@"+version))
	for _, name := range files {
		err = errors.Join(err, os.Remove(name))
	}
	return errors.Join(err, unlist(filepath.Join(downloads, "list"), version))
}

// unlist takes a version off the list that the go command keeps beside its downloads.
func unlist(list, version string) error {
	data, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	versions := slices.DeleteFunc(strings.Fields(string(data)), func(v string) bool { return v == version })
	if len(versions) == 0 {
		return os.Remove(list)
	}
	return os.WriteFile(list, []byte(strings.Join(versions, "\n")+"\n"), 0o644)
}
