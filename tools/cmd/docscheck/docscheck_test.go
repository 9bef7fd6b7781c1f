package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// good is a small tree whose pages obey every rule. ~ stands for a backtick.
var good = map[string]string{
	"go.work":     "go 1.25.0\n\nuse ./core\n",
	"core/go.mod": "module github.com/ephemera-go/ephemera/core\n\ngo 1.25.0\n",
	"core/core.go": "package core\n\n// EPHEMERA_SEED is read.\nfunc F() int { return 1 }\n\nfunc G() {\n\tx := F()\n" +
		"\tprintln(x)\n}\n\ntype T struct{ A int }\n\nfunc (t *T) M() {}\n\ntype I interface{ N() }\n",
	"core/core_test.go":      "//go:build never\n\npackage core\n\nfunc TestOrder() {}\n\nfunc FuzzOrder() {}\n\nfunc BenchmarkOrder() {}\n",
	"core/cmd/plain/main.go": "package main\n\nimport \"flag\"\n\nfunc main() {\n\tflag.Bool(\"quick\", false, \"be quick\")\n\tflag.Parse()\n}\n",
	"core/cmd/many/main.go":  "package main\n\nimport \"os\"\n\nfunc main() {\n" + many + "}\n",
	"core/cmd/solo/main.go":  "package main\n\nimport \"os\"\n\nfunc main() {\n" + solo + "}\n",
	"server/web/web.go":      "package web\n\nfunc counterOf(name string) string { return \"ephemera_\" + name }\n\nvar a = counterOf(\"a_total\")\nvar b = opts{Name: \"ephemera_b_seconds\"}\n",
	"Makefile":               "BASE ?= HEAD\n\ntest: ## tests\n\techo $(ARGS)\n",
	"README.md":              "# Tree\n\n[index](docs/README.md), [the other heading](#tree-1), <https://example.com/x>\n\n## Tree\n",
	"docs/README.md":         "[go](go.md) [commands](sh.md) [guarantees](guarantees.md) [operations](operations.md#a-heading-with-code-of-2) [urls](urls.md)\n",
	"docs/go.md":             goPage,
	"docs/sh.md":             shellPage,
	"docs/guarantees.md":     "Tests are in ~server~.\n\n## Order\n\nThese are in ~core~.\n\n| promise | test |\n|---|---|\n| order | ~TestOrder~ in ~core~, ~FuzzOrder/seed~, ~TestOrd…~ |\n| all | ~make test~ |\n",
	"docs/operations.md":     "## A heading with ~code~, of 2\n\n| ~ephemera_a_total~ | a |\n| ~ephemera_b_seconds~ | b, as ~ephemera_b_seconds_bucket~ |\n",
	dashboard:                `{"expr": "rate(ephemera_b_seconds_count[1m]) + ephemera_a_total"}`,
	"docs/urls.md":           "| key | for |\n|---|---|\n| ~e_size~, ~a~, ~b~ | x |\n\n| ~other~ | table |\n",
	"driver/urls.go": "package driver\n\nconst prefix = \"e_\"\n\nvar passed = []string{\"a\", \"b\"}\n\nfunc parse() {\n\tp := sinks.NewParams()\n" +
		"\tp.Size(prefix + \"size\")\n\tfor _, key := range passed {\n\t\tp.String(key)\n\t}\n}\n",
	"examples/README.md":          "# Examples\n\n## tour\n",
	"examples/tour/README.md":     "# tour\n",
	"docs/x.yml":                  "a: 1\n",
	"core/testdata/not-a-page.md": "[dead](link)\n",
}

const many = `	if len(os.Args) > 2 {
		println("usage: many [flags] go\n  -o, --deep=N  deep")
		return
	}
	println("Usage: many\n\nCommands:\n  go         Go.\n  go back    Return.\n\nFlags:\n  --help\n\nmany <command> --help")
`

