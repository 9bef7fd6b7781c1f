package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with one test file, and stands in it.
func module(t *testing.T, tests string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":    "module github.com/ephemera-go/ephemera/core\n\ngo 1.25.0\n",
		"x.go":      "package core\n",
		"x_test.go": "package core\n\nimport \"testing\"\n\n" + tests,
		"expected":  "# package test condition\ncore TestMaybe* if-unset SKIPCHECK_DATA\ncore TestShort if-flag -short\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
}

func tool(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func goTest(t *testing.T, args ...string) (int, string) {
	t.Helper()
	return tool(t, append([]string{"-expected", "expected", "-results", "results", "--", "go", "test", "-json"}, args...)...)
}

const (
	passes = "func TestPass(t *testing.T) { t.Log(\"quiet\") }\n"
	maybe  = "func TestMaybe(t *testing.T) { t.Run(\"part\", func(t *testing.T) { t.Skip(\"no data: here\") }) }\n"
	short  = "func TestShort(t *testing.T) { t.Skip() }\n"
)

func TestExpectedSkips(t *testing.T) {
	module(t, passes+maybe+short)
	code, out := goTest(t, "-short", ".")
	if code != 0 || !strings.Contains(out, "ok  \tgithub.com/ephemera-go/ephemera/core\t") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for _, want := range []string{
		"SKIP github.com/ephemera-go/ephemera/core TestMaybe/part: no data: here (expected: if-unset SKIPCHECK_DATA)",
		"core TestShort: no reason given (expected: if-flag -short)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "quiet") || strings.Contains(out, "PASS") {
		t.Errorf("prints what plain go test does not:\n%s", out)
	}
	if code, out := tool(t, "-sum", "results"); code != 0 || out != "2 passed, 0 failed, 2 skipped\n" {
		t.Errorf("sum: exit %d: %s", code, out)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, tests, env string
		args             []string
		want, sum        string
	}{
		{"condition-gone", passes + maybe, "set", []string{"."}, "UNEXPECTED SKIP github.com/ephemera-go/ephemera/core TestMaybe/part", "2 passed, 1 failed, 0 skipped"},
		{"flag-missing", passes + short, "", []string{"."}, "UNEXPECTED SKIP github.com/ephemera-go/ephemera/core TestShort", "1 passed, 1 failed, 0 skipped"},
		{"failure", passes + "func TestBad(t *testing.T) { t.Fatal(\"bad thing\") }\n", "", []string{"."}, "bad thing", "1 passed, 1 failed, 0 skipped"},
		{"panic", "func TestBad(t *testing.T) { panic(\"bad thing\") }\n", "", []string{"."}, "bad thing", "0 passed, 1 failed, 0 skipped"},
		{"build", "func TestBad(t *testing.T) { x }\n", "", []string{"."}, "undefined: x", "0 passed, 1 failed, 0 skipped"},
		{"nothing", passes, "", []string{"-run", "None", "."}, "no test ran", "0 passed, 1 failed, 0 skipped"},
		{"no-package", passes, "", []string{"./none"}, "FAIL", "0 passed, 1 failed, 0 skipped"},
		{"exit", "func TestMain(m *testing.M) { m.Run(); panic(\"odd end\") }\n" + passes, "", []string{"."}, "odd end", "1 passed, 1 failed, 0 skipped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SKIPCHECK_DATA", tt.env)
			module(t, tt.tests)
			if code, out := goTest(t, tt.args...); code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d, want 1 and %q in:\n%s", code, tt.want, out)
			}
			if _, out := tool(t, "-sum", "results"); out != tt.sum+"\n" {
				t.Errorf("sum %q, want %q", out, tt.sum)
			}
		})
	}
}

func TestCutOffStream(t *testing.T) {
	code, out := tool(t, "--", "echo", `{"Action":"start","Package":"p"}`)
	if code != 1 || !strings.Contains(out, "FAIL\tp [did not end]") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestSumCountsATestOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	text := "pass p A\nskip p A\nskip p B\nskip p B\npass p C\nfail p C\npass p C\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out := tool(t, "-sum", file); code != 0 || out != "1 passed, 1 failed, 1 skipped\n" {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestRules(t *testing.T) {
	tests := map[string]string{
		"core TestA":                   "want a package",
		"core TestA never":             "unknown condition",
		"core TestA if-env NAME":       "wants NAME=VALUE",
		"core TestA always x":          "wants 0 arguments",
		"core TestA if-unset":          "wants 1 arguments",
		"core TestA if-unset A B":      "",
		"core TestA if-flag -a -b":     "wants 1 arguments",
		"core Test[ if-unset A":        "syntax error",
		"core TestA if-env GOARCH=386": "",
	}
	for text, want := range tests {
		_, err := parseRule(strings.Fields(text))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	env := func(string) (string, bool) { return "386", true }
	r := rule{"core", "TestA", "if-env", "GOARCH=386"}
	if !r.holds(nil, env) || (rule{kind: "if-env", arg: "GOARCH=arm"}).holds(nil, env) || !(rule{kind: "always"}).holds(nil, env) {
		t.Error("a condition is judged wrongly")
	}
	oneSet := func(name string) (string, bool) { return map[string]string{"B": "1"}[name], name == "B" }
	for names, want := range map[string]bool{"A": true, "A C": true, "A B": false, "B A": false, "B": false} {
		if got := (rule{kind: "if-unset", arg: names}).holds(nil, oneSet); got != want {
			t.Errorf("if-unset %s while B is set: %v", names, got)
		}
	}
	if every := (rule{pkg: "core", test: "*"}); !every.names(id{"core", "TestA/sub"}) || every.names(id{"core/x", "TestA"}) {
		t.Error("a rule for all tests of a package names the wrong ones")
	}
	if !r.names(id{"github.com/ephemera-go/ephemera/core", "TestA/sub"}) || r.names(id{"core", "TestAB"}) || r.names(id{"core/x", "TestA"}) {
		t.Error("a rule names the wrong tests")
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		code int
		want string
		args []string
	}{
		{0, "usage: skipcheck", []string{"-h"}},
		{2, "usage: skipcheck", []string{"-x"}},
		{2, "want a command", nil},
		{2, "want a command", []string{"-sum", "x", "go"}},
		{2, "none", []string{"-sum", "none"}},
		{2, "none", []string{"-expected", "none", "--", "go"}},
		{2, "executable file not found", []string{"--", "no-such-command"}},
	}
	for _, tt := range tests {
		if code, out := tool(t, tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d, want %d and %q in:\n%s", tt.args, code, tt.code, tt.want, out)
		}
	}
}
