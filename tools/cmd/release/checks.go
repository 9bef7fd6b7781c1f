package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

const mainBranch = "main"

// checkGit wants the commit to be what is in the folder: untracked files too, because they may be forgotten ones.
func (r *release) checkGit(ctx context.Context) error {
	status, err := staging.Git(ctx, r.root, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return err
	}
	if lines := strings.Split(strings.TrimSpace(string(status)), "\n"); lines[0] != "" {
		if len(lines) > 5 {
			lines = append(lines[:5], "…")
		}
		r.problem("git", "files differ from the commit; commit them, or undo an interrupted write with git restore:\n\t%s",
			strings.Join(lines, "\n\t"))
	}
	branch, err := staging.Git(ctx, r.root, "branch", "--show-current")
	if err != nil {
		return err
	}
	if name := strings.TrimSpace(string(branch)); name != mainBranch {
		r.problem("git", "the branch is %q, want %s", name, mainBranch)
	}
	return nil
}

// checkVersions judges the versions by the tags that exist.
func (r *release) checkVersions(ctx context.Context) error {
	for _, name := range r.sets() {
		members := r.members(name)
		version := r.versions[members[0].Dir]
		if version == "" {
			continue
		}
		last := ""
		for _, m := range members {
			if err := r.checkTag(ctx, m); err != nil {
				return err
			}
			if newest := r.tags.last(m.Dir); semver.Compare(newest, version) > 0 {
				r.problem(m.Dir, "%s is out already, and newer than %s", newest, version)
			}
			if v := r.tags.before(m.Dir, version); semver.Compare(v, last) > 0 {
				last = v
			}
		}
		if next := successors(last); !slices.Contains(next, version) {
			after := "a first version"
			if last != "" {
				after = "after " + last
			}
			r.problem(name, "%s cannot be %s; want %s", version, after, strings.Join(next, " or "))
		}
	}
	return nil
}

// checkTag refuses a version that exists. An earlier run of the command tag that was killed may have left some of its tags;
// they stand on this commit, and the rest may join them.
func (r *release) checkTag(ctx context.Context, m modset.Module) error {
	if !r.tags.has(m.Dir, r.versions[m.Dir]) {
		return nil
	}
	commits, err := staging.Git(ctx, r.root, "rev-parse", "HEAD^{commit}", "refs/tags/"+r.tagName(m)+"^{commit}")
	if err != nil {
		return err
	}
	lines := strings.Fields(string(commits))
	if same := lines[0] == lines[1]; !same || !r.tagging {
		r.problem(m.Dir, "tag %s exists, on commit %.12s; a version is never used twice", r.tagName(m), lines[1])
	}
	return nil
}

// checkFiles judges the files of the modules to release as they are in the checkout.
func (r *release) checkFiles(context.Context) error {
	for _, m := range r.released() {
		if info, err := os.Lstat(filepath.Join(r.root, m.Dir, "LICENSE")); err != nil || !info.Mode().IsRegular() {
			r.problem(m.Dir, "LICENSE is missing or not a regular file")
		}
		if _, err := r.releasedChangelog(m); err != nil {
			r.problem(m.Dir, "%s %v", changelogFile, err)
		}
		f, err := staging.ReadMod(r.root, m)
		if err != nil {
			return err
		}
		if len(f.Replace) > 0 {
			r.problem(m.Dir, "go.mod has a replace line, which users do not get")
		}
		for _, require := range f.Require {
			sibling, ok := r.set.Sibling(require.Mod.Path)
			if ok && r.versions[sibling.Dir] == "" && !r.tags.has(sibling.Dir, require.Mod.Version) {
				r.problem(m.Dir, "requires %s, which no tag has: release set %s first or together with %s",
					require.Mod, sibling.Set, m.Set)
			}
		}
	}
	return nil
}

// releasedChangelog returns the changelog of a module with the entry of this release.
func (r *release) releasedChangelog(m modset.Module) (changelog, error) {
	text, err := os.ReadFile(filepath.Join(r.root, m.Dir, changelogFile))
	if err != nil {
		return changelog{}, err
	}
	c, err := parseChangelog(string(text))
	if err != nil {
		return changelog{}, err
	}
	return c.release(r.versions[m.Dir], r.today)
}