// solo has one help for all of its commands, and takes whatever stands behind one for an argument.
const solo = `	if len(os.Args) == 2 {
		println("usage: solo go NAME\n  -deep  deep")
		return
	}
	os.WriteFile("ran", nil, 0o600)
`

const goPage = `~~~go
package main

import "github.com/ephemera-go/ephemera/core"

func main() { core.F() }
~~~

<!-- go
import "github.com/ephemera-go/ephemera/core"
var y int
-->

~~~go
import _ "os"

x := core.F() + y // unused is fine
~~~

~~~go from=core/core.go
x := F()
println(x)
~~~

~~~go ignore="shows what does not compile"
x +
~~~

~~~go
type T struct{}
~~~

~~~json
{"a": 1} {"b": 2}
~~~
`

const shellPage = `~~~sh
make test ARGS=x && cd core # make nothing
sudo FOO=1 go test -race -run 'TestOrder|Fuzz' ./core/... | grep x
go run ./core/cmd/plain -quick -- make test
cat <<END
make nothing
END
many go back --deep=2 'make it so' >out.txt
solo go somewhere -deep
go get github.com/ephemera-go/ephemera/core@latest
go install github.com/ephemera-go/ephemera/core/cmd/many@latest
~~~

    $ many go --deep 3 |
        cat
    make is output here

~many go~, ~--deep=2~, ~EPHEMERA_SEED=1 make test~, ~core.F()~, ~x := core.T{A: 1}~, ~core.T.A~, ~core.T.M~, ~core.I.N~, ~http.Server~
`

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "~", "`")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// check runs the whole tool, so that the tests see what a user sees.
func check(t *testing.T, root string) (int, string, string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"-C", root}, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestGoodTree(t *testing.T) {
	t.Parallel()
	root := write(t, good)
	code, out, errs := check(t, root)
	if _, err := os.Stat(filepath.Join(root, "out/docscheck/ran")); err == nil {
		t.Error("a command was run that has no help of its own")
	}
	if code != 0 || out != "docscheck: 9 pages, 5 Go blocks, 12 commands: ok\n" {
		t.Fatalf("exit %d:\n%s%s", code, out, errs)
	}
}

// mistake is one line, or a block, that is put at the end of a page, and the one problem that it makes.
type mistake struct{ page, text, want string }

