package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	commandSpan = regexp.MustCompile(`^(?:[A-Za-z_]\w*=\S* )*(?:make|go (?:run|test|install|get|build|vet)|[\w/.]+) [^ ]`)
	flagSpan    = regexp.MustCompile(`^--[a-z][a-z-]+(?:[= ]|$)`)
	shells      = map[string]bool{"": true, "sh": true, "bash": true, "shell": true, "console": true}
)

// where is the page and the line that a command stands in.
type where struct {
	page string
	line int
}

// checkCommands looks at the commands of all pages, and at flags that stand alone in a code span.
func (c *checker) checkCommands(ctx context.Context, pages []*page) error {
	type found struct {
		where
		words []string
	}
	var all []found
	for _, p := range pages {
		for _, b := range p.blocks {
			if !shells[b.language] {
				continue
			}
			for _, s := range commandsOf(b) {
				all = append(all, found{where{p.path, s.line}, s.words})
			}
		}
		for _, span := range p.spans {
			if commandSpan.MatchString(span.text) {
				for _, words := range split(span.text) {
					all = append(all, found{where{p.path, span.line}, words})
				}
			}
		}
	}
	for _, f := range all {
		c.programs.want(f.words)
	}
	if err := c.programs.build(ctx); err != nil {
		return err
	}
	for _, f := range all {
		c.checkCommand(ctx, f.where, f.words)
	}
	for _, p := range pages {
		for _, span := range p.spans {
			if flagSpan.MatchString(span.text) && !c.programs.anyHasFlag(firstWord(span.text)) {
				c.problem(p.path, span.line, "no program has the flag %s", firstWord(span.text))
			}
		}
		c.checkVariables(p)
	}
	return nil
}

func firstWord(text string) string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '=' })[0]
}

func (c *checker) checkCommand(ctx context.Context, w where, words []string) {
	var err error
	switch name := words[0]; {
	case name == "make":
		c.commands++
		err = c.checkMake(words[1:])
	case name == "go" && len(words) > 1:
		c.commands++
		err = c.checkGoCommand(ctx, w, words[1], words[2:])
	default:
		dir, ours := c.programs.dirOf(name)
		if !ours {
			return
		}
		c.commands++
		err = c.checkProgram(ctx, w, dir, words[1:])
	}
	if err != nil {
		c.problem(w.page, w.line, "%s: %v", strings.Join(words, " "), err)
	}
}

func (c *checker) checkMake(args []string) error {
	for _, arg := range args {
		name, _, isVariable := strings.Cut(arg, "=")
		switch {
		case strings.ContainsAny(arg, "…<"):
		case isVariable && !c.tree.variables[name]:
			return fmt.Errorf("the Makefile uses no variable %s", name)
		case !isVariable && !strings.HasPrefix(arg, "-") && !c.tree.targets[arg]:
			return fmt.Errorf("the Makefile has no target %s", arg)
		}
	}
	return nil
}

// Flags of go commands that take a value which is a word of its own.
var goValue = map[string]bool{
	"-run": true, "-bench": true, "-fuzz": true, "-count": true, "-tags": true, "-timeout": true, "-benchtime": true,
	"-fuzztime": true, "-skip": true, "-list": true, "-cpu": true, "-o": true, "-ldflags": true, "-C": true, "-parallel": true,
}

var goSwitch = map[string]bool{
	"-v": true, "-race": true, "-short": true, "-json": true, "-cover": true, "-benchmem": true, "-failfast": true, "-n": true, "-u": true,
	"-exec": true, "-trimpath": true,
}

func (c *checker) checkGoCommand(ctx context.Context, w where, verb string, args []string) error {
	patterns, packages := map[string]string{}, []string(nil)
	for n := 0; n < len(args); n++ {
		flag, value, hasValue := strings.Cut(args[n], "=")
		switch {
		case !strings.HasPrefix(args[n], "-"):
			if verb == "run" {
				return c.checkRun(ctx, w, args[n], args[n+1:])
			}
			packages = append(packages, args[n])
		case args[n] == "--" || flag == "-args":
			n = len(args)
		case goValue[flag] && !hasValue:
			if n++; n == len(args) {
				return fmt.Errorf("%s has no value", flag)
			}
			patterns[flag] = args[n]
		case goValue[flag]:
			patterns[flag] = value
		case !goSwitch[flag]:
			return fmt.Errorf("go %s has no flag %s, or docscheck does not know it", verb, flag)
		}
	}
	if verb == "get" || verb == "install" || verb == "build" || verb == "vet" || verb == "test" {
		return c.checkPackages(w, verb, packages, patterns)
	}
	return nil
}

func (c *checker) checkRun(ctx context.Context, w where, pkg string, args []string) error {
	dir, ours, err := c.folderOf(w, pkg)
	if err != nil || !ours {
		return err
	}
	if c.tree.mains[path.Base(dir)] != dir {
		return fmt.Errorf("%s is no program", pkg)
	}
	return c.checkProgram(ctx, w, dir, args)
}

// checkProgram asks a program of this repository for its help, and looks behind "--" for another command.
func (c *checker) checkProgram(ctx context.Context, w where, dir string, args []string) error {
	for n, arg := range args {
		if arg == "--" {
			if rest := bare(args[n+1:]); len(rest) > 0 {
				c.checkCommand(ctx, w, rest)
			}
			args = args[:n]
			break
		}
	}
	if !c.programs.wanted[dir] || !slices.ContainsFunc(args, maybeCommand.MatchString) {
		return nil
	}
	help, rest, err := c.programs.help(ctx, dir, args)
	if err != nil {
		return err
	}
	var problems []error
	for _, arg := range rest {
		if len(arg) > 1 && strings.HasPrefix(arg, "-") && !hasFlag(help, firstWord(arg)) {
			problems = append(problems, fmt.Errorf("%s has no flag %s", path.Base(dir), firstWord(arg)))
		}
	}
	return errors.Join(problems...)
}
