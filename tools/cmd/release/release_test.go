package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReleaseFromStatusToPush(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.expect(0, nil, "engine  core mid  none  -              v0.1.0")
	r.expect(0, []string{"plan", "engine=v0.1.0"}, "+## v0.1.0 - 20", "+"+prefix+"core v0.1.0 h1:", "core/v0.1.0\n  mid/v0.1.0\n")
	if left := r.git("status", "--porcelain"); left != "" || r.tags() != "" {
		t.Fatalf("plan changed %q and made tags %q", left, r.tags())
	}
	r.expect(1, []string{"tag", "engine=v0.1.0"}, "core/CHANGELOG.md: is not as the release needs it", "mid/go.sum: is not")
	r.expect(0, []string{"write", "engine=v0.1.0"}, "wrote mid/go.sum", "wrote core/CHANGELOG.md")
	r.expect(1, []string{"tag", "engine=v0.1.0"}, "files differ from the commit")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "release")

	out := r.expect(0, []string{"tag", "engine=v0.1.0"}, "tagged core/v0.1.0", "tagged mid/v0.1.0")
	if got := r.tags(); got != "core/v0.1.0 mid/v0.1.0" {
		t.Errorf("tags %q", got)
	}
	if kind := r.git("cat-file", "-t", "core/v0.1.0"); kind != "tag" {
		t.Errorf("the tag is a %s, want an annotated one", kind)
	}
	if text := r.git("tag", "-n9", "--list", "core/*"); !strings.Contains(text, "The first one.") {
		t.Errorf("the tag does not tell what changed: %s", text)
	}
	_, push, _ := strings.Cut(out, "for good:\n\n  git ")
	push, _, _ = strings.Cut(push, "\n")
	origin := t.TempDir()
	r.git("init", "-q", "--bare", origin)
	r.git("remote", "add", "origin", origin)
	r.git(strings.Fields(push)...)
	if got := r.git("ls-remote", "--tags", "--refs", "origin"); !strings.Contains(got, "refs/tags/mid/v0.1.0") {
		t.Errorf("pushed by %q: %s", push, got)
	}

	r.expect(1, []string{"plan", "engine=v0.1.0"}, "core: tag core/v0.1.0 exists")
	r.expect(0, []string{"status"}, "engine  core mid  v0.1.0  0              v0.1.1 or v0.2.0 or v1.0.0")
}

// A driver comes after what it requires; then everything in the tree requires what is out, with its sums.
func TestDriverFollows(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.out("engine=v0.1.0")
	r.expect(0, []string{"write", "far=v0.1.0"})
	if sum := r.read("far/go.sum"); !strings.Contains(sum, prefix+"core v0.1.0 h1:") {
		t.Errorf("far/go.sum lacks core:\n%s", sum)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "release")
	r.expect(0, []string{"tag", "far=v0.1.0"})

	r.commit(map[string]string{
		"core/core.go":      "package core\n\nfunc F() int { return 1 }\n\nfunc New() int { return 1 }\n",
		"core/CHANGELOG.md": strings.Replace(r.read("core/CHANGELOG.md"), "## Unreleased\n", "## Unreleased\n\n- New.\n", 1),
		"mid/CHANGELOG.md":  strings.Replace(r.read("mid/CHANGELOG.md"), "## Unreleased\n", "## Unreleased\n\n- Nothing changed.\n", 1),
	})
	r.out("engine=v0.2.0")
	for _, name := range []string{"mid/go.mod", "far/go.mod", "lab/go.mod", "go.work"} {
		if text := r.read(name); !strings.Contains(text, prefix+"core v0.2.0") || strings.Contains(text, prefix+"core v0.1.0") {
			t.Errorf("%s does not follow:\n%s", name, text)
		}
	}
	if sum := r.read("lab/go.sum"); !strings.Contains(sum, prefix+"core v0.2.0 h1:") || !strings.Contains(sum, prefix+"far v0.1.0 h1:") {
		t.Errorf("lab/go.sum:\n%s", sum)
	}
}

// What a driver gets is the engine of the tag, not the one of the tree.
func TestDriverMeetsTheTag(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.out("engine=v0.1.0")
	r.commit(map[string]string{
		"core/core.go": "package core\n\nfunc F() int { return 2 }\n\nfunc New() int { return 2 }\n",
		"far/far.go":   strings.Replace(good["far/far.go"], "core.F", "core.New", 1),
	})
	r.expect(1, []string{"plan", "far=v0.1.0"}, "far: go build", "undefined: core.New")
	r.commit(map[string]string{
		"far/far.go":      good["far/far.go"],
		"far/far_test.go": strings.Replace(good["far/far_test.go"], "!= 1", "!= 2", 1),
	})
	r.expect(1, []string{"plan", "far=v0.1.0"}, "far: go test", "not one")
}

