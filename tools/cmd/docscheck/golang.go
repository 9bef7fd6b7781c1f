package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var blockAttr = regexp.MustCompile(`^(from|ignore|file)=(?:"([^"]*)"|(\S*))$`)

// source is a Go block made a file.
type source struct {
	page     string
	file     *ast.File
	fragment bool
}

// checkGo type-checks all blocks of all pages after one question to the go command.
func (c *checker) checkGo(ctx context.Context, pages []*page) error {
	fset := token.NewFileSet()
	var sources []source
	imports := map[string]bool{}
	for _, p := range pages {
		for _, b := range p.blocks {
			if b.language != "go" {
				continue
			}
			c.goBlocks++
			s, ok := c.source(fset, p, b)
			if !ok {
				continue
			}
			sources = append(sources, s)
			for _, spec := range s.file.Imports {
				imports[strings.Trim(spec.Path.Value, "`\"")] = true
			}
		}
	}
	lookup, err := c.exports(ctx, slices.Sorted(maps.Keys(imports)))
	if err != nil {
		return err
	}
	imported := importer.ForCompiler(fset, "gc", lookup)
	for _, s := range sources {
		c.checkTypes(fset, s, imported)
	}
	return nil
}

// source returns the file that a block stands for, if it is to be compiled.
func (c *checker) source(fset *token.FileSet, p *page, b block) (source, bool) {
	if b.attrs != "" {
		m := blockAttr.FindStringSubmatch(b.attrs)
		if m == nil {
			c.problem(p.path, b.line-1, "go %s: only from=PATH, file=NAME and ignore=\"reason\" are known", b.attrs)
			return source{}, false
		}
		switch value := m[2] + m[3]; {
		case m[1] == "ignore" && len(strings.Fields(value)) < 2:
			c.problem(p.path, b.line-1, "go ignore needs a reason in words")
			return source{}, false
		case m[1] == "ignore":
			return source{}, false
		case m[1] == "from":
			c.checkExcerpt(p, b, value)
			return source{}, false
		}
	}
	text, fragment := at(p.path, b.line)+b.text, false
	if !strings.HasPrefix(b.text, "package ") {
		text, fragment = wrap(p, b), true
	}
	file, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
	if err != nil {
		c.problems = append(c.problems, firstLine(err.Error())+" (go block)")
		return source{}, false
	}
	return source{p.path, file, fragment}, true
}

func at(path string, line int) string { return fmt.Sprintf("//line %s:%d\n", path, line) }

// wrap makes a file of statements or declarations: imports come first, those of the block too.
func wrap(p *page, b block) string {
	var head, body strings.Builder
	for n, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		to := &body
		if strings.HasPrefix(line, "import ") {
			to = &head
		}
		fmt.Fprintf(to, "%s%s\n", at(p.path, b.line+n), line)
	}
	file := "package page\n" + head.String()
	if b.setup.text != "" {
		file += at(p.path, b.setup.line) + b.setup.text + "\n"
	}
	if whole := file + body.String(); parses(whole) {
		return whole
	}
	return file + "func _() {\n" + body.String() + "}\n"
}

func parses(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	return err == nil
}

// checkExcerpt wants the lines of a block in a file, one after the other.
func (c *checker) checkExcerpt(p *page, b block, from string) {
	data, err := os.ReadFile(filepath.Join(c.root, from))
	if err != nil {
		c.problem(p.path, b.line-1, "go from=%s: %v", from, errors.Unwrap(err))
		return
	}
	if !strings.Contains("\n"+flat(string(data))+"\n", "\n"+flat(b.text)+"\n") || strings.TrimSpace(b.text) == "" {
		c.problem(p.path, b.line-1, "does not stand in %s", from)
	}
}

// flat takes indentation away.
func flat(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// exports asks once for the export data of all that blocks import, and builds what is missing.
func (c *checker) exports(ctx context.Context, imports []string) (importer.Lookup, error) {
	files := map[string]string{}
	if len(imports) > 0 {
		args := append([]string{"list", "-e", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, imports...)
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = c.root
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(c.root, "go.work"))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list -export: %w", err)
		}
		for line := range strings.Lines(string(out)) {
			if name, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				files[name] = file
			}
		}
	}
	return func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, errors.New("there is no such package")
		}
		return os.Open(files[path])
	}, nil
}

// checkTypes tells the first mistake of a block. What a fragment declares or imports without a use is no mistake.
func (c *checker) checkTypes(fset *token.FileSet, s source, imported types.Importer) {
	var first error
	config := types.Config{Importer: imported, GoVersion: "go1.25", Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) && (!e.Soft || !s.fragment) && first == nil {
			first = err
		}
	}}
	checked, _ := config.Check("page", fset, []*ast.File{s.file}, nil)
	if first == nil && s.file.Name.Name == "main" && checked.Scope().Lookup("main") == nil {
		first = fmt.Errorf("%s: a program without func main", fset.Position(s.file.Name.Pos()))
	}
	if first != nil {
		c.problems = append(c.problems, firstLine(first.Error())+" (go block)")
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
