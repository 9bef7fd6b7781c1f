package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

const (
	changelogFile = "CHANGELOG.md"
	unreleased    = "Unreleased"
	breaking      = "- **Breaking:**"
)

// changelog is the text before the first entry, and the entries, newest first.
type changelog struct {
	head    string
	entries []entry
}

type entry struct {
	version string // Unreleased for the first one
	date    string
	text    string // all lines below the heading
}

// parseChangelog reads the form of Keep a Changelog: "## Unreleased", then "## VERSION - DATE", versions descending.
func parseChangelog(text string) (changelog, error) {
	var c changelog
	for line := range strings.Lines(text) {
		heading, ok := strings.CutPrefix(line, "## ")
		switch {
		case ok:
			e, err := parseHeading(strings.TrimSpace(heading), c.entries)
			if err != nil {
				return c, err
			}
			c.entries = append(c.entries, e)
		case len(c.entries) == 0:
			c.head += line
		default:
			c.entries[len(c.entries)-1].text += line
		}
	}
	if len(c.entries) == 0 {
		return c, errors.New(`has no heading "## Unreleased"`)
	}
	return c, nil
}

func parseHeading(heading string, above []entry) (entry, error) {
	if len(above) == 0 {
		if heading != unreleased {
			return entry{}, fmt.Errorf("begins with %q, want Unreleased", heading)
		}
		return entry{version: unreleased}, nil
	}
	version, date, _ := strings.Cut(heading, " - ")
	if !semver.IsValid(version) {
		return entry{}, fmt.Errorf("heading %q is no version", heading)
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return entry{}, fmt.Errorf("heading %q has no date such as 2006-01-02", heading)
	}
	if newer := above[len(above)-1].version; newer != unreleased && semver.Compare(version, newer) >= 0 {
		return entry{}, fmt.Errorf("%s stands below %s", version, newer)
	}
	return entry{version: version, date: date}, nil
}

// release returns the changelog with an entry for the version: the one that is there, or else all that is unreleased, with
// the date.
func (c changelog) release(version, date string) (changelog, error) {
	if e, ok := c.find(version); ok {
		if strings.TrimSpace(e.text) == "" {
			return c, fmt.Errorf("says nothing about %s", version)
		}
		if rest := strings.TrimSpace(c.entries[0].text); rest != "" {
			return c, fmt.Errorf("has %s, but also changes that are Unreleased: move them", version)
		}
		return c, nil
	}
	if strings.TrimSpace(c.entries[0].text) == "" {
		return c, fmt.Errorf("has nothing under Unreleased to become %s; if nothing changed, say so", version)
	}
	entries := []entry{{version: unreleased, text: "\n"}, {version: version, date: date, text: c.entries[0].text}}
	return changelog{c.head, append(entries, c.entries[1:]...)}, nil
}

func (c changelog) find(version string) (entry, bool) {
	for _, e := range c.entries {
		if e.version == version {
			return e, true
		}
	}
	return entry{}, false
}

func (c changelog) String() string {
	var b strings.Builder
	b.WriteString(c.head)
	for _, e := range c.entries {
		b.WriteString("## " + e.version)
		if e.date != "" {
			b.WriteString(" - " + e.date)
		}
		b.WriteString("\n" + e.text)
	}
	return b.String()
}

// breaks reports whether the entry announces an incompatible change.
func (e entry) breaks() bool { return strings.Contains("\n"+e.text, "\n"+breaking) }
