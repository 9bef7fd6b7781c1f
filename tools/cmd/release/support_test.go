package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/modset"
	"github.com/ephemera-go/ephemera/tools/internal/staging"
)

const prefix = modset.Prefix + "/"

// TestMain installs apidiff, then cuts the network off: everything else comes from the tree and its tags.
func TestMain(m *testing.M) {
	flag.Parse()
	if !testing.Short() {
		if _, err := (&release{root: "../../..", log: os.Stderr}).apidiff(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for name, value := range map[string]string{
		"GOPROXY": "off", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

const log = "# Changelog\n\n## Unreleased\n\n- The first one.\n"

// good is a tree of two modules in a set, a driver with a set of its own, and one module that nobody gets.
var good = map[string]string{
	"modules.txt": "core engine yes -\nmid engine yes core\nfar far yes core\nlab - no core,mid,far\n",
	"go.work": "go 1.25.0\n\nuse (\n\t./core\n\t./mid\n\t./far\n\t./lab\n)\n\nreplace (\n\t" +
		prefix + "core v0.1.0 => ./core\n\t" + prefix + "far v0.1.0 => ./far\n\t" + prefix + "mid v0.1.0 => ./mid\n)\n",
	"core/go.mod":       "module " + prefix + "core\n\ngo 1.25.0\n",
	"core/core.go":      "package core\n\nfunc F() int { return 1 }\n",
	"core/CHANGELOG.md": log, "core/LICENSE": "free\n",
	"mid/go.mod":       "module " + prefix + "mid\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.1.0\n",
	"mid/mid.go":       "package mid\n\nimport \"" + prefix + "core\"\n\nfunc G() int { return core.F() }\n",
	"mid/CHANGELOG.md": log, "mid/LICENSE": "free\n",
	"far/go.mod":       "module " + prefix + "far\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.1.0\n",
	"far/far.go":       "package far\n\nimport \"" + prefix + "core\"\n\nfunc H() int { return core.F() }\n",
	"far/far_test.go":  "package far\n\nimport \"testing\"\n\nfunc TestH(t *testing.T) {\n\tif H() != 1 {\n\t\tt.Fatal(\"not one\")\n\t}\n}\n",
	"far/CHANGELOG.md": log, "far/LICENSE": "free\n",
	"lab/go.mod": "module " + prefix + "lab\n\ngo 1.25.0\n\nrequire (\n\t" + prefix + "core v0.1.0\n\t" + prefix + "far v0.1.0\n\t" + prefix + "mid v0.1.0\n)\n",
	"lab/lab.go": "package lab\n\nimport (\n\t_ \"" + prefix + "core\"\n\t_ \"" + prefix + "far\"\n\t_ \"" + prefix + "mid\"\n)\n",
}

// repo is a scratch repository of the tree.
type repo struct {
	t    *testing.T
	root string
}

func newRepo(t *testing.T) repo {
	t.Helper()
	t.Parallel()
	r := repo{t, t.TempDir()}
	files := maps.Clone(good)
	versions, err := os.ReadFile("../../versions.txt")
	if err != nil {
		t.Fatal(err)
	}
	files[toolsFile] = string(versions)
	r.git("init", "-q", "-b", "main")
	r.commit(files)
	return r
}

// long is for tests that build modules.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds modules")
	}
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), "git", append([]string{"-C", r.root}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// put writes files; no text removes one.
func (r repo) put(files map[string]string) {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.root, name)
		var err error
		if text == "" {
			err = os.Remove(path)
		} else {
			err = staging.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r repo) commit(files map[string]string) {
	r.t.Helper()
	r.put(files)
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "change")
}

func (r repo) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r repo) release(args ...string) (int, string) {
	r.t.Helper()
	var stdout, stderr strings.Builder
	code := run(r.t.Context(), append([]string{"-C", r.root}, args...), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// expect runs the command and wants an exit status and pieces of its output.
func (r repo) expect(code int, args []string, want ...string) string {
	r.t.Helper()
	got, out := r.release(args...)
	if got != code {
		r.t.Fatalf("release %v: exit %d, want %d:\n%s", args, got, code, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			r.t.Errorf("release %v: no %q in:\n%s", args, w, out)
		}
	}
	return out
}

// out releases sets, from writing to tagging.
func (r repo) out(targets ...string) {
	r.t.Helper()
	r.expect(0, append([]string{"write"}, targets...))
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "release")
	r.expect(0, append([]string{"tag"}, targets...))
}

func (r repo) tags() string { return strings.ReplaceAll(r.git("tag", "--list"), "\n", " ") }
