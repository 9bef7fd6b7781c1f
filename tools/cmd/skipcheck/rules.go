package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
)

// rule is one row of the file of expected skips.
type rule struct {
	pkg, test, kind, arg string
}

func (r rule) String() string { return strings.TrimSpace(r.kind + " " + r.arg) }

type rules []rule

func loadRules(file string) (rules, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all rules
	for n, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := parseRule(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRule(fields []string) (rule, error) {
	if len(fields) < 3 {
		return rule{}, fmt.Errorf("want a package, a test and a condition, got %d columns", len(fields))
	}
	r := rule{pkg: fields[0], test: fields[1], kind: fields[2], arg: strings.Join(fields[3:], " ")}
	if _, err := path.Match(r.test, ""); err != nil {
		return rule{}, fmt.Errorf("test %q: %w", r.test, err)
	}
	args := len(fields) - 3
	wantArg := 1
	switch r.kind {
	case "always":
		wantArg = 0
	case "if-unset":
		wantArg = max(1, args)
	case "if-flag":
	case "if-env":
		if !strings.Contains(r.arg, "=") {
			return rule{}, fmt.Errorf("if-env wants NAME=VALUE, got %q", r.arg)
		}
	default:
		return rule{}, fmt.Errorf("unknown condition %q; known are always, if-unset, if-env, if-flag", r.kind)
	}
	if args != wantArg {
		return rule{}, fmt.Errorf("condition %s wants %d arguments, got %d", r.kind, wantArg, args)
	}
	return r, nil
}

// allows returns the rule that expects a skip now.
func (rs rules) allows(s skip, command []string, env func(string) (string, bool)) (rule, bool) {
	for _, r := range rs {
		if r.names(s.id) && r.holds(command, env) {
			return r, true
		}
	}
	return rule{}, false
}

// names reports whether the rule is about a test; a rule about a test covers its subtests.
func (r rule) names(i id) bool {
	if strings.TrimPrefix(i.pkg, modset.Prefix+"/") != r.pkg {
		return false
	}
	top, _, _ := strings.Cut(i.test, "/")
	for _, name := range []string{i.test, top} {
		if ok, err := path.Match(r.test, name); err == nil && ok {
			return true
		}
	}
	return false
}

func (r rule) holds(command []string, env func(string) (string, bool)) bool {
	switch r.kind {
	case "if-unset":
		return !slices.ContainsFunc(strings.Fields(r.arg), func(name string) bool {
			value, _ := env(name)
			return value != ""
		})
	case "if-env":
		name, want, _ := strings.Cut(r.arg, "=")
		value, _ := env(name)
		return value == want
	case "if-flag":
		return slices.Contains(command, r.arg)
	}
	return true
}
