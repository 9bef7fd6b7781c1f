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
	"golang.org/x/mod/module"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

// tidyModule sets the sibling versions, tidies, and records what tidying changed beside them.
func (s *stage) tidyModule(ctx context.Context, m modset.Module) error {
	original, err := staging.ReadMod(s.tree, m)
	if err != nil {
		return err
	}
	modBefore, err := s.setSiblings(m, s.version)
	if err != nil {
		return err
	}
	sumBefore, err := s.dropSiblingSums(m)
	if err != nil {
		return err
	}
	if _, ok := s.goCommand(ctx, m, "mod", "tidy"); !ok {
		return nil
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
	f, err := staging.ReadMod(s.tree, m)
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
	return string(text), staging.WriteFile(filepath.Join(s.tree, m.Dir, "go.mod"), text, 0o644)
}

// siblingSums returns the lines of the go.sum of the checkout about siblings at the versions that it requires.
func (s *stage) siblingSums(m modset.Module, had map[string]string) ([]string, error) {
	return readLines(filepath.Join(s.root, m.Dir, "go.sum"), func(line string) bool {
		fields := strings.Fields(line)
		return len(fields) == 3 && had[fields[0]] == strings.TrimSuffix(fields[1], "/go.mod") && s.isSibling(fields[0])
	})
}

func (s *stage) isSibling(path string) bool {
	_, ok := s.set.Sibling(path)
	return ok
}

// dropSiblingSums removes sums of siblings: they belong to other versions than the staged ones.
func (s *stage) dropSiblingSums(m modset.Module) ([]string, error) {
	lines, err := s.readSum(m)
	if err != nil || lines == nil {
		return lines, err
	}
	return lines, staging.WriteFile(filepath.Join(s.tree, m.Dir, "go.sum"), []byte(joinLines(lines)), 0o644)
}

// readSum returns the lines of the staged go.sum that are not about siblings.
func (s *stage) readSum(m modset.Module) ([]string, error) {
	return readLines(filepath.Join(s.tree, m.Dir, "go.sum"), func(line string) bool {
		path, _, _ := strings.Cut(line, " ")
		return !s.isSibling(path)
	})
}

// readLines returns the lines that count of a file that need not exist.
func readLines(name string, counts func(line string) bool) ([]string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); counts(line) {
			lines = append(lines, line)
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
	if _, err := s.setSiblings(m, s.version); err != nil {
		return err
	}
	siblings, err := s.siblingSums(m, had)
	if err != nil {
		return err
	}
	sum = sortSums(append(sum, siblings...))
	dir := filepath.Join(s.tidy, m.Dir)
	if err := staging.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil || len(sum) == 0 {
		return err
	}
	return staging.WriteFile(filepath.Join(dir, "go.sum"), []byte(joinLines(sum)), 0o644)
}

// sortSums puts lines of a go.sum into the order of the go command.
func sortSums(lines []string) []string {
	var mods []module.Version
	text := map[module.Version]string{}
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) == 3 {
			mod := module.Version{Path: fields[0], Version: fields[1]}
			mods = append(mods, mod)
			text[mod] = line
		}
	}
	module.Sort(mods)
	sorted := make([]string, len(mods))
	for i, mod := range mods {
		sorted[i] = text[mod]
	}
	return sorted
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
