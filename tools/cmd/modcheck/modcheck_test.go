package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good is a small tree that obeys every rule. Module far is reachable from top only through mid.
var good = map[string]string{
	"LICENSE": "free\n",
	"go.work": "go 1.25.0\n\nuse (\n\t./core\n\t./mid\n\t./top\n\t./tools\n)\n" +
		"\nreplace github.com/ephemera-go/ephemera/core v0.1.0 => ./core\n",
	"modules.txt": "core engine yes -\nmid engine yes core,example.com/third\n" +
		"top engine yes mid,core\ntools tools yes -\n",
	"core/go.mod":        "module github.com/ephemera-go/ephemera/core\n\ngo 1.25.0\n",
	"core/LICENSE":       "free\n",
	"core/core.go":       "package core\n\nfunc F() {}\n",
	"core/core_test.go":  "//go:build explore\n\npackage core\n",
	"core/internal/x.go": "package internal\n",
	"mid/go.mod":         "module github.com/ephemera-go/ephemera/mid\n\ngo 1.25.0\n\nrequire github.com/ephemera-go/ephemera/core v0.1.0\n",
	"mid/LICENSE":        "free\n",
	"mid/mid.go":         "package mid\n\nimport _ \"github.com/ephemera-go/ephemera/core\"\n",
	"top/go.mod":         "module github.com/ephemera-go/ephemera/top\n\ngo 1.25.0\n",
	"top/LICENSE":        "free\n",
	"top/top.go":         "package top\n\nimport _ \"github.com/ephemera-go/ephemera/mid\"\n",
	"tools/go.mod":       "module github.com/ephemera-go/ephemera/tools\n\ngo 1.25.0\n\ntool example.com/some/tool\n",
	"tools/LICENSE":      "free\n",
	"tools/main.go":      "package main\n\nfunc main() {}\n",
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// check runs the whole tool, so that the tests see what a user sees.
func check(t *testing.T, root string) (int, string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"-C", root}, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestGoodTree(t *testing.T) {
	if code, out := check(t, write(t, good)); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
}

type broken struct {
	name   string
	change map[string]string // new text of files; "" removes the file
	want   string
}

func requires(module, line string) map[string]string {
	name := module + "/go.mod"
	return map[string]string{name: good[name] + "\n" + line + "\n"}
}

var brokenTrees = []broken{
	{"root module", map[string]string{"go.mod": "module example.com/root\n"}, "go.mod: the root must not be a module"},
	{"root internal", map[string]string{"internal/note.txt": "x"}, "internal: no internal folder in the root"},
	{"unlisted module", map[string]string{"extra/go.mod": "module x\n"}, "extra/go.mod: module is not listed"},
	{"unlisted file", map[string]string{"extra/x.go": "package x\n"}, "extra/x.go: belongs to no module"},
	{"no go.work", map[string]string{"go.work": ""}, "go.work: open"},
	{
		"work without go line",
		map[string]string{"go.work": strings.Replace(good["go.work"], "go 1.25.0", "", 1)},
		"go.work: has no go line",
	},
	{
		"work uses more",
		map[string]string{"go.work": good["go.work"] + "\nuse ./extra\n", "extra/go.mod": "module x\n\ngo 1.25.0\n"},
		"go.work: uses extra, which is not listed",
	},
	{
		"work uses less",
		map[string]string{"go.work": strings.Replace(good["go.work"], "\t./top\n", "", 1)},
		"modules.txt: lists top, which go.work does not use",
	},
	{"work toolchain", map[string]string{"go.work": good["go.work"] + "\ntoolchain go1.25.1\n"}, "go.work: has a toolchain line"},
	{"work replace", map[string]string{"go.work": good["go.work"] + "\nreplace a.b/c v1.0.0 => ./top\n"}, "go.work: replaces a.b/c@v1.0.0 by ./top"},
	{
		"work replace of every version",
		map[string]string{"go.work": strings.Replace(good["go.work"], " v0.1.0", "", 1)},
		"core by ./core: only a sibling at one version",
	},
	{
		"work replace by another folder",
		map[string]string{"go.work": strings.Replace(good["go.work"], "=> ./core", "=> ./mid", 1)},
		"core@v0.1.0 by ./mid: only a sibling",
	},
	{
		"version that go.work does not know",
		requires("mid", "require github.com/ephemera-go/ephemera/core v0.2.0"),
		"mid/go.mod: requires github.com/ephemera-go/ephemera/core@v0.2.0: go.work lacks the line replace",
	},
	{"no go.mod", map[string]string{"mid/go.mod": ""}, "mid/go.mod: cannot read"},
	{"bad go.mod", map[string]string{"mid/go.mod": "modul x\n"}, "mid/go.mod: mid/go.mod:1: unknown directive"},
	{"module path", map[string]string{"mid/go.mod": "module example.com/mid\n\ngo 1.25.0\n"}, "mid/go.mod: module path is not"},
	{
		"go line",
		map[string]string{"mid/go.mod": strings.Replace(good["mid/go.mod"], "1.25.0", "1.24.0", 1)},
		`mid/go.mod: go line is not "1.25.0"`,
	},
	{"toolchain", requires("mid", "toolchain go1.25.1"), "mid/go.mod: has a toolchain line"},
	{"replace", requires("mid", "replace a.b/c => ../top"), "mid/go.mod: has a replace line"},
	{"tool", requires("mid", "tool example.com/x"), "mid/go.mod: has a tool line"},
	{"core requires", requires("core", "require example.com/third v1.0.0"), "core/go.mod: requires example.com/third"},
	{
		"core allowed",
		map[string]string{"modules.txt": strings.Replace(good["modules.txt"], "yes -", "yes example.com/third", 1)},
		"modules.txt: core must not be allowed any import",
	},
	{"requires more", requires("mid", "require example.com/other v1.0.0"), "mid/go.mod: requires example.com/other, which its row"},
	{
		"dead version",
		requires("mid", "require github.com/ephemera-go/ephemera/core v0.0.0-00010101000000-000000000000"),
		"a version that no tag can have",
	},
	{"no root licence", map[string]string{"LICENSE": ""}, "LICENSE: open"},
	{"no licence", map[string]string{"mid/LICENSE": ""}, "mid/LICENSE: is missing"},
	{"other licence", map[string]string{"mid/LICENSE": "own\n"}, "mid/LICENSE: differs"},
	{
		"third-party import behind a tag",
		map[string]string{"core/x.go": "//go:build never\n\npackage core\n\nimport _ \"example.com/third\"\n"},
		"core/x.go:5: core may not import example.com/third",
	},
	{
		"sibling import",
		map[string]string{"core/x_test.go": "package core\n\nimport _ \"github.com/ephemera-go/ephemera/tools\"\n"},
		"core/x_test.go:3: core may not import github.com/ephemera-go/ephemera/tools",
	},
	{
		"foreign internal",
		map[string]string{"mid/x.go": "//go:build never\n\npackage mid\n\nimport _ \"github.com/ephemera-go/ephemera/core/internal\"\n"},
		"mid/x.go:5: imports github.com/ephemera-go/ephemera/core/internal, an internal package",
	},
	{
		"hidden reach",
		map[string]string{"modules.txt": strings.Replace(good["modules.txt"], "mid,core", "mid", 1)},
		"top: reaches module core through its imports",
	},
	{
		"broken import",
		map[string]string{"mid/x.go": "package mid\n\nimport _ \"github.com/ephemera-go/ephemera/core/none\"\n"},
		"mid: go list fails",
	},
	{"syntax error", map[string]string{"mid/x.go": "package mid\n\nfunc {\n"}, "mid/x.go:3:6: expected"},
	{"long file", map[string]string{"mid/x.go": "package mid\n" + strings.Repeat("\n", 500)}, "mid/x.go: has 501 lines"},
	{"long script", map[string]string{"mid/x.sh": strings.Repeat("\n", 501)}, "mid/x.sh: has 501 lines"},
}

func TestBrokenTrees(t *testing.T) {
	for _, tt := range brokenTrees {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(good)
			for name, text := range tt.change {
				if files[name] = text; text == "" {
					delete(files, name)
				}
			}
			code, out := check(t, write(t, files))
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d, want 1 and %q in:\n%s", code, tt.want, out)
			}
		})
	}
}

