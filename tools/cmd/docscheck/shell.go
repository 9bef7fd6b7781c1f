package main

import (
	"regexp"
	"strings"
)

var (
	assignment = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	heredoc    = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)
	// Words that stand before a command.
	leading = map[string]bool{
		"sudo": true, "exec": true, "time": true, "nohup": true, "!": true, "if": true, "then": true, "do": true,
		"while": true, "until": true, "else": true, "{": true, "(": true,
	}
)

// simple is one command without what stands around it.
type simple struct {
	line  int
	words []string
}

// commandsOf splits a block. If it shows prompts, lines without one are output.
func commandsOf(b block) []simple {
	var out []simple
	prompts := regexp.MustCompile(`(?m)^\$ `).MatchString(b.text)
	lines := strings.Split(b.text, "\n")
	for n := 0; n < len(lines); n++ {
		at, line := b.line+n, lines[n]
		if prompts {
			rest, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			line = rest
		}
		for continues(line) && n+1 < len(lines) {
			n++
			line = strings.TrimSuffix(strings.TrimSpace(line), `\`) + " " + lines[n]
		}
		for _, words := range split(line) {
			out = append(out, simple{at, words})
		}
		if m := heredoc.FindStringSubmatch(line); m != nil {
			for n++; n < len(lines) && strings.TrimSpace(lines[n]) != m[1]; n++ {
			}
		}
	}
	return out
}

func continues(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasSuffix(line, `\`) || strings.HasSuffix(line, "|") || strings.HasSuffix(line, "&&")
}

// split cuts a line into commands and these into words. It knows quotes, comments and operators, not substitutions.
func split(line string) [][]string {
	var commands [][]string
	var words []string
	word, quote, started := "", rune(0), false
	endWord := func() {
		if started {
			words = append(words, word)
		}
		word, started = "", false
	}
	endCommand := func() {
		endWord()
		if words = bare(words); len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == '#' && !started:
			endCommand()
			return commands
		case r == '|' || r == ';' || r == '&' || r == ')':
			endCommand()
		case r == ' ' || r == '\t' || r == '\n':
			endWord()
		default:
			word, started = word+string(r), true
		}
	}
	endCommand()
	return commands
}

// bare takes assignments, redirections and words like sudo away.
func bare(words []string) []string {
	for len(words) > 0 {
		switch {
		case leading[words[0]] || assignment.MatchString(words[0]):
			words = words[1:]
		case words[0] == "timeout" && len(words) > 2:
			words = words[2:]
		case words[0] == "env" && len(words) > 1:
			words = words[1:]
			for len(words) > 2 && words[0] == "-u" {
				words = words[2:]
			}
		default:
			return withoutRedirections(words)
		}
	}
	return nil
}

func withoutRedirections(words []string) []string {
	var kept []string
	for n := 0; n < len(words); n++ {
		w := strings.TrimLeft(words[n], "012")
		switch {
		case w == ">" || w == ">>" || w == "<":
			n++
		case strings.HasPrefix(w, ">") || strings.HasPrefix(w, "<") && !strings.HasSuffix(w, ">"):
		default:
			kept = append(kept, words[n])
		}
	}
	return kept
}
