package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// checker collects the problems of the pages of one tree.
type checker struct {
	root     string
	tree     *tree
	pages    map[string]*page // by path
	programs *programs
	problems []string

	goBlocks, commands int
}

func newChecker(root string) (*checker, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	t, err := readTree(root)
	if err != nil {
		return nil, err
	}
	c := &checker{root: root, tree: t, pages: map[string]*page{}, programs: &programs{root: root, tree: t}}
	for _, path := range t.pages {
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		c.pages[path] = parsePage(path, string(data))
	}
	if len(c.pages) == 0 {
		return nil, errors.New("no Markdown file in " + root)
	}
	return c, nil
}

// problem records one finding; line 0 is the whole file.
func (c *checker) problem(path string, line int, format string, args ...any) {
	where := path
	if line > 0 {
		where = fmt.Sprintf("%s:%d", path, line)
	}
	c.problems = append(c.problems, where+": "+fmt.Sprintf(format, args...))
}

// checkAll returns an error only where it cannot judge.
func (c *checker) checkAll(ctx context.Context) error {
	pages := make([]*page, 0, len(c.pages))
	for _, path := range c.tree.pages {
		pages = append(pages, c.pages[path])
	}
	for _, p := range pages {
		for _, broken := range p.broken {
			c.problem(p.path, broken.line, "%s", broken.text)
		}
		c.checkSize(p)
		c.checkLinks(p)
		c.checkData(p)
		c.checkTests(p)
		c.checkAPI(p)
	}
	c.checkIndex()
	c.checkDataFiles()
	c.checkGuarantees()
	c.checkFigures()
	c.checkKeys()
	c.checkExamples()
	if err := c.checkGo(ctx, pages); err != nil {
		return err
	}
	if err := c.checkCommands(ctx, pages); err != nil {
		return err
	}
	slices.Sort(c.problems)
	c.problems = slices.Compact(c.problems)
	return nil
}
