package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
)

// benchgate runs a command line.
func benchgate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = command(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{nil, 2, "", "usage: benchgate run"},
		{[]string{"--help"}, 0, "Examples:", ""},
		{[]string{"help"}, 0, "Exit status:", ""},
		{[]string{"help", "run"}, 0, "usage: benchgate run", ""},
		{[]string{"help", "judge"}, 0, "usage: benchgate judge", ""},
		{[]string{"help", "x"}, 2, "", "expected run or judge"},
		{[]string{"judgement"}, 2, "", `read "judgement": expected run, judge, help or --version`},
		{[]string{"--version"}, 0, "benchgate ", ""},
		{[]string{"run", "--no-such-flag"}, 2, "", "flag provided but not defined"},
		{[]string{"run", "--budgets", "no-such-file"}, 2, "", "no-such-file"},
	}
	for _, test := range tests {
		code, stdout, stderr := benchgate(t, test.args...)
		if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%q: exit %d, want %d, stdout %q, stderr %q:\n%s%s", test.args, code, test.code, test.stdout, test.stderr, stdout, stderr)
		}
		if test.stdout == "" && stdout != "" || test.stderr == "" && stderr != "" {
			t.Errorf("%q: output where none belongs: %q %q", test.args, stdout, stderr)
		}
	}
}

// All that is wrong with a command line is said at once.
func TestRunRefusesFlags(t *testing.T) {
	code, _, stderr := benchgate(t, "run", "--max-rounds", "9", "--max-time", "0s", "--process-time", "-1s", "--package", "",
		"--benchtime", "0x", "--noise", "maybe", "extra")
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{
		`read ["extra"]: expected flags only`, "read --max-rounds 9: expected at least 10 rounds", "read --max-time 0s", "read --process-time -1s",
		"read an empty --head or --package", `read --benchtime "0x"`, `read --noise "maybe"`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
}

// The example of the help is a file of budgets.
func TestHelpTeachesBudgets(t *testing.T) {
	_, text, found := strings.Cut(usage, "# begins a comment:\n")
	text, _, end := strings.Cut(text, "\nA name is")
	if !found || !end {
		t.Fatal("the help has no example of budgets")
	}
	budgets, err := budget.Parse("help", strings.NewReader(text))
	if err != nil || len(budgets) != 5 {
		t.Errorf("%d budgets, %v", len(budgets), err)
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.25.0"}
	info.Main.Version = "v0.3.0"
	if got := versionOf(info, true); got != "benchgate v0.3.0 go1.25.0" {
		t.Error(got)
	}
	info.Main.Version = ""
	if got := versionOf(info, true); got != "benchgate (devel) go1.25.0" {
		t.Error(got)
	}
	if got := versionOf(nil, false); got != "benchgate, version unknown" {
		t.Error(got)
	}
}
