package main

import (
	"slices"
	"strings"
	"testing"
)

func TestProblemsThatShowAtOnce(t *testing.T) {
	const engine = "engine=v0.1.0"
	tests := []struct {
		name   string
		change map[string]string // committed
		after  func(r repo)
		target string
		want   string
	}{
		{"dirty", nil, func(r repo) { r.put(map[string]string{"core/core.go": "package core\n"}) }, engine, "git: files differ from the commit"},
		{"untracked", nil, func(r repo) { r.put(map[string]string{"core/new.go": "package core\n"}) }, engine, "?? core/new.go"},
		{"branch", nil, func(r repo) { r.git("switch", "-q", "-c", "topic") }, engine, `git: the branch is "topic", want main`},
		{"detached", nil, func(r repo) { r.git("switch", "-q", "--detach") }, engine, `git: the branch is "", want main`},
		{"no-changelog", map[string]string{"mid/CHANGELOG.md": ""}, nil, engine, "mid: CHANGELOG.md open"},
		{"empty-changelog", map[string]string{"mid/CHANGELOG.md": "# Changelog\n\n## Unreleased\n"}, nil, engine, "mid: CHANGELOG.md has nothing under Unreleased"},
		{"no-date", map[string]string{"mid/CHANGELOG.md": log + "\n## v0.1.0\n\n- All.\n"}, nil, engine, `heading "v0.1.0" has no date`},
		{"left-over", map[string]string{"mid/CHANGELOG.md": log + "\n## v0.1.0 - 2026-11-29\n\n- All.\n"}, nil, engine, "mid: CHANGELOG.md has v0.1.0, but also changes that are Unreleased"},
		{"licence", map[string]string{"mid/LICENSE": ""}, nil, engine, "mid: LICENSE is missing"},
		{"replace", map[string]string{"mid/go.mod": good["mid/go.mod"] + "\nreplace " + prefix + "core => ../core\n"}, nil, engine, "mid: go.mod has a replace line"},
		{"too-early", nil, nil, "far=v0.1.0", "far: requires " + prefix + "core@v0.1.0, which no tag has: release set engine first or together with far"},
		{"gap", nil, nil, "engine=v0.2.0", "engine: v0.2.0 cannot be a first version; want v0.1.0"},
		{"gap-later", nil, func(r repo) { r.git("tag", "core/v0.1.0") }, "engine=v0.3.0", "v0.3.0 cannot be after v0.1.0; want v0.1.1 or v0.2.0 or v1.0.0"},
		{"tag-exists", nil, func(r repo) { r.git("tag", "mid/v0.1.0") }, engine, "mid: tag mid/v0.1.0 exists, on commit"},
		{"newer-exists", nil, func(r repo) { r.git("tag", "mid/v0.2.0") }, engine, "mid: v0.2.0 is out already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepo(t)
			if tt.change != nil {
				r.commit(tt.change)
			}
			if tt.after != nil {
				tt.after(r)
			}
			r.expect(1, []string{"plan", tt.target}, tt.want)
		})
	}
}

// A tag on another commit is another version, whoever made it.
func TestTagOnAnotherCommit(t *testing.T) {
	r := newRepo(t)
	r.git("tag", "core/v0.1.0")
	r.commit(map[string]string{"core/more.go": "package core\n"})
	r.expect(1, []string{"tag", "engine=v0.1.0"}, "core: tag core/v0.1.0 exists")
}

func TestAllProblemsAtOnce(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"core/LICENSE": "", "mid/LICENSE": "", "mid/CHANGELOG.md": ""})
	r.expect(1, []string{"plan", "engine=v0.1.0"}, "core: LICENSE", "mid: LICENSE", "mid: CHANGELOG.md", "3 problems; nothing was changed")
}

func TestWrongUse(t *testing.T) {
	r := newRepo(t)
	r.expect(0, []string{"-h"}, "usage: release")
	for want, args := range map[string][]string{
		"usage: release":                    {"-x"},
		`no command "push"`:                 {"push"},
		"sets: engine, far":                 {"plan"},
		`"nine=v1.0.0" is no SET=VERSION`:   {"plan", "nine=v1.0.0"},
		`"-=v0.1.0" is no SET=VERSION`:      {"plan", "-=v0.1.0"},
		`"engine" is no SET=VERSION`:        {"plan", "engine"},
		`"0.1.0" is no version`:             {"plan", "engine=0.1.0"},
		`"v0.1" is no version`:              {"plan", "engine=v0.1"},
		"engine is named twice":             {"plan", "engine=v0.1.0", "engine=v0.1.0"},
		"status takes no core":              {"status", "core"},
		"none/modules.txt: no such file or": {"-C", "none"},
	} {
		r.expect(2, args, want)
	}
}

func TestSuccessors(t *testing.T) {
	for last, want := range map[string][]string{
		"":       {"v0.1.0"},
		"v0.1.9": {"v0.1.10", "v0.2.0", "v1.0.0"},
		"v1.2.3": {"v1.2.4", "v1.3.0"},
	} {
		if got := successors(last); !slices.Equal(got, want) {
			t.Errorf("after %q: %v, want %v", last, got, want)
		}
	}
	for _, tt := range []struct {
		last, next string
		want       bool
	}{
		{"v0.1.0", "v0.1.1", false}, {"v0.1.0", "v0.2.0", true}, {"v0.9.0", "v1.0.0", true}, {"v1.0.0", "v1.1.0", false},
	} {
		if got := mayBreak(tt.last, tt.next); got != tt.want {
			t.Errorf("mayBreak(%s, %s) = %v", tt.last, tt.next, got)
		}
	}
}

func TestChangelog(t *testing.T) {
	text := "# Changelog\n\nAll of it.\n\n## Unreleased\n\n- Two.\n\n## v0.1.0 - 2026-11-29\n\n- One.\n"
	c, err := parseChangelog(text)
	if err != nil || c.String() != text {
		t.Fatalf("%v; read and written again:\n%s", err, c)
	}
	next, err := c.release("v0.1.1", "2026-12-01")
	if err != nil {
		t.Fatal(err)
	}
	want := "# Changelog\n\nAll of it.\n\n## Unreleased\n\n## v0.1.1 - 2026-12-01\n\n- Two.\n\n## v0.1.0 - 2026-11-29\n\n- One.\n"
	if next.String() != want {
		t.Errorf("released:\n%s\nwant:\n%s", next, want)
	}
	if again, err := next.release("v0.1.1", "2027-01-01"); err != nil || again.String() != want {
		t.Errorf("released twice: %v\n%s", err, again)
	}
	for text, want := range map[string]string{
		"# Changelog\n":                                        `no heading "## Unreleased"`,
		"## v0.1.0 - 2026-11-29\n":                             "want Unreleased",
		"## Unreleased\n## 0.1.0 - 2026-11-29\n":               "is no version",
		"## Unreleased\n## v0.1.0 - yesterday\n":               "has no date",
		"## Unreleased\n## v0.1.0 - 2026-02-30\n":              "has no date",
		log + "## v0.1.0 - 2026-11-29\n## v0.2.0 - 2026-11-30": "v0.2.0 stands below v0.1.0",
	} {
		if _, err := parseChangelog(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse %q: %v, want %q", text, err, want)
		}
	}
	if (entry{text: "- Fine, no - **Breaking:** here.\n"}).breaks() || !(entry{text: "\n- **Breaking:** it does.\n"}).breaks() {
		t.Error("announcements are not told from other lines")
	}
}
