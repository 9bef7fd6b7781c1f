package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

const (
	consumerPath = "example.com/consumer"
	// consumersDir holds what users of each module write and get: <module>/main.go is a program of theirs, and
	// <module>/modules.txt the modules that its binary records. A list without a program is about the command of that path.
	consumersDir = "tools/cmd/rehearse/testdata/consumers"
	consumerList = "modules.txt"
)

// consumers proves from outside what a program gets that uses one module and nothing else, for each of the released ones.
func (s *stage) consumers(ctx context.Context, order []modset.Module) error {
	for _, m := range order {
		if !m.Released || len(s.config.modules) > 0 && !slices.Contains(s.config.modules, m.Dir) {
			continue
		}
		lists, err := s.consumerLists(m)
		if err != nil {
			return err
		}
		if len(lists) == 0 {
			s.problem(m, "no %s below %s/%s says what its users get", consumerList, consumersDir, m.Dir)
		}
		for _, list := range lists {
			if err := s.consumer(ctx, m, filepath.Dir(list)); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (s *stage) consumerLists(m modset.Module) ([]string, error) {
	var lists []string
	top := filepath.Join(s.tree, consumersDir, m.Dir)
	if _, err := os.Stat(top); err != nil {
		return nil, nil
	}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == consumerList {
			lists = append(lists, path)
		}
		return err
	})
	return lists, err
}

// consumer builds one program with the module, runs it, and compares the modules that came along with its list.
func (s *stage) consumer(ctx context.Context, m modset.Module, from string) error {
	start, before := time.Now(), s.failures(m)
	want, err := readList(filepath.Join(from, consumerList))
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(filepath.Join(s.tree, consumersDir), from)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.temp, "consumer", rel)
	var binary string
	if program, err := os.ReadFile(filepath.Join(from, "main.go")); err == nil {
		binary, err = s.buildConsumer(ctx, m, dir, program)
		if err != nil {
			return err
		}
	} else if s.installTo(ctx, m, filepath.ToSlash(rel), dir) {
		binary = filepath.Join(dir, filepath.Base(rel))
	}
	if binary != "" {
		s.runConsumer(ctx, m, binary)
		s.expectBinary(m, binary, want)
	}
	result := "FAILED"
	if s.failures(m) == before {
		result = fmt.Sprintf("ok, gets %d modules", len(want))
	}
	s.say("a user of %s: %s (%.1fs)", filepath.ToSlash(rel), result, time.Since(start).Seconds())
	return ctx.Err()
}

func readList(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			paths = append(paths, line)
		}
	}
	return paths, nil
}

// buildConsumer makes a module of the program that requires m alone, and returns the binary, if it can be built.
func (s *stage) buildConsumer(ctx context.Context, m modset.Module, dir string, program []byte) (string, error) {
	own, err := staging.ReadMod(s.tree, m)
	if err != nil {
		return "", err
	}
	mod := fmt.Sprintf("module %s\n\ngo %s\n\nrequire %s %s\n", consumerPath, own.Go.Version, m.Path(), s.versions[m.Dir])
	for name, data := range map[string][]byte{"go.mod": []byte(mod), "main.go": program} {
		if err := staging.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if _, ok := s.consumerGo(ctx, m, dir, "mod", "tidy"); !ok {
		return "", nil
	}
	binary := filepath.Join(dir, "consumer")
	if _, ok := s.consumerGo(ctx, m, dir, "build", "-o", binary, "."); !ok {
		return "", nil
	}
	if m.StdOnly() {
		// Users may hold such a module to more than their binary: nothing else enters their module graph either.
		if modules, ok := s.consumerGo(ctx, m, dir, "list", "-m", "-f", "{{.Path}}", "all"); ok {
			s.expect(m, "go list -m all", strings.Fields(modules), []string{consumerPath, m.Path()})
		}
	}
	return binary, nil
}

func (s *stage) consumerGo(ctx context.Context, m modset.Module, dir string, args ...string) (string, bool) {
	var stderr strings.Builder
	cmd := s.command(ctx, dir, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.problem(m, "consumer: go %s: %v\n%s", strings.Join(args, " "), err, indent(stderr.String()))
	}
	return string(out), err == nil
}

// runConsumer runs a program in an empty folder; a command only tells how it is used.
func (s *stage) runConsumer(ctx context.Context, m modset.Module, binary string) {
	dir, err := os.MkdirTemp(s.temp, "run")
	if err != nil {
		s.problem(m, "consumer: %v", err)
		return
	}
	cmd := exec.CommandContext(ctx, binary, "--help")
	cmd.Dir, cmd.Env = dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		s.problem(m, "consumer: %s: %v\n%s", filepath.Base(binary), err, indent(string(out)))
	}
}

func (s *stage) expectBinary(m modset.Module, binary string, want []string) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		s.problem(m, "consumer: %v", err)
		return
	}
	got := []string{info.Main.Path}
	for _, d := range info.Deps {
		got = append(got, d.Path)
	}
	got = slices.DeleteFunc(got, func(path string) bool { return path == consumerPath })
	s.expect(m, "go version -m", got, want)
}

func (s *stage) expect(m modset.Module, what string, got, want []string) {
	if d := lineDiff(want, got); d != "" {
		s.problem(m, "consumer: %s lists other modules than expected:\n%s", what, d)
	}
}
