package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// checker collects the problems of one tree.
type checker struct {
	root      string
	set       modset.Set
	tree      *tree
	goVersion string          // of go.work
	inTree    map[string]bool // sibling versions, path@version, that go.work leads to the tree
	problems  []string
}

func newChecker(root string) (*checker, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	set, err := modset.Load(root)
	if err != nil {
		return nil, err
	}
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	return &checker{root: root, set: set, tree: t, inTree: map[string]bool{}}, nil
}

// problem records one finding about a file; where is relative to the root and may end in a line number.
func (c *checker) problem(where, format string, args ...any) {
	c.problems = append(c.problems, where+": "+fmt.Sprintf(format, args...))
}

func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }

func (c *checker) checkAll(ctx context.Context) {
	c.problems = append(c.problems, c.tree.broken...)
	c.checkWorkspace()
	for _, m := range c.set {
		c.checkGoMod(m)
		c.checkLicense(m)
		c.checkReach(ctx, m)
	}
	c.checkImports()
	c.checkSizes()
}

// goCommand runs in the workspace of the tree, also where the caller has switched workspaces off.
func (c *checker) goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(c.root, "go.work"))
	return cmd
}
