package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

const consumerPath = "example.com/consumer"

// consumer proves from outside that a program which imports the module gets that module and the standard library only:
// in its module graph, in its packages and in what its binary records.
func (s *stage) consumer(ctx context.Context, dir string) error {
	m, _ := s.set.Find(s.consume)
	own, err := s.readMod(m)
	if err != nil {
		return err
	}
	mod := fmt.Sprintf("module %s\n\ngo %s\n\nrequire %s %s\n", consumerPath, own.Go.Version, m.Path(), s.version)
	program := fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", m.Path())
	for name, text := range map[string]string{"go.mod": mod, "main.go": program} {
		if err := writeFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.log, "rehearse: a user of %s: ", m.Dir)
	before := len(s.problems)
	s.consumerGraph(ctx, dir, m.Path())
	s.consumerBinary(ctx, dir, m.Path())
	if len(s.problems) == before {
		fmt.Fprintf(s.log, "gets %s and nothing else: ok\n", m.Dir)
	} else {
		fmt.Fprintln(s.log, "FAILED")
	}
	return ctx.Err()
}

func (s *stage) consumerGraph(ctx context.Context, dir, path string) {
	if _, ok := s.consumerGo(ctx, dir, "mod", "tidy"); !ok {
		return
	}
	if modules, ok := s.consumerGo(ctx, dir, "list", "-m", "-f", "{{.Path}}", "all"); ok {
		s.expect("go list -m all", strings.Fields(modules), []string{consumerPath, path})
	}
	packages, ok := s.consumerGo(ctx, dir, "list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}", ".")
	if ok {
		s.expect("modules of go list -deps", strings.Fields(packages), []string{consumerPath, path})
	}
}

func (s *stage) consumerBinary(ctx context.Context, dir, path string) {
	binary := filepath.Join(dir, "consumer")
	if _, ok := s.consumerGo(ctx, dir, "build", "-o", binary, "."); !ok {
		return
	}
	m, _ := s.set.Find(s.consume)
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		s.problem(m, "consumer: %v", err)
		return
	}
	var deps []string
	for _, d := range info.Deps {
		deps = append(deps, d.Path)
	}
	s.expect("go version -m", deps, []string{path})
}

func (s *stage) consumerGo(ctx context.Context, dir string, args ...string) (string, bool) {
	var stderr strings.Builder
	cmd := s.command(ctx, dir, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m, _ := s.set.Find(s.consume)
		s.problem(m, "consumer: go %s: %v\n%s", strings.Join(args, " "), err, indent(stderr.String()))
	}
	return string(out), err == nil
}

func (s *stage) expect(what string, got, want []string) {
	slices.Sort(got)
	got = slices.Compact(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m, _ := s.set.Find(s.consume)
		s.problem(m, "consumer: %s gives %v, want %v", what, got, want)
	}
}
