package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// stage is one rehearsal: a copy of the tree, the proxy that its modules go to, and what went wrong.
type stage struct {
	config
	log      io.Writer
	tree     string
	proxy    string
	version  string
	set      modset.Set
	env      []string
	problems []string
}

func rehearse(ctx context.Context, c config, log io.Writer) ([]string, error) {
	temp, err := os.MkdirTemp("", "rehearse")
	if err != nil {
		return nil, err
	}
	if c.keep {
		fmt.Fprintln(log, "rehearse: keeping", temp)
	} else {
		defer os.RemoveAll(temp)
	}
	s := &stage{config: c, log: log, tree: filepath.Join(temp, "tree"), proxy: filepath.Join(temp, "proxy")}
	if err := s.prepare(ctx, temp); err != nil {
		return nil, err
	}
	order, err := s.order()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "rehearse: %d modules at %s\n", len(order), s.version)
	for _, m := range order {
		if err := s.module(ctx, m); err != nil {
			return nil, err
		}
	}
	if c.consume != "" {
		err = s.consumer(ctx, filepath.Join(temp, "consumer"))
	}
	if c.install != "" && len(s.problems) == 0 && err == nil {
		err = s.program(ctx, temp)
	}
	return s.problems, err
}

func (s *stage) prepare(ctx context.Context, temp string) error {
	if err := export(ctx, s.root, s.tree, s.head); err != nil {
		return err
	}
	var err error
	if s.set, err = modset.Load(s.tree); err != nil {
		return fmt.Errorf("%w: %w (only tracked files count: git add them first)", errUsage, err)
	}
	if m, ok := s.set.Find(s.consume); ok && !m.StdOnly() {
		return fmt.Errorf("%w: -consume wants a module that imports only the standard library, and %s may import %s",
			errUsage, m.Dir, strings.Join(m.Allowed, ", "))
	}
	if s.version, err = treeVersion(s.tree); err != nil {
		return err
	}
	s.env, err = environment(ctx, s.proxy, filepath.Join(temp, "modcache"))
	return err
}

// environment makes the go command take our modules from the staged proxy and all others from the user's module cache,
// then from where they usually come. A module cache of its own keeps the user's clean.
func environment(ctx context.Context, proxy, cache string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY", "GOMODCACHE", "GONOSUMDB", "GOFLAGS").Output()
	if err != nil {
		return nil, fmt.Errorf("%w: go env: %w", errUsage, err)
	}
	vars := strings.Split(string(out), "\n")
	goproxy := []string{fileURL(proxy), fileURL(filepath.Join(vars[1], "cache", "download")), vars[0]}
	flags := slices.DeleteFunc(strings.Fields(vars[3]), func(f string) bool { return strings.HasPrefix(f, "-mod") })
	return append(os.Environ(),
		"GOWORK=off",
		"GOPROXY="+strings.Join(goproxy, ","),
		"GOMODCACHE="+cache,
		"GONOPROXY=none",
		"GONOSUMDB="+strings.Trim(vars[2]+","+modset.Prefix+"/*", ","),
		// -trimpath, or where the temporary module cache lies would be part of everything that is compiled.
		"GOFLAGS="+strings.Join(append(flags, "-modcacherw", "-trimpath"), " "),
	), nil
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "file://" + path
}

// order returns the wanted modules and those they require, each after what it requires.
func (s *stage) order() ([]modset.Module, error) {
	wanted := slices.Clone(s.modules)
	if s.consume != "" {
		wanted = append(wanted, s.consume)
	}
	if s.install != "" {
		m, err := s.moduleOf(s.install)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, m.Dir)
	}
	if len(wanted) == 0 {
		for _, m := range s.set {
			wanted = append(wanted, m.Dir)
		}
	}
	var order []modset.Module
	state := map[string]int{} // 1 while its requirements are visited, 2 when it is in order
	var visit func(dir string) error
	visit = func(dir string) error {
		m, ok := s.set.Find(dir)
		switch {
		case !ok:
			return fmt.Errorf("%w: %s is not in %s", errUsage, dir, modset.File)
		case state[dir] == 1:
			return fmt.Errorf("%w: module %s requires itself through others", errUsage, dir)
		case state[dir] == 2:
			return nil
		}
		state[dir] = 1
		siblings, err := s.siblings(m)
		if err != nil {
			return err
		}
		for _, dep := range siblings {
			if err := visit(dep.Dir); err != nil {
				return err
			}
		}
		state[dir] = 2
		order = append(order, m)
		return nil
	}
	for _, dir := range wanted {
		if err := visit(dir); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// siblings returns the modules of the tree that the go.mod of m requires.
func (s *stage) siblings(m modset.Module) ([]modset.Module, error) {
	f, err := s.readMod(m)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s/go.mod is not tracked: git add it first", errUsage, m.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	var found []modset.Module
	for _, r := range f.Require {
		if sibling, ok := s.set.Sibling(r.Mod.Path); ok {
			found = append(found, sibling)
		}
	}
	return found, nil
}

// module rehearses one module and packs it, even when it failed, so that one run shows the failures of all.
func (s *stage) module(ctx context.Context, m modset.Module) error {
	start := time.Now()
	before := len(s.problems)
	fmt.Fprintf(s.log, "rehearse: %s: ", m.Dir)
	if err := s.tidyModule(ctx, m); err != nil {
		return err
	}
	if s.tidy == "" {
		s.goCommand(ctx, m, "build", "-o", os.DevNull, "./...")
		s.goCommand(ctx, m, "vet", "./...")
		if s.test {
			s.goCommand(ctx, m, "test", "-short", "./...")
		}
	}
	if err := s.pack(m); err != nil {
		return err
	}
	result := "ok"
	if len(s.problems) > before {
		result = "FAILED"
	}
	fmt.Fprintf(s.log, "%s (%.1fs)\n", result, time.Since(start).Seconds())
	return ctx.Err()
}

// goCommand runs the go command in a staged module and records its failure.
func (s *stage) goCommand(ctx context.Context, m modset.Module, args ...string) bool {
	step := args[0]
	if step == "mod" {
		step = args[1]
	}
	fmt.Fprintf(s.log, "%s ", step)
	out, err := s.command(ctx, filepath.Join(s.tree, m.Dir), args...).CombinedOutput()
	if err != nil {
		s.problem(m, "go %s: %v\n%s", strings.Join(args, " "), err, indent(string(out)))
	}
	return err == nil
}

func (s *stage) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = s.env
	return cmd
}

func (s *stage) problem(m modset.Module, format string, args ...any) {
	s.problems = append(s.problems, m.Dir+": "+strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

func indent(text string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t")
}
