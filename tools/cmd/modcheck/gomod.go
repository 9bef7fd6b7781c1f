package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// stdOnly may never require anything, whatever modules.txt says: users take them for that promise.
var stdOnly = []string{"core", "sinks"}

// checkWorkspace compares modules.txt with go.work and with the go.mod files on disk.
func (c *checker) checkWorkspace() {
	for _, dir := range c.tree.goMods {
		if dir == "" {
			c.problem("go.mod", "the root must not be a module: its path would swallow those of the others")
		} else if _, ok := c.set.Find(dir); !ok {
			c.problem(dir+"/go.mod", "module is not listed in %s", modset.File)
		}
	}
	if _, err := os.Stat(filepath.Join(c.root, "internal")); err == nil {
		c.problem("internal", "no internal folder in the root: it would couple modules at different versions")
	}
	work := c.readWork()
	if work == nil {
		return
	}
	c.goVersion = work.Go.Version
	var used []string
	for _, use := range work.Use {
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Clean(use.Path)), "./")
		used = append(used, dir)
		if _, ok := c.set.Find(dir); !ok {
			c.problem("go.work", "uses %s, which is not listed in %s", dir, modset.File)
		}
	}
	for _, m := range c.set {
		if !slices.Contains(used, m.Dir) {
			c.problem(modset.File, "lists %s, which go.work does not use", m.Dir)
		}
	}
	if work.Toolchain != nil {
		c.problem("go.work", "has a toolchain line")
	}
	for _, r := range work.Replace {
		c.checkWorkReplace(r)
	}
}

// checkWorkReplace accepts one use of replace: the workspace looks for the sibling versions that modules require, and
// before a tag exists it finds them nowhere but in the tree.
func (c *checker) checkWorkReplace(r *modfile.Replace) {
	m, ok := c.set.Sibling(r.Old.Path)
	if !ok || r.Old.Version == "" || r.New.Path != "./"+m.Dir {
		c.problem("go.work", "replaces %s by %s: only a sibling at one version may be replaced, by its folder", r.Old, r.New)
		return
	}
	c.inTree[r.Old.String()] = true
}

func (c *checker) readWork() *modfile.WorkFile {
	data, err := os.ReadFile(filepath.Join(c.root, "go.work"))
	if err != nil {
		c.problem("go.work", "%v", err)
		return nil
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		c.problem("go.work", "%v", err)
		return nil
	}
	if work.Go == nil {
		c.problem("go.work", "has no go line")
		return nil
	}
	return work
}

// checkGoMod holds one go.mod to the rules that the go command itself does not know.
func (c *checker) checkGoMod(m modset.Module) {
	where := m.Dir + "/go.mod"
	data, err := os.ReadFile(filepath.Join(c.root, where))
	if err != nil {
		c.problem(where, "cannot read: %v", err)
		return
	}
	f, err := modfile.Parse(where, data, nil)
	if err != nil {
		c.problem(where, "%v", err)
		return
	}
	if f.Module == nil || f.Module.Mod.Path != m.Path() {
		c.problem(where, "module path is not %s", m.Path())
	}
	if f.Go == nil || f.Go.Version != c.goVersion {
		c.problem(where, "go line is not %q as in go.work", c.goVersion)
	}
	if f.Toolchain != nil {
		c.problem(where, "has a toolchain line: it would force a Go version on users")
	}
	if len(f.Replace) > 0 {
		c.problem(where, "has a replace line: it breaks go install and hides dead requirements; go.work joins the modules")
	}
	if len(f.Tool) > 0 && m.Dir != "tools" {
		c.problem(where, "has a tool line: tools belong to module tools")
	}
	c.checkRequires(m, where, f)
}

func (c *checker) checkRequires(m modset.Module, where string, f *modfile.File) {
	fixed := slices.Contains(stdOnly, m.Dir)
	if fixed && !m.StdOnly() {
		c.problem(modset.File, "%s must not be allowed any import", m.Dir)
	}
	allowed := c.set.AllowedPaths(m)
	for _, r := range f.Require {
		switch {
		case fixed || m.StdOnly():
			c.problem(where, "requires %s, but the module is standard library only", r.Mod.Path)
		case !r.Indirect && !slices.Contains(allowed, r.Mod.Path):
			c.problem(where, "requires %s, which its row in %s does not allow", r.Mod.Path, modset.File)
		}
		if sibling, ok := c.set.Sibling(r.Mod.Path); ok {
			c.checkSiblingVersion(where, r.Mod, sibling)
		}
	}
}

func (c *checker) checkSiblingVersion(where string, required module.Version, sibling modset.Module) {
	if strings.HasPrefix(required.Version, "v0.0.0") {
		c.problem(where, "requires %s, a version that no tag can have", required)
	}
	if !c.inTree[required.String()] {
		c.problem(where, "requires %s: go.work lacks the line replace %s %s => ./%s",
			required, required.Path, required.Version, sibling.Dir)
	}
}

// checkLicense wants a real copy: the go command puts no link and no file of another folder into a module.
func (c *checker) checkLicense(m modset.Module) {
	root, err := os.ReadFile(filepath.Join(c.root, "LICENSE"))
	if err != nil {
		c.problem("LICENSE", "%v", err)
		return
	}
	where := m.Dir + "/LICENSE"
	path := filepath.Join(c.root, where)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		c.problem(where, "is missing or not a regular file; copy the one in the root")
		return
	}
	if own, err := os.ReadFile(path); err != nil || !bytes.Equal(own, root) {
		c.problem(where, "differs from the one in the root")
	}
}