var mistakes = []mistake{
	{"README.md", "[a](docs/none.md)", "docs/none.md leads nowhere"},
	{"README.md", "[a](#nothing)", "#nothing: README.md has no heading #nothing"},
	{"README.md", "[a](docs/operations.md#none)", "has no heading #none"},
	{"README.md", "![a](../x.png)", "../x.png leads out of the repository"},
	{"README.md", "[a](/docs/go.md)", "/docs/go.md leads out of the repository"},
	{"README.md", "[a](https://host)", "https://host is no URL of a page"},
	{"README.md", "[a](ftp://example.com)", "ftp://example.com is no URL of a page"},
	{"README.md", "[a](core/core.go#f)", "core/core.go has no heading #f"},
	{"README.md", "\n[x]: gone.md", "gone.md leads nowhere"},
	{"README.md", "~TestGone~", "names TestGone, which no test file declares"},
	{"README.md", "~TestGo…~", "names TestGo, which no test file declares"},
	{"README.md", "~TestOrder~ in ~server~", "TestOrder is not in server"},
	{"README.md", "~EPHEMERA_GONE~", "names EPHEMERA_GONE, which nothing reads"},
	{"README.md", "~core.Gone~", "names core.Gone, which does not exist"},
	{"README.md", "~x := core.T.Gone~", "names core.T.Gone, which does not exist"},
	{"README.md", "~--shallow~", "no program has the flag --shallow"},
	{
		"docs/go.md",
		"~~~go\npackage main\n\nimport \"github.com/ephemera-go/ephemera/core\"\n\nfunc main() { core.H() }\n~~~",
		"undefined: core.H",
	},
	{"docs/go.md", "~~~go\npackage main\n\nfunc main() { x := 1 }\n~~~", "declared and not used: x"},
	{"docs/go.md", "~~~go\npackage main\n~~~", "a program without func main"},
	{"docs/go.md", "~~~go\nx := core.F()\n~~~", "undefined: core"},
	{"docs/go.md", "<!-- go\nimport \"os/none\"\n-->\n\n~~~go\nvar x = none.X\n~~~", "could not import os/none"},
	{"docs/go.md", "~~~go\nx +\n~~~", "expected"},
	{"docs/go.md", "~~~go from=core/core.go\nx := F()\nprint(x)\n~~~", "does not stand in core/core.go"},
	{"docs/go.md", "~~~go from=core/gone.go\nx\n~~~", "core/gone.go: no such file"},
	{"docs/go.md", "~~~go ignore=\"\"\nx\n~~~", "go ignore needs a reason in words"},
	{"docs/go.md", "~~~go skip\nx\n~~~", "go skip: only from=PATH"},
	{"docs/go.md", "~~~json\n{\"a\": }\n~~~", "json block: invalid character"},
	{"docs/go.md", "~~~yaml\na: b: c\n~~~", "yaml block: yaml:"},
	{"docs/sh.md", "~make nothing~", "the Makefile has no target nothing"},
	{"docs/sh.md", "~~~sh\necho a |\n  X=1 make test VAR=1\n~~~", "the Makefile uses no variable VAR"},
	{"docs/sh.md", "    $ make nothing1", "the Makefile has no target nothing1"},
	{"docs/sh.md", "~go test ./gone~", "there is no package ./gone"},
	{"docs/sh.md", "~go test ./core -run 'TestOrder|TestGone1'~", "nothing in core matches TestGone1"},
	{"docs/sh.md", "~go test ./core -bench Gone~", "nothing in core matches Gone"},
	{"docs/sh.md", "~go test -rase ./core~", "go test has no flag -rase"},
	{"docs/sh.md", "~go run ./core~", "./core is no program"},
	{"docs/sh.md", "~go install github.com/ephemera-go/ephemera/core@latest~", "is no program"},
	{"docs/sh.md", "~go get github.com/ephemera-go/ephemera/gone~", "there is no package github.com"},
	{"docs/sh.md", "~go run ./core/cmd/plain -slow~", "plain has no flag -slow"},
	{"docs/sh.md", "~plain -quick -- make nothing2~", "no target nothing2"},
	{"docs/sh.md", "~solo go somewhere -shallow2~", "solo has no flag -shallow2"},
	{"docs/sh.md", "~many stay --deep=1~", "many has no command stay"},
	{"docs/sh.md", "~~~\nout/many go --shallow1\n~~~", "many has no flag --shallow1"},
	{"docs/guarantees.md", "\n| promise | test |\n|---|---|\n| more | some day |", "a promise without a test"},
	{"docs/guarantees.md", "\n## Other\n\n| promise | test |\n|---|---|\n| more | ~FuzzOrder~ |", "FuzzOrder is in none of server"},
	{"docs/operations.md", "~ephemera_none~", "names ephemera_none, which the server does not show"},
}

// TestMistakes plants all mistakes into one tree and wants exactly their problems: each is found in its page, and none hides
// another.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files := maps.Clone(good)
	var missed []string
	for _, m := range mistakes {
		files[m.page] += "\n" + m.text + "\n"
	}
	code, out, errs := check(t, write(t, files))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, m := range mistakes {
		i := slices.IndexFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, m.page+":") && strings.Contains(line, m.want)
		})
		if i < 0 {
			missed = append(missed, m.page+": "+m.want)
			continue
		}
		lines = slices.Delete(lines, i, i+1)
	}
	if code != 1 || len(missed) > 0 || len(lines) > 0 {
		t.Errorf("exit %d, %s\nnot found:\n%s\nunexpected:\n%s", code, errs, strings.Join(missed, "\n"), strings.Join(lines, "\n"))
	}
}

