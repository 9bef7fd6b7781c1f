package main

import (
	"regexp"
	"strings"
)

const guarantees = "docs/guarantees.md"

var (
	proof      = regexp.MustCompile("`(?:Test|Fuzz|make |go run |go test )")
	folderSpan = regexp.MustCompile("`([\\w./-]+)`")
	inFolder   = regexp.MustCompile(" in `([\\w./-]+)`")
)

// checkGuarantees wants every promise to name what would fail without it, and every test to be where the page says: in the
// folder that is named behind it in its row, or in one that is named above the tables, of its section or of the page.
func (c *checker) checkGuarantees() {
	p := c.pages[guarantees]
	if p == nil {
		c.problem(guarantees, 0, "is missing")
		return
	}
	var page, section []string
	promises, inTable, inSection := 0, false, false
	for _, line := range p.prose {
		switch {
		case strings.HasPrefix(line.text, "#"):
			section, inSection = nil, strings.HasPrefix(line.text, "##")
		case !strings.HasPrefix(line.text, "|"):
			inTable = false
			if folders := c.foldersIn(line.text); inSection {
				section = append(section, folders...)
			} else {
				page = append(page, folders...)
			}
		case strings.HasPrefix(line.text, "| promise |"):
			inTable = true
		case inTable && !strings.HasPrefix(line.text, "|---"):
			promises++
			c.checkPromise(line, append(page, section...))
		}
	}
	if promises == 0 {
		c.problem(guarantees, 0, "promises nothing")
	}
}

func (c *checker) foldersIn(text string) (folders []string) {
	for _, m := range folderSpan.FindAllStringSubmatch(text, -1) {
		if c.hasGo(m[1]) {
			folders = append(folders, m[1])
		}
	}
	return folders
}

func (c *checker) checkPromise(row item, folders []string) {
	cells := strings.Split(strings.Trim(row.text, "| "), " | ")
	last := cells[len(cells)-1]
	if len(cells) < 2 || !proof.MatchString(last) {
		c.problem(guarantees, row.line, "a promise without a test")
	}
	for _, m := range testSpan.FindAllStringSubmatchIndex(last, -1) {
		name, prefix := last[m[2]:m[3]], m[4] >= 0
		allowed := folders
		if behind := inFolder.FindStringSubmatch(last[m[1]:]); behind != nil {
			allowed = append([]string{behind[1]}, folders...)
		}
		found := !c.declares(".", name, prefix) // then it is missing everywhere, which another rule tells
		for _, folder := range allowed {
			found = found || c.declares(folder, name, prefix)
		}
		if !found {
			c.problem(guarantees, row.line, "%s is in none of %s", name, strings.Join(allowed, ", "))
		}
	}
}
