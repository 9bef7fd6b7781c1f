package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page is a Markdown file as the rules see it.
type page struct {
	path    string
	lines   int
	anchors map[string]bool
	links   []item
	blocks  []block
	spans   []item // code spans
	prose   []item // lines outside of blocks, code spans kept
	broken  []item
}

// item is a piece of text and where it stands.
type item struct {
	line int
	text string
}

// block is a fenced or an indented block of code.
type block struct {
	line     int // of its first line of text
	language string
	attrs    string // what follows the language
	setup    item   // of the comment <!-- go ... --> that stands above it
	text     string
}

var (
	fenceLine   = regexp.MustCompile("^(\\s*)(```+|~~~+)\\s*([^\\s`]*)\\s*([^`]*)$")
	headingLine = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	listLine    = regexp.MustCompile(`^\s*(?:[-*+]|\d+\.)\s`)
	codeSpan    = regexp.MustCompile("(`+)(.+?)(`+)")
	linkTarget  = regexp.MustCompile(`\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)`)
	linkDef     = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s*(\S+)`)
	autoLink    = regexp.MustCompile(`<((?:https?|mailto):[^>\s]*)>`)
	linkText    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	notInSlug   = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// walker walks through the lines of a page once.
type walker struct {
	*page
	setup  item // the last comment for go, until a block takes it
	headed map[string]int
	inList bool
	blank  bool // the line before was blank
}

func parsePage(path, text string) *page {
	p := &walker{page: &page{path: path, anchors: map[string]bool{}}, headed: map[string]int{}, blank: true}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	p.lines = len(lines)
	for i := 0; i < len(lines); {
		i += p.step(lines[i:], i+1)
	}
	return p.page
}

// step takes what begins at the first of the lines, and returns how many lines that are.
func (p *walker) step(lines []string, at int) int {
	line := lines[0]
	switch m := fenceLine.FindStringSubmatch(line); {
	case m != nil:
		return p.fence(lines, at, m)
	case strings.HasPrefix(strings.TrimSpace(line), "<!--"):
		return p.comment(lines, at)
	case p.startsCode(line):
		return p.indented(lines, at)
	}
	if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " ") {
		p.inList = listLine.MatchString(line)
	}
	p.blank = strings.TrimSpace(line) == ""
	p.text(line, at)
	return 1
}

func (p *walker) fence(lines []string, at int, m []string) int {
	b := block{line: at + 1, language: m[3], attrs: strings.TrimSpace(m[4])}
	if b.language == "go" {
		b.setup, p.setup = p.setup, item{}
	}
	for n, line := range lines[1:] {
		if closing := strings.TrimSpace(line); strings.HasPrefix(closing, m[2]) && strings.Trim(closing, m[2][:1]) == "" {
			p.blocks = append(p.blocks, b)
			p.blank = true
			return n + 2
		}
		b.text += strings.TrimPrefix(line, m[1]) + "\n"
	}
	p.broken = append(p.broken, item{at, "a block of code begins here and never ends"})
	return len(lines)
}

func (p *walker) comment(lines []string, at int) int {
	text := ""
	for n, line := range lines {
		text += line + "\n"
		if !strings.Contains(line, "-->") {
			continue
		}
		body, _, _ := strings.Cut(strings.TrimSpace(text), "-->")
		if setup, ok := strings.CutPrefix(body, "<!-- go"); ok {
			p.setup = item{at, setup}
		}
		return n + 1
	}
	p.broken = append(p.broken, item{at, "a comment begins here and never ends"})
	return len(lines)
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func (p *walker) startsCode(line string) bool {
	if !p.blank || strings.TrimSpace(line) == "" {
		return false
	}
	if p.inList {
		return indent(line) >= 8
	}
	return indent(line) >= 4
}

func (p *walker) indented(lines []string, at int) int {
	b := block{line: at}
	width, n := indent(lines[0]), 0
	for n < len(lines) && (indent(lines[n]) >= width || strings.TrimSpace(lines[n]) == "") {
		b.text += strings.TrimPrefix(lines[n], strings.Repeat(" ", width)) + "\n"
		n++
	}
	p.blocks = append(p.blocks, b)
	p.blank = true
	return n
}

func (p *walker) text(line string, at int) {
	p.prose = append(p.prose, item{at, line})
	if m := headingLine.FindStringSubmatch(line); m != nil {
		p.heading(m[1])
	}
	for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
		p.spans = append(p.spans, item{at, m[2]})
	}
	plain := codeSpan.ReplaceAllString(line, "")
	for _, form := range []*regexp.Regexp{linkTarget, linkDef, autoLink} {
		for _, m := range form.FindAllStringSubmatch(plain, -1) {
			p.links = append(p.links, item{at, m[1]})
		}
	}
}

// heading names an anchor as GitHub does.
func (p *walker) heading(text string) {
	text = linkText.ReplaceAllString(strings.ReplaceAll(text, "`", ""), "$1")
	slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
	n := p.headed[slug]
	p.headed[slug]++
	if n > 0 {
		slug = fmt.Sprintf("%s-%d", slug, n)
	}
	p.anchors[slug] = true
}
