package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// programs builds the programs of the repository that pages call, and asks them what they understand.
type programs struct {
	root    string
	tree    *tree
	wanted  map[string]bool   // folders
	bin     string            // folder of the binaries
	helps   map[string]string // folder and command to help
	allText string            // the help of all commands of all wanted programs
}

// dirOf finds the folder of a program by its name: ephemera, ./ephemera or out/ephemera.
func (p *programs) dirOf(name string) (string, bool) {
	if name == "" || strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/tmp/") {
		return "", false
	}
	dir, ok := p.tree.mains[path.Base(name)]
	return dir, ok
}

var maybeCommand = regexp.MustCompile(`^(?:-|[a-z]+$)`)

// want notes the program that a command calls, if there is something to ask it about.
func (p *programs) want(words []string) {
	if p.wanted == nil {
		p.wanted = map[string]bool{}
	}
	for n, word := range words {
		if n > 0 && words[n-1] != "run" && words[n-1] != "--" {
			continue
		}
		if dir, ok := p.dirOf(word); ok && slices.ContainsFunc(words[n+1:], maybeCommand.MatchString) {
			p.wanted[dir] = true
		}
	}
}

// build keeps the binaries below out, so that the next run links only what has changed.
func (p *programs) build(ctx context.Context) error {
	p.helps = map[string]string{}
	p.bin = filepath.Join(p.root, "out", "docscheck")
	if len(p.wanted) == 0 {
		return nil
	}
	if err := os.MkdirAll(p.bin, 0o755); err != nil {
		return err
	}
	args := []string{"build", "-ldflags=-s -w", "-o", p.bin + string(filepath.Separator)}
	for dir := range p.wanted {
		args = append(args, "./"+dir)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = p.root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(p.root, "go.work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	for _, dir := range slices.Sorted(maps.Keys(p.wanted)) {
		top := p.ask(ctx, dir, nil)
		p.allText += top
		for _, command := range commandsIn(top, path.Base(dir)) {
			if explains(top, path.Base(dir)) {
				p.allText += p.ask(ctx, dir, strings.Fields(command))
			}
		}
	}
	return nil
}

// ask runs a command with --help in a folder of its own. Programs that know no help print their mistake instead.
func (p *programs) ask(ctx context.Context, dir string, command []string) string {
	key := dir + " " + strings.Join(command, " ")
	if text, ok := p.helps[key]; ok {
		return text
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, path.Base(dir)), append(slices.Clone(command), "--help")...)
	cmd.Dir = p.bin
	out, _ := cmd.CombinedOutput() // its status says little: help of package flag ends with 0, 1 or 2
	p.helps[key] = string(out)
	return string(out)
}

// help returns the help of the command that the arguments begin with, and the arguments behind it.
func (p *programs) help(ctx context.Context, dir string, args []string) (string, []string, error) {
	commands := commandsIn(p.ask(ctx, dir, nil), path.Base(dir))
	if len(commands) == 0 || strings.HasPrefix(args[0], "-") {
		return p.ask(ctx, dir, nil), args, nil
	}
	for n := min(2, len(args)); n > 0; n-- {
		if slices.Contains(commands, strings.Join(args[:n], " ")) {
			if top := p.ask(ctx, dir, nil); !explains(top, path.Base(dir)) {
				return top, args[n:], nil
			}
			return p.ask(ctx, dir, args[:n]), args[n:], nil
		}
	}
	return "", nil, fmt.Errorf("%s has no command %s", path.Base(dir), args[0])
}

// explains tells whether each command has a help of its own. Others may take --help for an argument, and run.
func explains(help, name string) bool {
	return strings.Contains(help, name+" <command> --help") || strings.Contains(help, name+" help [")
}

var listed = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)  +\S`)

// commandsIn finds the commands in a help: below "Commands:", or behind the name in lines of usage.
func commandsIn(help, name string) []string {
	var commands []string
	if _, list, ok := strings.Cut(help, "\nCommands:\n"); ok {
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range listed.FindAllStringSubmatch(list, -1) {
			commands = append(commands, m[1])
		}
	}
	usage := regexp.MustCompile(`(?m)^(?:usage:| {2,}) *` + regexp.QuoteMeta(name) + ` (?:\[[^\]]*\] )*([a-z]+)\b`)
	for _, m := range usage.FindAllStringSubmatch(help, -1) {
		if !slices.Contains(commands, m[1]) {
			commands = append(commands, m[1])
		}
	}
	return commands
}

// hasFlag tells whether a help lists a flag. Package flag takes one dash and two; --name and -n are different elsewhere.
func hasFlag(help, flag string) bool {
	name := strings.TrimLeft(flag, "-")
	if name == "h" || name == "help" {
		return true
	}
	dashes := `--?`
	if !strings.HasPrefix(flag, "--") {
		dashes = `-`
	}
	return regexp.MustCompile(`(?m)(?:^|[\s\[(,])` + dashes + regexp.QuoteMeta(name) + `(?:[\s=\],.;:)\[]|$)`).MatchString(help)
}

func (p *programs) anyHasFlag(flag string) bool { return hasFlag(p.allText, flag) }

// readsVariable: variables that are made of the names of flags stand in help only.
func (p *programs) readsVariable(name string) bool { return strings.Contains(p.allText, name) }