func TestLinkedLicence(t *testing.T) {
	root := write(t, good)
	if err := os.Remove(filepath.Join(root, "mid/LICENSE")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../LICENSE", filepath.Join(root, "mid/LICENSE")); err != nil {
		t.Fatal(err)
	}
	if code, out := check(t, root); code != 1 || !strings.Contains(out, "not a regular file") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	files := maps.Clone(good)
	delete(files, "mid/LICENSE")
	delete(files, "top/LICENSE")
	code, out := check(t, write(t, files))
	if code != 1 || !strings.Contains(out, "mid/LICENSE") || !strings.Contains(out, "top/LICENSE") ||
		!strings.Contains(out, "modcheck: 2 problems") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "usage: modcheck"},
		{[]string{"-x"}, 2, "usage: modcheck"},
		{[]string{"extra"}, 2, "unexpected argument"},
		{[]string{"-C", t.TempDir()}, 2, "modules.txt"},
	}
	for _, tt := range tests {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), tt.args, &stdout, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%v: exit %d, want %d and %q in:\n%s", tt.args, code, tt.code, tt.want, stderr.String())
		}
	}
}

// What an interrupted command could not answer is no problem of the tree.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	code := run(ctx, []string{"-C", write(t, good)}, &stdout, &stderr)
	if code == 0 || stdout.Len() > 0 || !strings.Contains(stderr.String(), context.Canceled.Error()) {
		t.Errorf("exit %d:\n%s%s", code, &stdout, &stderr)
	}
}
