package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// stage makes a copy of the commit ready for the release and builds what users would get of it: the modules of the release
// from the copy, all other modules of ours from their tags.
func (r *release) stage(ctx context.Context) error {
	if err := staging.ExportRevision(ctx, r.root, "HEAD", r.tree); err != nil {
		return err
	}
	if err := r.setRequirements(); err != nil {
		return err
	}
	for _, m := range r.order {
		if err := r.stageModule(ctx, m); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// setRequirements lets every module of the tree require the new versions, released or not: together they were tested.
func (r *release) setRequirements() error {
	work, err := readWork(r.tree)
	if err != nil {
		return err
	}
	for _, m := range r.order {
		f, err := staging.ReadMod(r.tree, m)
		if err != nil {
			return err
		}
		for _, require := range slices.Clone(f.Require) {
			sibling, ok := r.set.Sibling(require.Mod.Path)
			if !ok {
				continue
			}
			mod := require.Mod
			if v := r.versions[sibling.Dir]; v != "" {
				mod.Version = v
				if err := f.AddRequire(mod.Path, v); err != nil {
					return err
				}
			}
			if err := replaceInWork(work, mod, sibling, r.versions[sibling.Dir] != ""); err != nil {
				return err
			}
		}
		text, err := f.Format()
		if err != nil {
			return err
		}
		if err := staging.WriteFile(filepath.Join(r.tree, m.Dir, "go.mod"), text, 0o644); err != nil {
			return err
		}
	}
	work.Cleanup()
	return staging.WriteFile(filepath.Join(r.tree, "go.work"), modfile.Format(work.Syntax), 0o644)
}

func readWork(tree string) (*modfile.WorkFile, error) {
	data, err := os.ReadFile(filepath.Join(tree, "go.work"))
	if err != nil {
		return nil, err
	}
	return modfile.ParseWork("go.work", data, nil)
}

// replaceInWork leads a version that a module requires to the folder; only makes it the only one of that module.
func replaceInWork(work *modfile.WorkFile, mod module.Version, m modset.Module, only bool) error {
	if only {
		for _, old := range slices.Clone(work.Replace) {
			if old.Old.Path == mod.Path && old.Old.Version != mod.Version {
				if err := work.DropReplace(old.Old.Path, old.Old.Version); err != nil {
					return err
				}
			}
		}
	}
	return work.AddReplace(mod.Path, mod.Version, "./"+m.Dir, "")
}

// stageModule tidies a module, builds it and packs it, if it is to be released.
func (r *release) stageModule(ctx context.Context, m modset.Module) error {
	if err := r.provide(ctx, r.tree, m, r.versions[m.Dir] == ""); err != nil {
		return err
	}
	if err := r.editSums(m, r.releasedNow); err != nil {
		return err
	}
	version := r.versions[m.Dir]
	if version == "" {
		r.say("%s: tidy", m.Dir)
		r.goCommand(ctx, m, "mod", "tidy")
		return errors.Join(r.editSums(m, func(mod module.Version) bool { return r.alone[mod.String()] }), ctx.Err())
	}
	c, err := r.releasedChangelog(m)
	if err != nil {
		return err
	}
	if err := staging.WriteFile(filepath.Join(r.tree, m.Dir, changelogFile), []byte(c.String()), 0o644); err != nil {
		return err
	}
	steps := [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, "./..."}, {"vet", "./..."}}
	mixed, err := r.mixed(ctx, m)
	if err != nil {
		return err
	}
	if mixed {
		steps = append(steps, []string{"test", "-short", "-vet=off", "./..."})
	}
	for _, step := range steps {
		r.say("%s: go %s", m.Dir, strings.Join(step, " "))
		if !r.goCommand(ctx, m, step...) {
			break
		}
	}
	return errors.Join(r.proxy.Add(m.Path(), version, filepath.Join(r.tree, m.Dir)), ctx.Err())
}

// provide puts into the proxy what a module below tree requires of the repository. What is neither tagged nor released now
// comes from the copy, but only for modules that nobody gets (alone).
func (r *release) provide(ctx context.Context, tree string, m modset.Module, alone bool) error {
	f, err := staging.ReadMod(tree, m)
	if err != nil {
		return err
	}
	for _, require := range f.Require {
		sibling, ok := r.set.Sibling(require.Mod.Path)
		if !ok || r.proxy.Has(require.Mod.Path, require.Mod.Version) {
			continue
		}
		version, from := require.Mod.Version, r.tree
		switch {
		case r.tags.has(sibling.Dir, version):
			from = filepath.Join(r.temp, "tags", sibling.Dir, version)
			if err := staging.ExportRevision(ctx, r.root, "refs/tags/"+sibling.Dir+"/"+version, from, sibling.Dir); err != nil {
				return err
			}
			if err := r.provide(ctx, from, sibling, false); err != nil {
				return err
			}
		case alone:
			r.alone[require.Mod.String()] = true
		default:
			r.problem(m.Dir, "requires %s, which no tag has", require.Mod)
			continue
		}
		if err := r.proxy.Add(require.Mod.Path, version, filepath.Join(from, sibling.Dir)); err != nil {
			return err
		}
	}
	return nil
}

// mixed reports whether a module takes a sibling from a tag whose files are not those of the commit: no other check has
// seen the two together.
func (r *release) mixed(ctx context.Context, m modset.Module) (bool, error) {
	f, err := staging.ReadMod(r.tree, m)
	if err != nil {
		return false, err
	}
	for _, require := range f.Require {
		sibling, ok := r.set.Sibling(require.Mod.Path)
		if !ok || r.releasedNow(require.Mod) {
			continue
		}
		tag := "refs/tags/" + sibling.Dir + "/" + require.Mod.Version
		diff, err := staging.Git(ctx, r.root, "diff", "--name-only", tag, "HEAD", "--", sibling.Dir)
		if err != nil || len(diff) > 0 {
			return true, err
		}
	}
	return false, nil
}

func (r *release) releasedNow(mod module.Version) bool {
	m, ok := r.set.Sibling(mod.Path)
	return ok && r.versions[m.Dir] == mod.Version
}

// editSums removes lines from the go.sum of a staged module.
func (r *release) editSums(m modset.Module, drop func(module.Version) bool) error {
	name := filepath.Join(r.tree, m.Dir, "go.sum")
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && drop(module.Version{Path: fields[0], Version: strings.TrimSuffix(fields[1], "/go.mod")}) {
			continue
		}
		kept.WriteString(line)
	}
	if kept.Len() == 0 {
		return os.Remove(name)
	}
	return staging.WriteFile(name, []byte(kept.String()), 0o644)
}

func (r *release) goCommand(ctx context.Context, m modset.Module, args ...string) bool {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = filepath.Join(r.tree, m.Dir), r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.problem(m.Dir, "go %s: %v\n\t%s", strings.Join(args, " "), err,
			strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "\n\t"))
	}
	return err == nil
}
