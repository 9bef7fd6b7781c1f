package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// release is one run: what is to be released, the copy of the commit that is made ready, and what is wrong.
type release struct {
	root     string
	out      io.Writer
	log      io.Writer
	set      modset.Set
	tags     history
	versions map[string]string // folders of the modules to release, and their versions
	order    []modset.Module   // all modules, each after what it requires
	tagging  bool
	today    string
	problems []string

	temp  string
	tree  string
	proxy staging.Proxy
	env   []string
	alone map[string]bool // path@version of modules that are neither tagged nor released now
}

func newRelease(ctx context.Context, root string, out, log io.Writer) (*release, error) {
	r := &release{root: root, out: out, log: log, versions: map[string]string{}, alone: map[string]bool{}}
	var err error
	if r.set, err = modset.Load(root); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if r.tags, err = readHistory(ctx, root, r.set); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	var all []string
	for _, m := range r.set {
		all = append(all, m.Dir)
	}
	if r.order, err = staging.Order(r.set, root, all); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if r.temp, err = os.MkdirTemp("", "release"); err != nil {
		return nil, err
	}
	r.tree, r.proxy = filepath.Join(r.temp, "tree"), staging.Proxy(filepath.Join(r.temp, "proxy"))
	r.env, err = staging.Environment(ctx, r.proxy, filepath.Join(r.temp, "modcache"))
	if err != nil {
		r.close()
	}
	return r, err
}

func (r *release) close() { os.RemoveAll(r.temp) }

// aim reads SET=VERSION arguments.
func (r *release) aim(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: name what to release as SET=VERSION; sets: %s", errUsage, strings.Join(r.sets(), ", "))
	}
	for _, arg := range args {
		name, version, ok := strings.Cut(arg, "=")
		if !ok || !slices.Contains(r.sets(), name) {
			return fmt.Errorf("%w: %q is no SET=VERSION; sets: %s", errUsage, arg, strings.Join(r.sets(), ", "))
		}
		if !semver.IsValid(version) || semver.Canonical(version) != version {
			return fmt.Errorf("%w: %q is no version such as v0.1.0", errUsage, version)
		}
		for _, m := range r.members(name) {
			if _, ok := r.versions[m.Dir]; ok {
				return fmt.Errorf("%w: %s is named twice", errUsage, name)
			}
			r.versions[m.Dir] = version
		}
	}
	return nil
}

// sets returns the names of the sets that are released, in the order of modules.txt.
func (r *release) sets() []string {
	var names []string
	for _, m := range r.set {
		if m.Released && !slices.Contains(names, m.Set) {
			names = append(names, m.Set)
		}
	}
	return names
}

func (r *release) members(name string) []modset.Module {
	var members []modset.Module
	for _, m := range r.set {
		if m.Released && m.Set == name {
			members = append(members, m)
		}
	}
	return members
}

// released returns the modules of this release, each after those that it requires.
func (r *release) released() []modset.Module {
	return slices.DeleteFunc(slices.Clone(r.order), func(m modset.Module) bool { return r.versions[m.Dir] == "" })
}

func (r *release) tagName(m modset.Module) string { return m.Dir + "/" + r.versions[m.Dir] }

func (r *release) say(format string, args ...any) {
	fmt.Fprintf(r.log, "release: "+format+"\n", args...)
}

func (r *release) problem(where, format string, args ...any) {
	r.problems = append(r.problems, where+": "+strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// checkAll finds what is wrong: first what can be seen at once, and only then what has to be built.
func (r *release) checkAll(ctx context.Context) error {
	for _, check := range []func(context.Context) error{r.checkGit, r.checkVersions, r.checkFiles} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	for _, check := range []func(context.Context) error{r.stage, r.checkAPI, r.checkWritten} {
		if len(r.problems) > 0 {
			break
		}
		if err := check(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}
