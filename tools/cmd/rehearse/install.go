package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// moduleOf returns the module that the folder of a package belongs to.
func (s *stage) moduleOf(folder string) (modset.Module, error) {
	for _, m := range s.set {
		if folder == m.Dir || strings.HasPrefix(folder, m.Dir+"/") {
			return m, nil
		}
	}
	return modset.Module{}, fmt.Errorf("%w: %s is in no module of %s", errUsage, folder, modset.File)
}

// program installs a command as a stranger does, by its path and version, and lets another command use it.
func (s *stage) program(ctx context.Context, temp string) error {
	m, err := s.moduleOf(s.install)
	if err != nil {
		return err
	}
	bin, empty := filepath.Join(temp, "bin"), filepath.Join(temp, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	name := modset.Prefix + "/" + s.install + "@" + s.version
	install := s.command(ctx, empty, "install", name)
	install.Env = append(install.Env, "GOBIN="+bin)
	fmt.Fprintf(s.log, "rehearse: go install %s: ", name)
	if out, err := install.CombinedOutput(); err != nil {
		fmt.Fprintln(s.log, "FAILED")
		s.problem(m, "go install %s: %v\n%s", name, err, indent(string(out)))
		return ctx.Err()
	}
	fmt.Fprintln(s.log, "ok")
	if s.then == "" {
		return nil
	}
	then := exec.CommandContext(ctx, "sh", "-c", s.then)
	then.Dir, then.Stdout, then.Stderr = s.root, s.log, s.log
	then.Env = append(slices.Clone(s.env), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if err := then.Run(); err != nil {
		s.problem(m, "%s: %v", s.then, err)
	}
	return ctx.Err()
}
