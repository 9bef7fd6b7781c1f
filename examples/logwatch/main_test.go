package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// result is what a run of the program gives.
type result struct {
	code           int
	stdout, stderr string
}

func runWith(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestGoldenReports(t *testing.T) {
	tests := []struct {
		golden string
		args   []string
	}{
		{"openssh.json", []string{"--json", "--sense", "sshd.failed_*", "--burst", "3/10s", "testdata/openssh.log"}},
		{"openssh.txt", []string{"--sense", "sshd.failed_*", "--burst", "3/10s", "testdata/openssh.log"}},
		{"apache_error.json", []string{"--json", "--sense", "*.error", "--burst", "3/30s", "testdata/apache_error.log"}},
		{"apache_access.json", []string{"--json", "--sense", "apache.status.5??", "testdata/apache_access.log"}},
		{"app.json", []string{"--json", "--pattern", appPattern, "--sense", "ERROR, WARN", "testdata/app.log"}},
		{"app.txt", []string{"--pattern", appPattern, "--sense", "ERROR, WARN", "testdata/app.log"}},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			got := runWith("", append(tt.args, "--once", "--year", "2024", "--signals", "mem://")...)
			if got.code != exitOK || got.stderr != "" {
				t.Errorf("exit %d, %s", got.code, got.stderr)
			}
			compareFile(t, tt.golden, got.stdout)
		})
	}
}

func TestRunRefusesFlags(t *testing.T) {
	tests := []struct {
		args string
		want string
	}{
		{"", "FILE is missing"},
		{"a b", "one FILE, got 2"},
		{"--follow --once f", "take one of them"},
		{"--follow -", "--follow needs a FILE"},
		{"--format nginx f", `--format: want openssh, apache or regexp, got "nginx"`},
		{"--format= f", `--format: want openssh, apache or regexp, got ""`},
		{"--format regexp f", "--format regexp needs --pattern"},
		{"--format apache --pattern (?P<name>x) f", "--pattern is for --format regexp"},
		{"--pattern (?P<name>x f", "missing closing )"},
		{"--pattern (?P<label>x) f", "group name is missing"},
		{"--pattern (?P<label>x) f", `group 1 is called "label"`},
		{"--pattern (?P<name>x)(?P<name>y) f", `group 2 is the second one called "name"`},
		{"--time-layout 2006-01-02 f", "--time-layout is for --format regexp"},
		{"--pattern (?P<name>x) --time-layout 15:04:05 f", "has no month and day"},
		{"--pattern (?P<name>x) --time-layout YYYY-MM-DD f", "has no month and day"},
		{"--year 0 f", "--year: want 1 to 9999"},
		{"--year 10000 f", "--year: want 1 to 9999"},
		{"--year soon f", `invalid value "soon"`},
		{"--capacity 0 f", "--capacity: want 1 to 100000000"},
		{"--once --capacity 5 f", "--once keeps the whole file"},
		{"--burst 5 f", "want COUNT/DURATION"},
		{"--burst 1/10s f", "count: want 2 to"},
		{"--burst 5/1ms f", "duration: want 1s to"},
		{"--burst 5/soon f", "duration: want 1s to"},
		{"--signals= f", "--signals is empty"},
		{"--sense , f", "--sense: window: bad pattern"},
		{"--once --follow --year 0 f", "--year: want"}, // all of it is told, not the first thing only
		{"--nonsense f", "not defined: -nonsense"},
	}
	for _, tt := range tests {
		got := runWith("", strings.Fields(tt.args)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 2 with %s", tt.args, got.code, got.stdout, got.stderr, tt.want)
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	got := runWith("", "--help")
	if got.code != exitOK || got.stdout != usage {
		t.Errorf("exit %d", got.code)
	}
	for _, r := range sshRules {
		if !strings.Contains(usage, r.name) {
			t.Errorf("no %s", r.name)
		}
	}
	at := 0
	for _, layout := range commonLayouts {
		i := strings.Index(usage[at:], layout)
		if i < 0 {
			t.Errorf("no %s, or at another place", layout)
		}
		at += max(i, 0)
	}
	if got := runWith("", "--version"); got.code != exitOK || !strings.HasPrefix(got.stdout, "logwatch ") {
		t.Errorf("version: %+v", got)
	}
}

func TestRunReportsFailures(t *testing.T) {
	folder := t.TempDir()
	foreign := filepath.Join(folder, "foreign.db")
	if err := os.WriteFile(foreign, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string
		args       []string
	}{
		{"no file", "absent.log", []string{"--once", filepath.Join(folder, "absent.log")}},
		{"no file to follow", "absent.log", []string{"--follow", filepath.Join(folder, "absent.log")}},
		{"a folder", "is a directory", []string{"--once", folder}},
		{"a folder to follow", "is a directory", []string{"--follow", folder}},
		{"unknown scheme", "no driver for scheme", []string{"--signals", "redis://x", "-"}},
		{"unknown key of a URL", "sync", []string{"--signals", "sqlite:" + foreign + "?sync=no", "-"}},
		{"no database", "foreign.db", []string{"--signals", "sqlite:" + foreign, "-"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runWith("", tt.args...)
			if got.code != exitFailed || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want exit 1 with %s", got.code, got.stdout, got.stderr, tt.want)
			}
		})
	}
}

func TestReadmeShowsWhatComesOut(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	signals := sqliteIn(t)
	r := jsonOf(t, signals, "--once", "--year", "2024", "--sense", "sshd.failed_*", "--burst", "3/10s", "testdata/openssh.log")
	figures := fmt.Sprintf("    [%d,%d,%d,%d,%d,%d,%d]\n", r.Lines, r.Raised, r.Unmatched, r.Sensed, r.Persisted, r.Restored, r.Bursts.Detected)
	again := runWith("", "--once", "--signals", signals, "--sense", "sshd.failed_*", os.DevNull)
	lines := strings.SplitAfter(again.stdout, "\n")
	for _, want := range []string{figures, "    " + lines[0], "    " + lines[1], "    " + lines[3]} {
		if !strings.Contains(string(readme), want) {
			t.Errorf("no %q", want)
		}
	}
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestRunReportsFailedOutput(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"--once"}, {"--once", "--json"}, {}} {
		if len(args) == 0 || args[0] == "--once" {
			args = append(args, "--signals", "mem://", "testdata/openssh.log")
		}
		var stderr bytes.Buffer
		if code := run(args, nil, full{}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "logwatch: no space\n") {
			t.Errorf("%q: exit %d, stderr %q", args, code, &stderr)
		}
	}
}
