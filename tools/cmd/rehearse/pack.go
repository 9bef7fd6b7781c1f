package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// pack writes the staged module into the proxy, in the layout that GOPROXY=file:// wants.
func (s *stage) pack(m modset.Module) error {
	escaped, err := module.EscapePath(m.Path())
	if err != nil {
		return err
	}
	dir := filepath.Join(s.proxy, escaped, "@v")
	mod, err := os.ReadFile(filepath.Join(s.tree, m.Dir, "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": s.version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	files := map[string][]byte{".mod": mod, ".info": info}
	for ext, data := range files {
		if err := writeFile(filepath.Join(dir, s.version+ext), data, 0o644); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(dir, "list"), []byte(s.version+"\n"), 0o644); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, s.version+".zip"))
	if err != nil {
		return err
	}
	err = zip.CreateFromDir(out, module.Version{Path: m.Path(), Version: s.version}, filepath.Join(s.tree, m.Dir))
	return errors.Join(err, out.Close())
}
