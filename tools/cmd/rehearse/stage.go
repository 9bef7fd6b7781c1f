package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// together is how many modules are tested at once: their tests wait for disks and child processes more than they compute.
const together = 2

// stage is one rehearsal: a copy of the tree, the proxy that its modules go to, and what went wrong.
type stage struct {
	config
	temp     string
	tree     string
	proxy    staging.Proxy
	set      modset.Set
	versions map[string]string // by folder
	env      []string

	mu       sync.Mutex // for what follows, when modules are tested
	log      io.Writer
	problems []string
}

func rehearse(ctx context.Context, c config, log io.Writer) (problems []string, err error) {
	temp, err := os.MkdirTemp("", "rehearse")
	if err != nil {
		return nil, err
	}
	if c.keep {
		fmt.Fprintln(log, "rehearse: keeping", temp)
	} else {
		defer os.RemoveAll(temp)
	}
	s := &stage{config: c, log: log, temp: temp, proxy: staging.Proxy(filepath.Join(temp, "proxy"))}
	place, release, err := claim(temp, c.keep)
	if err != nil {
		return nil, err
	}
	defer release()
	s.tree = place.tree
	if err := s.copyTree(ctx); err != nil {
		return nil, err
	}
	order, err := s.prepare(ctx, place.suffix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.forget(ctx)) }()
	s.say("%d modules", len(order))
	if err := s.modules(ctx, order); err != nil {
		return nil, err
	}
	switch {
	case c.consume:
		err = s.consumers(ctx, order)
	case c.install != "" && len(s.problems) == 0:
		err = s.program(ctx)
	}
	return s.problems, err
}

func (s *stage) copyTree(ctx context.Context) error {
	export := staging.Export
	if s.head {
		export = func(ctx context.Context, root, dir string) error {
			return staging.ExportRevision(ctx, root, "HEAD", dir)
		}
	}
	if err := export(ctx, s.root, s.tree); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	var err error
	if s.set, err = modset.Load(s.tree); err != nil {
		return fmt.Errorf("%w: %w (only tracked files count: git add them first)", errUsage, err)
	}
	return nil
}

// prepare returns the modules to rehearse, each after what it requires.
func (s *stage) prepare(ctx context.Context, suffix string) ([]modset.Module, error) {
	wanted, err := s.wanted()
	if err != nil {
		return nil, err
	}
	order, err := staging.Order(s.set, s.tree, wanted)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if s.versions, err = versions(s.set, s.tree, order, suffix); err != nil {
		return nil, err
	}
	if s.env, err = staging.Environment(ctx, s.proxy, ""); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return order, nil
}

func (s *stage) wanted() ([]string, error) {
	if s.install != "" {
		m, err := s.moduleOf(s.install)
		return []string{m.Dir}, err
	}
	if len(s.config.modules) > 0 {
		return s.config.modules, nil
	}
	var all []string
	for _, m := range s.set {
		if m.Released || !s.consume {
			all = append(all, m.Dir)
		}
	}
	return all, nil
}

// modules rehearses each module and packs it, even when it failed, so that one run shows the failures of all. Tests run
// beside the modules that follow.
func (s *stage) modules(ctx context.Context, order []modset.Module) error {
	var tests sync.WaitGroup
	running := make(chan struct{}, together)
	defer tests.Wait()
	for _, m := range order {
		if err := s.module(ctx, m); err != nil {
			return err
		}
		if !s.test || !m.Released {
			continue
		}
		tests.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()
			start := time.Now()
			out, ok := s.goCommand(ctx, m, "test", "-short", "-vet=off", "./...")
			s.report(m, "test", start, ok, again(out))
		})
	}
	return ctx.Err()
}

func (s *stage) module(ctx context.Context, m modset.Module) error {
	start, before := time.Now(), s.failures(m)
	steps := "tidy"
	switch {
	case s.consume || s.install != "":
		steps = "pack"
		if _, err := s.setSiblings(m, s.version); err != nil {
			return err
		}
	default:
		if err := s.tidyModule(ctx, m); err != nil {
			return err
		}
		if s.tidy == "" {
			steps = "tidy build vet"
			s.goCommand(ctx, m, "build", "-o", os.DevNull, "./...")
			s.goCommand(ctx, m, "vet", "./...")
		}
	}
	if err := s.proxy.Add(m.Path(), s.versions[m.Dir], filepath.Join(s.tree, m.Dir)); err != nil {
		return err
	}
	s.report(m, steps, start, s.failures(m) == before, "")
	return ctx.Err()
}

// again says so if the go command had run all those tests before, with the same binaries, files and variables.
func again(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "ok ") && !strings.Contains(line, "(cached)") {
			return ""
		}
	}
	return ", unchanged"
}

func (s *stage) report(m modset.Module, steps string, start time.Time, ok bool, remark string) {
	result := "ok" + remark
	if !ok {
		result = "FAILED"
	}
	s.say("%s: %s %s (%.1fs)", m.Dir, steps, result, time.Since(start).Seconds())
}

// goCommand runs the go command in a staged module and records its failure.
func (s *stage) goCommand(ctx context.Context, m modset.Module, args ...string) (string, bool) {
	out, err := s.command(ctx, filepath.Join(s.tree, m.Dir), args...).CombinedOutput()
	if err != nil {
		s.problem(m, "go %s: %v\n%s", strings.Join(args, " "), err, indent(string(out)))
	}
	return string(out), err == nil
}

func (s *stage) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = slices.Clip(s.env)
	return cmd
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.log, "rehearse: "+format+"\n", args...)
}

func (s *stage) problem(m modset.Module, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, m.Dir+": "+strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// failures counts the problems of a module.
func (s *stage) failures(m modset.Module) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.problems {
		if strings.HasPrefix(p, m.Dir+": ") {
			n++
		}
	}
	return n
}

func indent(text string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t")
}
