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

// program installs a command as a stranger does and lets another command use it.
func (s *stage) program(ctx context.Context) error {
	m, err := s.moduleOf(s.install)
	if err != nil {
		return err
	}
	bin := filepath.Join(s.temp, "bin")
	if !s.installTo(ctx, m, s.install, bin) || s.then == "" {
		return ctx.Err()
	}
	then := exec.CommandContext(ctx, "sh", "-c", s.then)
	then.Dir, then.Stdout, then.Stderr = s.root, s.log, s.log
	then.Env = append(slices.Clone(s.env), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if err := then.Run(); err != nil {
		s.problem(m, "%s: %v", s.then, err)
	}
	return ctx.Err()
}

// installTo installs the command in a folder of the tree by its path and version, outside of any module.
func (s *stage) installTo(ctx context.Context, m modset.Module, folder, bin string) bool {
	name := modset.Prefix + "/" + folder + "@" + s.versions[m.Dir]
	install := s.command(ctx, s.temp, "install", name)
	install.Env = append(install.Env, "GOBIN="+bin)
	if out, err := install.CombinedOutput(); err != nil {
		s.say("go install %s: FAILED", name)
		s.problem(m, "go install %s: %v\n%s", name, err, indent(string(out)))
		return false
	}
	s.say("go install %s: ok", name)
	return true
}
