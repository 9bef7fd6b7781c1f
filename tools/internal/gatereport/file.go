package gatereport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path by what write writes, all at once: a run that is interrupted or fails leaves the old
// file as it was. The file is readable by everybody.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("gatereport: write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("gatereport: write %s: %w", path, errors.Join(err, os.Remove(tmp.Name())))
		}
	}()
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
