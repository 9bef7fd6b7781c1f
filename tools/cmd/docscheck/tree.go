package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// tree is what pages may speak of.
type tree struct {
	pages     []string            // paths of Markdown files, sorted
	data      []string            // JSON and YAML files below docs
	tests     map[string][]string // folder to names of its tests, fuzz targets, benchmarks and examples
	folders   map[string]bool     // folders with Go files
	mains     map[string]string   // name of a program to its folder
	metrics   map[string]bool     // what the server shows to Prometheus
	targets   map[string]bool     // of make
	variables map[string]bool     // EPHEMERA_ variables, and those of make
	sources   metricSources
	api       map[string]map[string]bool // package to its exported names
	keys      map[string][]string        // folder of a driver to the query keys that it reads
}

var (
	makeTarget   = regexp.MustCompile(`(?m)^([A-Za-z0-9][\w-]*):(?:[^=]|$)`)
	makeVariable = regexp.MustCompile(`(?m)\$\((?:or \$\()?(\w+)\)|^([A-Z_]+)\s*\??:?=`)
	ownVariable  = regexp.MustCompile(`EPHEMERA_[A-Z0-9_]*[A-Z0-9]`)
	testFunc     = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark|Example)(?:[A-Z0-9_]|$)`)
)

func readTree(root string) (*tree, error) {
	t := &tree{
		tests: map[string][]string{}, folders: map[string]bool{}, mains: map[string]string{},
		metrics: map[string]bool{}, targets: map[string]bool{}, variables: map[string]bool{},
		keys:    map[string][]string{},
		api:     map[string]map[string]bool{},
		sources: metricSources{prefixers: map[string]bool{}, calls: map[string][]string{}},
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && ignored(rel) {
				return filepath.SkipDir
			}
			return nil
		}
		return t.add(file, rel)
	})
	if err != nil {
		return nil, err
	}
	t.resolveMetrics()
	return t, t.addMake(root)
}

func ignored(rel string) bool {
	name := path.Base(rel)
	return rel == "bin" || rel == "out" || rel == "data" || name == "testdata" || name == "vendor" ||
		strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func (t *tree) add(file, rel string) error {
	switch ext := path.Ext(rel); {
	case ext == ".md":
		t.pages = append(t.pages, rel)
	case strings.HasPrefix(rel, "docs/") && (ext == ".json" || ext == ".yml" || ext == ".yaml"):
		t.data = append(t.data, rel)
	case ext == ".go":
		return t.addGo(file, rel)
	}
	return nil
}

// addMake reads what only the Makefile and the build machine know; either may be missing.
func (t *tree) addMake(root string) error {
	for _, name := range []string{"Makefile", ".ci/run"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range makeTarget.FindAllStringSubmatch(string(data), -1) {
			t.targets[m[1]] = true
		}
		for _, m := range makeVariable.FindAllStringSubmatch(string(data), -1) {
			t.variables[m[1]+m[2]] = true
		}
		for _, name := range ownVariable.FindAllString(string(data), -1) {
			t.variables[name] = true
		}
	}
	return nil
}

// addGo parses instead of asking the go command, so that files behind build tags count too.
func (t *tree) addGo(file, rel string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	dir := path.Dir(rel)
	t.folders[dir] = true
	for _, name := range ownVariable.FindAllString(string(data), -1) {
		t.variables[name] = true
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), rel, data, parser.SkipObjectResolution)
	var syntax scanner.ErrorList
	if errors.As(err, &syntax) {
		return nil // modcheck tells
	}
	if err != nil {
		return err
	}
	if parsed.Name.Name == "main" && !strings.HasSuffix(rel, "_test.go") {
		t.mains[path.Base(dir)] = dir
	}
	for _, decl := range parsed.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if ok && fn.Recv == nil && strings.HasSuffix(rel, "_test.go") && testFunc.MatchString(fn.Name.Name) {
			t.tests[dir] = append(t.tests[dir], fn.Name.Name)
		}
	}
	if strings.HasSuffix(rel, "_test.go") {
		return nil
	}
	if strings.HasPrefix(rel, "server/") {
		t.addMetrics(parsed)
	}
	t.addAPI(dir, parsed)
	if dir != "sinks" {
		t.addKeys(dir, parsed)
	}
	return nil
}
