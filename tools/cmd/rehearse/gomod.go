package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

func (s *stage) readMod(m modset.Module) (*modfile.File, error) {
	name := filepath.Join(s.tree, m.Dir, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(m.Dir+"/go.mod", data, nil)
}

// tidyModule sets the sibling versions, tidies, and records what tidying changed beside them.
func (s *stage) tidyModule(ctx context.Context, m modset.Module) error {
	original, err := s.readMod(m)
	if err != nil {
		return err
	}
	modBefore, err := s.setSiblings(m, func(string) string { return s.version })
	if err != nil {
		return err
	}
	sumBefore, err := s.dropSiblingSums(m)
	if err != nil || !s.goCommand(ctx, m, "mod", "tidy") {
		return err
	}
	modAfter, err := os.ReadFile(filepath.Join(s.tree, m.Dir, "go.mod"))
	if err != nil {
		return err
	}
	sumAfter, err := s.readSum(m)
	if err != nil {
		return err
	}
	if s.tidy != "" {
		return s.writeTidied(m, original, sumAfter)
	}
	if d := lineDiff(strings.Split(modBefore, "\n"), strings.Split(string(modAfter), "\n")); d != "" {
		s.problem(m, "go mod tidy changes go.mod (make tidy mends it):\n%s", d)
	}
	if d := lineDiff(sumBefore, sumAfter); d != "" {
		s.problem(m, "go mod tidy changes go.sum (make tidy mends it):\n%s", d)
	}
	return nil
}

// setSiblings rewrites the staged go.mod with the versions that the function gives for sibling modules.
func (s *stage) setSiblings(m modset.Module, version func(path string) string) (string, error) {
	f, err := s.readMod(m)
	if err != nil {
		return "", err
	}
	for _, r := range slices.Clone(f.Require) {
		if _, ok := s.set.Sibling(r.Mod.Path); ok {
			if err := f.AddRequire(r.Mod.Path, version(r.Mod.Path)); err != nil {
				return "", err
			}
		}
	}
	text, err := f.Format()
	if err != nil {
		return "", err
	}
	return string(text), writeFile(filepath.Join(s.tree, m.Dir, "go.mod"), text, 0o644)
}

// dropSiblingSums removes sums of siblings: they belong to other versions than the staged ones.
func (s *stage) dropSiblingSums(m modset.Module) ([]string, error) {
	lines, err := s.readSum(m)
	if err != nil || lines == nil {
		return lines, err
	}
	return lines, writeFile(filepath.Join(s.tree, m.Dir, "go.sum"), []byte(joinLines(lines)), 0o644)
}

// readSum returns the lines of the staged go.sum that are not about siblings.
func (s *stage) readSum(m modset.Module) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(s.tree, m.Dir, "go.sum"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		path, _, _ := strings.Cut(line, " ")
		if _, ok := s.set.Sibling(path); !ok {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines, nil
}

// writeTidied writes the tidied files with the sibling versions the checkout has; a sibling new to it gets the first one.
func (s *stage) writeTidied(m modset.Module, original *modfile.File, sum []string) error {
	had := map[string]string{}
	for _, r := range original.Require {
		had[r.Mod.Path] = r.Mod.Version
	}
	text, err := s.setSiblings(m, func(path string) string {
		if v, ok := had[path]; ok {
			return v
		}
		return "v0.1.0"
	})
	if err != nil {
		return err
	}
	if _, err := s.setSiblings(m, func(string) string { return s.version }); err != nil {
		return err
	}
	dir := filepath.Join(s.tidy, m.Dir)
	if err := writeFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil || len(sum) == 0 {
		return err
	}
	return writeFile(filepath.Join(dir, "go.sum"), []byte(joinLines(sum)), 0o644)
}

func joinLines(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// lineDiff lists the lines that only one side has; order does not count.
func lineDiff(before, after []string) string {
	var b strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			b.WriteString("\t- " + line + "\n")
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			b.WriteString("\t+ " + line + "\n")
		}
	}
	return b.String()
}
