// Package staging makes a module proxy out of folders, so that the go command takes modules of a tree from there as users
// take them from tags.
package staging

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// Proxy is a folder in the layout that GOPROXY=file:// wants.
type Proxy string

// Add packs the module in dir as one version.
func (p Proxy) Add(path, version, dir string) error {
	files, err := p.files(path)
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	for ext, data := range map[string][]byte{".mod": mod, ".info": info} {
		if err := WriteFile(filepath.Join(files, version+ext), data, 0o644); err != nil {
			return err
		}
	}
	list, err := os.OpenFile(filepath.Join(files, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = list.WriteString(version + "\n")
	if err := errors.Join(err, list.Close()); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(files, version+".zip"))
	if err != nil {
		return err
	}
	err = zip.CreateFromDir(out, module.Version{Path: path, Version: version}, dir)
	return errors.Join(err, out.Close())
}

// Has reports whether a version was added.
func (p Proxy) Has(path, version string) bool {
	files, err := p.files(path)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(files, version+".zip"))
	return err == nil
}

func (p Proxy) files(path string) (string, error) {
	escaped, err := module.EscapePath(path)
	return filepath.Join(string(p), escaped, "@v"), err
}
