package main

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const modulePath = "github.com/ephemera-go/ephemera/"

// folderOf finds the folder of a package, below the root or below the folder of the page. Packages of others are not ours.
func (c *checker) folderOf(w where, pkg string) (dir string, ours bool, err error) {
	name, _, _ := strings.Cut(pkg, "@")
	if rest, ok := strings.CutPrefix(name, modulePath); ok {
		if c.hasGo(rest) {
			return rest, true, nil
		}
		return "", false, fmt.Errorf("there is no package %s", name)
	}
	if name != "." && !strings.HasPrefix(name, "./") {
		return "", false, nil
	}
	for _, base := range []string{".", path.Dir(w.page)} {
		if dir := path.Join(base, strings.TrimSuffix(name, "/...")); c.hasGo(dir) {
			return dir, true, nil
		}
	}
	return "", false, fmt.Errorf("there is no package %s", name)
}

func (c *checker) hasGo(dir string) bool {
	for folder := range c.tree.folders {
		if within(dir, folder) {
			return true
		}
	}
	return false
}

// within tells whether a folder is the top one or below it.
func within(top, folder string) bool {
	return top == "." || folder == top || strings.HasPrefix(folder, top+"/")
}

// checkPackages wants packages to exist, and tests and benchmarks that a pattern selects to exist in one of them.
func (c *checker) checkPackages(w where, verb string, packages []string, patterns map[string]string) error {
	var folders []string
	for _, pkg := range packages {
		dir, ours, err := c.folderOf(w, pkg)
		if err != nil {
			return err
		}
		if !ours {
			return nil
		}
		if verb == "install" && c.tree.mains[path.Base(dir)] != dir {
			return fmt.Errorf("%s is no program", pkg)
		}
		folders = append(folders, dir)
	}
	if verb != "test" {
		return nil
	}
	for flag, kind := range map[string]string{"-run": "Test|Fuzz|Example", "-bench": "Benchmark", "-fuzz": "Fuzz"} {
		pattern, ok := patterns[flag]
		if !ok || pattern == "^$" || pattern == "." || strings.Contains(pattern, "…") {
			continue
		}
		if len(folders) == 0 {
			folders = []string{path.Dir(w.page)}
		}
		for _, folder := range folders {
			if err := c.selects(folder, kind, pattern); err != nil {
				return fmt.Errorf("%s %s: %w", flag, pattern, err)
			}
		}
	}
	return nil
}

// selects wants every alternative of a pattern to match something in a folder or below it.
func (c *checker) selects(folder, kind, pattern string) error {
	top, _, _ := strings.Cut(pattern, "/")
	for _, alternative := range alternatives(top) {
		expr, err := regexp.Compile(alternative)
		if err != nil {
			return err
		}
		matched := false
		for dir, tests := range c.tree.tests {
			if !within(folder, dir) {
				continue
			}
			for _, test := range tests {
				matched = matched || regexp.MustCompile("^(?:"+kind+")").MatchString(test) && expr.MatchString(test)
			}
		}
		if !matched {
			return fmt.Errorf("nothing in %s matches %s", folder, alternative)
		}
	}
	return nil
}

// alternatives cuts a pattern at the bars outside of parentheses.
func alternatives(pattern string) []string {
	var all []string
	depth, begin := 0, 0
	for i, r := range pattern {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == '|' && depth == 0:
			all = append(all, pattern[begin:i])
			begin = i + 1
		}
	}
	return append(all, pattern[begin:])
}
