package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	testSpan = regexp.MustCompile("`(?:[\\w/-]+\\.)?((?:Test|Fuzz)[A-Z0-9_]\\w*)(…|\\*)?(?:/[^`]*)?`")
	// A test and the folder that the page says it is in.
	testIn = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)\\w*)(?:/[^`]*)?` in `([\\w./-]+)`")
)

// checkTests wants every test that a page names, in the folder that it gives.
func (c *checker) checkTests(p *page) {
	for _, line := range p.prose {
		for _, m := range testSpan.FindAllStringSubmatch(line.text, -1) {
			if !c.declares(".", m[1], m[2] != "") {
				c.problem(p.path, line.line, "names %s, which no test file declares", m[1])
			}
		}
		for _, m := range testIn.FindAllStringSubmatch(line.text, -1) {
			if !c.declares(m[2], m[1], false) {
				c.problem(p.path, line.line, "%s is not in %s", m[1], m[2])
			}
		}
	}
}

// checkVariables wants every variable that a page names to be read somewhere.
func (c *checker) checkVariables(p *page) {
	for _, line := range p.prose {
		for _, name := range ownVariable.FindAllString(line.text, -1) {
			if !c.tree.variables[name] && !c.programs.readsVariable(name) {
				c.problem(p.path, line.line, "names %s, which nothing reads", name)
			}
		}
	}
}

// declares tells whether a folder or one below it has a test of that name, or one that begins so.
func (c *checker) declares(folder, name string, prefix bool) bool {
	for dir, tests := range c.tree.tests {
		if !within(folder, dir) {
			continue
		}
		if slices.ContainsFunc(tests, func(test string) bool { return test == name || prefix && strings.HasPrefix(test, name) }) {
			return true
		}
	}
	return false
}
