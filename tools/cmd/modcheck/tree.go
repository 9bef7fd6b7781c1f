package main

import (
	"bytes"
	"errors"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// goFile is what the rules need to know about one Go file.
type goFile struct {
	path    string // relative to the root, with slashes
	lines   int
	imports []goImport
}

type goImport struct {
	path string
	line int
}

// tree is the repository as the rules see it. Folders that the go command ignores are left out.
type tree struct {
	goFiles []goFile
	scripts map[string]int // path to lines
	goMods  []string       // folders that hold a go.mod
	broken  []string       // what the parser says about files it cannot read
}

func readTree(root string) (*tree, error) {
	t := &tree{scripts: map[string]int{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
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
		return t.add(path, rel)
	})
	return t, err
}

func ignored(rel string) bool {
	name := rel[strings.LastIndex(rel, "/")+1:]
	return rel == "bin" || rel == "out" || name == "testdata" || name == "vendor" ||
		strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func (t *tree) add(path, rel string) error {
	name := filepath.Base(path)
	switch {
	case name == "go.mod":
		dir := strings.TrimSuffix(strings.TrimSuffix(rel, "go.mod"), "/")
		t.goMods = append(t.goMods, dir)
	case strings.HasSuffix(name, ".sh"):
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.scripts[rel] = countLines(data)
	case strings.HasSuffix(name, ".go"):
		f, err := readGoFile(path, rel)
		var syntax scanner.ErrorList
		if errors.As(err, &syntax) {
			t.broken = append(t.broken, syntax.Error())
			return nil
		}
		if err != nil {
			return err
		}
		t.goFiles = append(t.goFiles, f)
	}
	return nil
}

// readGoFile parses instead of asking the go command, so that files behind build tags count too.
func readGoFile(path, rel string) (goFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return goFile{}, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, rel, data, parser.SkipObjectResolution)
	if err != nil {
		return goFile{}, err
	}
	f := goFile{path: rel, lines: countLines(data)}
	for _, spec := range parsed.Imports {
		f.imports = append(f.imports, goImport{strings.Trim(spec.Path.Value, "`\""), fset.Position(spec.Pos()).Line})
	}
	return f, nil
}

func countLines(data []byte) int {
	n := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return n
}