type broken struct {
	name   string
	change map[string]string // new text of files; "" removes the file
	want   string
}

var brokenTrees = []broken{
	{"no index", map[string]string{"docs/README.md": ""}, "docs/README.md: is missing"},
	{"page outside of the index", map[string]string{"docs/more/x.md": "x\n"}, "docs/README.md: does not link docs/more/x.md"},
	{"no guarantees", map[string]string{"docs/guarantees.md": ""}, "docs/guarantees.md: is missing"},
	{"no promise", map[string]string{"docs/guarantees.md": "all is well\n"}, "docs/guarantees.md: promises nothing"},
	{"no operations", map[string]string{"docs/operations.md": ""}, "docs/operations.md: is missing"},
	{
		"metric without row",
		map[string]string{"server/web/c.go": "package web\n\nvar c = counterOf(\"c\")\n"},
		"docs/operations.md: has no row for ephemera_c",
	},
	{"key without row", map[string]string{"driver/more.go": "package driver\n\nfunc f() { sinks.NewParams().Bool(\"new\") }\n"}, "docs/urls.md: does not explain new, which driver reads"},
	{"row without key", map[string]string{"driver/urls.go": "package driver\n\nfunc f() { sinks.NewParams().Bool(\"a\") }\n"}, "docs/urls.md:3: explains b, which no driver reads"},
	{"no urls", map[string]string{"docs/urls.md": ""}, "docs/urls.md: is missing"},
	{"example that nobody finds", map[string]string{"examples/more/README.md": "# more\n"}, "examples/README.md: has no heading more"},
	{"no dashboard", map[string]string{dashboard: ""}, dashboard + ": open"},
	{"dashboard draws others", map[string]string{dashboard: `{"expr": "ephemera_c"}`}, dashboard + ": draws ephemera_c"},
	{"dashboard draws nothing", map[string]string{dashboard: `{}`}, dashboard + ": draws no metric"},
	{"dashboard that is no JSON", map[string]string{dashboard: `{"expr": "ephemera_a_total",}`}, dashboard + ": invalid character"},
	{"file that is no YAML", map[string]string{"docs/x.yml": "a: b: c\n"}, "docs/x.yml: yaml:"},
	{"block without end", map[string]string{"docs/go.md": "~~~go\nx\n"}, "docs/go.md:1: a block of code begins here and never ends"},
	{"comment without end", map[string]string{"docs/go.md": "<!-- x\n"}, "docs/go.md:1: a comment begins here and never ends"},
	{"long readme", map[string]string{"core/README.md": strings.Repeat("x\n", 151)}, "core/README.md: has 151 lines"},
	{"no readme", map[string]string{"README.md": ""}, "README.md: is missing"},
}

func TestBrokenTrees(t *testing.T) {
	t.Parallel()
	for _, tt := range brokenTrees {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(good)
			delete(files, "docs/sh.md") // its programs would be built each time
			files["docs/README.md"] = strings.Replace(files["docs/README.md"], "[commands](sh.md)", "", 1)
			for name, text := range tt.change {
				if files[name] = text; text == "" {
					delete(files, name)
				}
			}
			if code, out, errs := check(t, write(t, files)); code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d, want 1 and %q in:\n%s%s", code, tt.want, out, errs)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	broken := maps.Clone(good)
	broken["core/cmd/plain/main.go"] = "package main\n\nfunc main() { x }\n"
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "usage: docscheck"},
		{[]string{"-x"}, 2, "usage: docscheck"},
		{[]string{"extra"}, 2, "unexpected argument"},
		{[]string{"-C", t.TempDir()}, 2, "no Markdown file"},
		{[]string{"-C", write(t, broken)}, 2, "go build"},
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
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	code := run(ctx, []string{"-C", write(t, good)}, &stdout, &stderr)
	if code == 0 || stdout.Len() > 0 || !strings.Contains(stderr.String(), context.Canceled.Error()) {
		t.Errorf("exit %d:\n%s%s", code, &stdout, &stderr)
	}
}
