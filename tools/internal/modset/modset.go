// Package modset reads modules.txt, the list of this repository's modules and of what each of them may import.
package modset

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// Prefix is the path that every module of the repository shares.
	Prefix = "github.com/ephemera-go/ephemera"
	// File is the name of the list, in the root of the repository.
	File = "modules.txt"
)

// Module is one row of the list.
type Module struct {
	Dir      string   // folder below the root, also the last part of the module path
	Set      string   // modules that are released together carry the same set
	Released bool     // users may depend on it
	Allowed  []string // sibling folders and third-party module paths that its packages may import
}

// Path is the module path.
func (m Module) Path() string { return Prefix + "/" + m.Dir }

// StdOnly reports whether the module may import nothing but the standard library.
func (m Module) StdOnly() bool { return len(m.Allowed) == 0 }

// Set is the list, in the order of the file.
type Set []Module

// Load reads the list below root.
func Load(root string) (Set, error) {
	data, err := os.ReadFile(filepath.Join(root, File))
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// Parse reads the text of a list: four columns a row, # starts a comment line.
func Parse(data []byte) (Set, error) {
	var set Set
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m, err := parseRow(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", File, n, err)
		}
		if _, ok := set.Find(m.Dir); ok {
			return nil, fmt.Errorf("%s:%d: %s is listed twice", File, n, m.Dir)
		}
		set = append(set, m)
	}
	if len(set) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s: no modules listed", File)
	}
	return set, lines.Err()
}

func parseRow(fields []string) (Module, error) {
	if len(fields) != 4 {
		return Module{}, fmt.Errorf("want 4 columns (path, set, released, allowed-imports), got %d", len(fields))
	}
	m := Module{Dir: fields[0], Set: fields[1]}
	switch fields[2] {
	case "yes":
		m.Released = true
	case "no":
	default:
		return Module{}, fmt.Errorf("released is %q, want yes or no", fields[2])
	}
	if fields[3] != "-" {
		m.Allowed = strings.Split(fields[3], ",")
	}
	if slices.Contains(m.Allowed, "") {
		return Module{}, fmt.Errorf("allowed-imports %q has an empty entry", fields[3])
	}
	return m, nil
}

// Find returns the row of a folder.
func (s Set) Find(dir string) (Module, bool) {
	for _, m := range s {
		if m.Dir == dir {
			return m, true
		}
	}
	return Module{}, false
}

// Sibling returns the row of a module path of this repository.
func (s Set) Sibling(path string) (Module, bool) {
	dir, ok := strings.CutPrefix(path, Prefix+"/")
	if !ok {
		return Module{}, false
	}
	return s.Find(dir)
}

// AllowedPaths returns the module paths that the packages of m may import.
func (s Set) AllowedPaths(m Module) []string {
	var paths []string
	for _, entry := range m.Allowed {
		if sibling, ok := s.Find(entry); ok {
			entry = sibling.Path()
		}
		paths = append(paths, entry)
	}
	return paths
}

// Contains reports whether pkg is module or one of its packages.
func Contains(module, pkg string) bool {
	return pkg == module || strings.HasPrefix(pkg, module+"/")
}

// Longest returns the module, of those given, that holds pkg.
func Longest(modules []string, pkg string) (string, bool) {
	best := ""
	for _, module := range modules {
		if Contains(module, pkg) && len(module) > len(best) {
			best = module
		}
	}
	return best, best != ""
}

// IsStd reports whether an import path belongs to the standard library.
func IsStd(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".")
}
