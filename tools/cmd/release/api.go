package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// toolsFile names the pinned version of apidiff.
const toolsFile = "tools/versions.txt"

// checkAPI compares each module of the release with its version before: users of a version that may not break must still
// compile, and the changelog of one that may has to say so.
func (r *release) checkAPI(ctx context.Context) error {
	for _, m := range r.released() {
		version := r.versions[m.Dir]
		last := r.tags.before(m.Dir, version)
		broken, err := r.incompatible(ctx, m, last)
		if err != nil {
			return err
		}
		c, err := r.releasedChangelog(m)
		if err != nil {
			return err
		}
		e, _ := c.find(version)
		switch {
		case broken == "":
		case !mayBreak(last, version):
			r.problem(m.Dir, "%s must not break what %s promised:\n%s", version, last, broken)
		case !e.breaks():
			r.problem(m.Dir, "%s breaks users of %s, and its changelog has no line that begins with %q:\n%s", version, last, breaking, broken)
		}
	}
	return nil
}

// checkAllAPI compares every released module with its last version. What breaks has to be announced at once, while whoever
// broke it knows why.
func (r *release) checkAllAPI(ctx context.Context) error {
	for _, name := range r.sets() {
		for _, m := range r.members(name) {
			last := r.tags.last(m.Dir)
			broken, err := r.incompatible(ctx, m, last)
			if err != nil {
				return err
			}
			switch {
			case last == "":
				fmt.Fprintf(r.out, "%s: no tag yet, nothing was promised\n", m.Dir)
			case broken == "":
				fmt.Fprintf(r.out, "%s: compatible with %s\n", m.Dir, last)
			case r.announced(m):
				fmt.Fprintf(r.out, "%s: breaks users of %s, as its changelog announces:\n%s\n", m.Dir, last, broken)
			default:
				r.problem(m.Dir, "breaks users of %s, and %s has no line that begins with %q under Unreleased:\n%s",
					last, changelogFile, breaking, broken)
			}
		}
	}
	return nil
}

func (r *release) announced(m modset.Module) bool {
	text, err := os.ReadFile(filepath.Join(r.root, m.Dir, changelogFile))
	if err != nil {
		return false
	}
	c, err := parseChangelog(string(text))
	return err == nil && c.entries[0].breaks()
}

// incompatible returns what apidiff says about a module of the checkout and its version before, "" if users notice nothing.
// Each side is read in its own workspace, because types are the same if their names are.
func (r *release) incompatible(ctx context.Context, m modset.Module, last string) (string, error) {
	if last == "" {
		return "", nil
	}
	apidiff, err := r.apidiff(ctx)
	if err != nil {
		return "", err
	}
	r.say("%s: API since %s", m.Dir, last)
	tag := "refs/tags/" + m.Dir + "/" + last
	commit, err := staging.Git(ctx, r.root, "rev-parse", tag+"^{commit}")
	if err != nil {
		return "", err
	}
	before := filepath.Join(r.temp, "api", strings.TrimSpace(string(commit)))
	if _, err := os.Stat(before); err != nil {
		if err := staging.ExportRevision(ctx, r.root, tag, before); err != nil {
			return "", err
		}
	}
	exported := filepath.Join(r.temp, "api", m.Dir+".export")
	if _, err := r.runAPIDiff(ctx, before, m, apidiff, "-m", "-w", exported, m.Path()); err != nil {
		return "", err
	}
	return r.runAPIDiff(ctx, r.root, m, apidiff, "-m", "-incompatible", exported, m.Path())
}

func (r *release) runAPIDiff(ctx context.Context, tree string, m modset.Module, apidiff string, args ...string) (string, error) {
	work, err := filepath.Abs(filepath.Join(tree, "go.work"))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, apidiff, args...)
	// -trimpath, or the folder of a tag, which is another one each time, would be part of everything that is compiled.
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -trimpath")
	cmd.Dir, cmd.Env = filepath.Join(tree, m.Dir), append(os.Environ(), "GOWORK="+work, "GOFLAGS="+flags)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("apidiff %s: %w: %s", m.Dir, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// apidiff returns the pinned program, and builds it the first time.
func (r *release) apidiff(ctx context.Context) (string, error) {
	version, pkg, err := r.pinned("apidiff")
	if err != nil {
		return "", err
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache") // as in the Makefile
	}
	folder := filepath.Join(cache, "ephemera", "tools", "apidiff-"+version)
	binary := filepath.Join(folder, "apidiff")
	if _, err := exec.LookPath(binary); err == nil {
		return binary, nil
	}
	r.say("installing apidiff %s into %s, once", version, folder)
	cmd := exec.CommandContext(ctx, "go", "install", pkg+"@"+version)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOBIN="+folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s@%s: %w\n%s", pkg, version, err, out)
	}
	return binary, nil
}

func (r *release) pinned(name string) (version, pkg string, err error) {
	text, err := os.ReadFile(filepath.Join(r.root, toolsFile))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			return fields[1], fields[2], nil
		}
	}
	return "", "", errors.New(toolsFile + " names no version of " + name)
}