func TestIncompatibleAPI(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.expect(0, []string{"api"}, "core: no tag yet")
	r.out("engine=v0.1.0")
	r.expect(0, []string{"api"}, "core: compatible with v0.1.0")
	dated := func(text string) map[string]string {
		files := map[string]string{}
		for _, name := range []string{"core/CHANGELOG.md", "mid/CHANGELOG.md"} {
			_, rest, _ := strings.Cut(r.read(name), "## v0.1.0")
			files[name] = "# Changelog\n\n## Unreleased\n\n" + text + "\n## v0.1.0" + rest
		}
		return files
	}
	files := dated("- F can fail.\n")
	files["core/core.go"] = "package core\n\nfunc F() (n int, err error) { return 1, nil }\n"
	files["mid/mid.go"] = strings.Replace(good["mid/mid.go"], "{ return core.F() }", "{ n, _ := core.F(); return n }", 1)
	files["far/far.go"] = strings.Replace(good["far/far.go"], "{ return core.F() }", "{ n, _ := core.F(); return n }", 1)
	r.commit(files)
	r.expect(1, []string{"api"}, "core: breaks users of v0.1.0", "F: changed from func() int to func() (int, error)")
	r.expect(1, []string{"plan", "engine=v0.1.1"}, "core: v0.1.1 must not break what v0.1.0 promised", "F: changed from")
	r.expect(1, []string{"plan", "engine=v0.2.0"}, "core: v0.2.0 breaks users of v0.1.0, and its changelog has no line")
	r.commit(dated("- **Breaking:** F can fail.\n"))
	r.expect(0, []string{"api"}, "core: breaks users of v0.1.0, as its changelog announces")
	r.expect(1, []string{"plan", "engine=v0.1.1"}, "must not break")
	r.expect(0, []string{"plan", "engine=v0.2.0"}, "core/v0.2.0")
}

// Whenever a run ends early, there are no tags; and what is left of one that was killed while the names appeared is
// completed by the next.
func TestInterruptedRunsTagNothing(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.expect(0, []string{"write", "engine=v0.1.0"})
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "release")
	for _, moment := range []string{"core: go mod tidy", "mid: go vet", "fetching every module"} {
		ctx, cancel := context.WithCancel(t.Context())
		log := &canceller{when: moment, cancel: cancel}
		if code := run(ctx, []string{"-C", r.root, "tag", "engine=v0.1.0"}, log, log); code == 0 || ctx.Err() == nil {
			t.Errorf("interrupted at %q: exit %d:\n%s", moment, code, log.text.String())
		}
		cancel()
		if r.tags() != "" {
			t.Fatalf("interrupted at %q, it left tags %q", moment, r.tags())
		}
	}

	lock := filepath.Join(r.root, ".git/refs/tags/mid/v0.1.0.lock")
	if err := os.MkdirAll(filepath.Dir(lock), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.expect(1, []string{"tag", "engine=v0.1.0"}, "no tag was made")
	if r.tags() != "" {
		t.Fatalf("one of two tags cannot be made, and there are %q", r.tags())
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}

	r.git("tag", "-a", "-m", "left", "core/v0.1.0")
	r.expect(0, []string{"tag", "engine=v0.1.0"}, "tagged mid/v0.1.0")
	if r.tags() != "core/v0.1.0 mid/v0.1.0" {
		t.Errorf("tags %q", r.tags())
	}
}

// canceller ends a context when the log says something.
type canceller struct {
	when   string
	cancel func()
	text   strings.Builder
}

func (c *canceller) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.when) {
		c.cancel()
	}
	return c.text.Write(p)
}

// The go command and git archive disagree about such a file, as they might about others in years to come.
func TestTagLeadsElsewhere(t *testing.T) {
	long(t)
	r := newRepo(t)
	r.commit(map[string]string{"core/.gitattributes": "note.txt export-ignore\n", "core/note.txt": "note\n"})
	r.expect(0, []string{"write", "engine=v0.1.0"})
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "release")
	r.expect(1, []string{"tag", "engine=v0.1.0"}, "core: the tag leads to other files than were checked")
	if r.tags() != "" {
		t.Errorf("tags %q", r.tags())
	}
}
