package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFileLines   = 500
	maxReadmeLines = 150
	guarantees     = "docs/guarantees.md"
)

func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }

func (c *checker) checkSizes() {
	for _, f := range c.tree.goFiles {
		c.checkLength(f.path, f.lines, maxFileLines)
	}
	for path, lines := range c.tree.scripts {
		c.checkLength(path, lines, maxFileLines)
	}
}

func (c *checker) checkLength(path string, lines, limit int) {
	if lines > limit {
		c.problem(path, "has %d lines, more than %d", lines, limit)
	}
}

func (c *checker) checkReadmes(ctx context.Context) {
	if !slices.Contains(c.tree.readmes, "README.md") {
		c.problem("README.md", "is missing")
	}
	for _, path := range c.tree.readmes {
		data, err := os.ReadFile(filepath.Join(c.root, path))
		if err != nil {
			c.problem(path, "%v", err)
			continue
		}
		c.checkLength(path, countLines(data), maxReadmeLines)
		for _, b := range goBlocks(string(data)) {
			if strings.HasPrefix(b.text, "package main") {
				c.checkProgram(ctx, at(path, b.line), b.text)
			}
		}
	}
}

type block struct {
	line int // of the opening fence
	text string
}

// goBlocks returns the fenced blocks of a Markdown text that are marked go.
func goBlocks(text string) []block {
	var blocks []block
	var open *block
	inOther := false
	for n, line := range strings.Split(text, "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		switch {
		case open != nil && fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case fence && inOther:
			inOther = false
		case fence && strings.TrimSpace(line) == "```go":
			open = &block{line: n + 1}
		case fence:
			inOther = true
		}
	}
	if open != nil {
		blocks = append(blocks, *open)
	}
	return blocks
}

// checkProgram builds and vets a program of a README from the root, so that its imports are the modules of the tree.
func (c *checker) checkProgram(ctx context.Context, where, text string) {
	dir, err := os.MkdirTemp("", "modcheck")
	if err != nil {
		c.problem(where, "%v", err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		c.problem(where, "%v", err)
		return
	}
	// Vet alone would accept a program without func main.
	for _, args := range [][]string{{"build", "-o", os.DevNull}, {"vet"}} {
		if out, err := c.goCommand(ctx, c.root, append(args, file)...).CombinedOutput(); err != nil {
			c.problem(where, "the program does not pass go %s: %s", args[0], oneLine(string(out)))
			return
		}
	}
}

var testName = regexp.MustCompile("`(?:[\\w/-]+\\.)?((?:Test|Fuzz|Example|Benchmark)(?:[A-Z0-9_]\\w*)?)(?:/[^`]*)?`")

// checkGuarantees wants every guarantee to have a test, and every test that is named to exist.
func (c *checker) checkGuarantees() {
	data, err := os.ReadFile(filepath.Join(c.root, guarantees))
	if err != nil {
		c.problem(guarantees, "%v", err)
		return
	}
	known := map[string]bool{}
	for _, f := range c.tree.goFiles {
		if strings.HasSuffix(f.path, "_test.go") {
			for _, name := range f.funcs {
				known[name] = true
			}
		}
	}
	named := 0
	for n, line := range strings.Split(string(data), "\n") {
		for _, match := range testName.FindAllStringSubmatch(line, -1) {
			named++
			if !known[match[1]] {
				c.problem(at(guarantees, n+1), "names %s, which no test file declares", match[1])
			}
		}
	}
	if named == 0 {
		c.problem(guarantees, "names no test at all")
	}
}
