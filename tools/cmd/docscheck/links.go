package main

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	maxReadmeLines = 150
	index          = "docs/README.md"
	examples       = "examples/README.md"
)

var lineAnchor = regexp.MustCompile(`^L\d+(-L\d+)?$`)

func (c *checker) checkSize(p *page) {
	if path.Base(p.path) == "README.md" && p.lines > maxReadmeLines {
		c.problem(p.path, 0, "has %d lines, more than %d", p.lines, maxReadmeLines)
	}
}

func (c *checker) checkLinks(p *page) {
	for _, link := range p.links {
		u, err := url.Parse(link.text)
		switch {
		case err != nil || link.text == "":
			c.problem(p.path, link.line, "%q is not a link", link.text)
		case u.Scheme == "mailto":
		case u.Scheme != "":
			if (u.Scheme != "https" && u.Scheme != "http") || !strings.Contains(u.Hostname(), ".") || u.User != nil {
				c.problem(p.path, link.line, "%s is no URL of a page", link.text)
			}
		default:
			c.checkTarget(p, link.line, u)
		}
	}
}

func (c *checker) checkTarget(p *page, line int, u *url.URL) {
	target := p.path
	if u.Path != "" {
		target = path.Join(path.Dir(p.path), u.Path)
	}
	if path.IsAbs(u.Path) || target == ".." || strings.HasPrefix(target, "../") {
		c.problem(p.path, line, "%s leads out of the repository", u)
		return
	}
	if _, err := os.Stat(filepath.Join(c.root, target)); err != nil {
		c.problem(p.path, line, "%s leads nowhere", u)
		return
	}
	if u.Fragment == "" {
		return
	}
	to, isPage := c.pages[target]
	if isPage && !to.anchors[u.Fragment] || !isPage && !lineAnchor.MatchString(u.Fragment) {
		c.problem(p.path, line, "%s: %s has no heading #%s", u, target, u.Fragment)
	}
}

// checkIndex wants a README.md in the root, and every page of the folder docs in its index.
func (c *checker) checkIndex() {
	if c.pages["README.md"] == nil {
		c.problem("README.md", 0, "is missing")
	}
	p := c.pages[index]
	if p == nil {
		c.problem(index, 0, "is missing")
		return
	}
	linked := map[string]bool{index: true}
	for _, link := range p.links {
		target, _, _ := strings.Cut(link.text, "#")
		linked[path.Join("docs", target)] = true
	}
	for _, target := range c.tree.pages {
		if strings.HasPrefix(target, "docs/") && !linked[target] {
			c.problem(index, 0, "does not link %s", target)
		}
	}
}

// checkExamples wants every example to be found.
func (c *checker) checkExamples() {
	p := c.pages[examples]
	if p == nil {
		return
	}
	names := map[string]bool{}
	add := func(file string) {
		if parts := strings.Split(file, "/"); len(parts) == 3 && parts[0] == "examples" {
			names[parts[1]] = true
		}
	}
	for _, page := range c.tree.pages {
		add(page)
	}
	for _, dir := range c.tree.mains {
		add(dir + "/main.go")
	}
	for name := range names {
		if !p.anchors[name] {
			c.problem(examples, 0, "has no heading %s", name)
		}
	}
}
