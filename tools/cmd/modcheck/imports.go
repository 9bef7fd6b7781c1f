package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// checkImports judges what every file names, whatever its build tags.
func (c *checker) checkImports() {
	var siblings []string
	for _, m := range c.set {
		siblings = append(siblings, m.Path())
	}
	for _, f := range c.tree.goFiles {
		m, ok := c.moduleOf(f.path)
		if !ok {
			c.problem(f.path, "belongs to no module of %s", modset.File)
			continue
		}
		allowed := append(c.set.AllowedPaths(m), m.Path())
		for _, imp := range f.imports {
			c.checkImport(f, imp, m, allowed, siblings)
		}
	}
}

func (c *checker) checkImport(f goFile, imp goImport, m modset.Module, allowed, siblings []string) {
	if modset.IsStd(imp.path) {
		return
	}
	where := at(f.path, imp.line)
	if _, ok := modset.Longest(allowed, imp.path); !ok {
		c.problem(where, "%s may not import %s: its row in %s does not allow it", m.Dir, imp.path, modset.File)
	}
	owner, ok := modset.Longest(siblings, imp.path)
	if ok && owner != m.Path() && slices.Contains(strings.Split(imp.path, "/"), "internal") {
		c.problem(where, "imports %s, an internal package of another module", imp.path)
	}
}

func (c *checker) moduleOf(path string) (modset.Module, bool) {
	for _, m := range c.set {
		if strings.HasPrefix(path, m.Dir+"/") {
			return m, true
		}
	}
	return modset.Module{}, false
}

// checkReach asks the go command which modules the packages and tests of m reach in the end. A row names every sibling
// that is reached, also through others, so that it shows the whole weight of a module.
func (c *checker) checkReach(ctx context.Context, m modset.Module) {
	cmd := c.goCommand(ctx, filepath.Join(c.root, m.Dir),
		"list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.problem(m.Dir, "go list fails: %v: %s", err, oneLine(stderr.String()))
		return
	}
	reached := strings.Fields(string(out))
	slices.Sort(reached)
	allowed := c.set.AllowedPaths(m)
	for _, path := range slices.Compact(reached) {
		sibling, ok := c.set.Sibling(path)
		switch {
		case path == m.Path() || slices.Contains(allowed, path):
		case ok:
			c.problem(m.Dir, "reaches module %s through its imports: name it in its row in %s", sibling.Dir, modset.File)
		case m.StdOnly():
			c.problem(m.Dir, "reaches %s, but the module is standard library only", path)
		}
	}
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}
