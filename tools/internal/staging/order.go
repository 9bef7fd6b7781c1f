package staging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// ReadMod parses the go.mod of a module below tree.
func ReadMod(tree string, m modset.Module) (*modfile.File, error) {
	data, err := os.ReadFile(filepath.Join(tree, m.Dir, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s/go.mod is not tracked: git add it first: %w", m.Dir, err)
	}
	if err != nil {
		return nil, err
	}
	return modfile.Parse(m.Dir+"/go.mod", data, nil)
}

// Order returns the modules in the folders and those of the tree that they require, each after what it requires.
func Order(set modset.Set, tree string, dirs []string) ([]modset.Module, error) {
	var order []modset.Module
	state := map[string]int{} // 1 while its requirements are visited, 2 when it is in order
	var visit func(dir string) error
	visit = func(dir string) error {
		m, ok := set.Find(dir)
		switch {
		case !ok:
			return fmt.Errorf("%s is not in %s", dir, modset.File)
		case state[dir] == 1:
			return fmt.Errorf("module %s requires itself through others", dir)
		case state[dir] == 2:
			return nil
		}
		state[dir] = 1
		f, err := ReadMod(tree, m)
		if err != nil {
			return err
		}
		for _, r := range f.Require {
			if sibling, ok := set.Sibling(r.Mod.Path); ok {
				if err := visit(sibling.Dir); err != nil {
					return err
				}
			}
		}
		state[dir] = 2
		order = append(order, m)
		return nil
	}
	for _, dir := range dirs {
		if err := visit(dir); err != nil {
			return nil, err
		}
	}
	return order, nil
}
