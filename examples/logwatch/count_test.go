package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
)

const appPattern = `^(?P<time>\S+ \S+) (?P<name>[A-Z]+) (?P<key>\S+)`

// What somebody would give to grep -c, for each name; the lines are those that grep -v of the last entry leaves. None
// of it is shared with the parsers.
var (
	grepSSH = map[string]string{
		"sshd.failed_password":      `(\]: |\[ )Failed password for`,
		"sshd.failed_other":         `\]: Failed [^p]`,
		"sshd.accepted":             `\]: Accepted `,
		"sshd.invalid_user":         `\]: Invalid user`,
		"sshd.invalid_user_request": `input_userauth_request`,
		"sshd.auth_failure":         `\(sshd:auth\): authentication failure`,
		"sshd.max_retries":          `ignoring max retries`,
		"sshd.more_auth_failures":   `PAM [0-9]+ more`,
		"sshd.unknown_user":         `check pass; user unknown`,
		"sshd.disconnected":         `Received disconnect`,
		"sshd.closed":               `\]: Connection closed by`,
		"sshd.reset":                `\]: Connection reset by`,
		"sshd.too_many_failures":    `Too many authentication failures`,
		"sshd.no_identification":    `Did not receive identification`,
		"sshd.reverse_mapping":      `reverse mapping checking`,
		"sshd.session_opened":       `\(sshd:session\): session opened`,
		"sshd.session_closed":       `\(sshd:session\): session closed`,
		"sshd.error":                `\]: error: [^R]`,
		"sshd.fatal":                `\]: fatal:`,
		"sshd.other":                `\]: Server`,
	}
	grepApacheError = map[string]string{
		"apache.error":  `^\[[^]]*\] \[(core:)?error\]`,
		"apache.notice": `^\[[^]]*\] \[notice\]`,
		"apache.warn":   `^\[[^]]*\] \[warn\]`,
		"apache.info":   `^\[[^]]*\] \[ssl:info\]`,
	}
	grepApacheAccess = map[string]string{
		"apache.status.200": `^192.* HTTP/1.1" 200 `,
		"apache.status.304": ` HTTP/1.1" 304 `,
		"apache.status.404": ` HTTP/1.1" 404 `,
		"apache.status.500": ` HTTP/1.1" 500 `,
		"apache.status.503": ` HTTP/1.1" 503 `,
	}
	grepApp = map[string]string{
		"INFO":  `^2025-03-.* INFO `,
		"WARN":  `^2025-03-.* WARN `,
		"ERROR": `^2025-03-.* ERROR `,
	}
)

// grep counts the lines that fit.
func grep(data []byte, expression string) uint64 {
	re := regexp.MustCompile(expression)
	n := uint64(0)
	for _, l := range bytes.Split(data, []byte("\n")) {
		if re.Match(l) {
			n++
		}
	}
	return n
}

// jsonOf runs the command and reads its report.
func jsonOf(t *testing.T, signals string, args ...string) report {
	t.Helper()
	return jsonWith(t, "", signals, args...)
}

func jsonWith(t *testing.T, stdin, signals string, args ...string) report {
	t.Helper()
	got := runWith(stdin, append([]string{"--json", "--signals", signals}, args...)...)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("%q: exit %d, %s", args, got.code, got.stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func sqliteIn(t *testing.T) string {
	t.Helper()
	return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "signals.db"))
}

// equalsGrep runs the command on a log and compares the report and what was kept with plain recomputation.
func equalsGrep(t *testing.T, path string, greps map[string]string, args ...string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := report{ByName: map[string]uint64{}}
	want.Lines = uint64(bytes.Count(data, []byte("\n")))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		want.Lines++
	}
	for name, expression := range greps {
		if n := grep(data, expression); n > 0 {
			want.ByName[name] = n
			want.Raised += n
			if strings.HasSuffix(name, "r") {
				want.Sensed += n
			}
		}
	}
	want.Unmatched, want.Persisted = want.Lines-want.Raised, want.Raised
	signals := sqliteIn(t)
	for _, mode := range []string{"--once", "--year=2024"} {
		got := jsonOf(t, signals, append([]string{mode, "--sense", "*r", path}, args...)...)
		if mode == "--once" && got.Restored != 0 || mode != "--once" && got.Restored != int(want.Raised) {
			t.Errorf("%s: restored %d", mode, got.Restored)
		}
		got = report{
			Lines: got.Lines, Raised: got.Raised, Unmatched: got.Unmatched, ByName: got.ByName,
			Sensed: got.Sensed, Persisted: got.Persisted,
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(report{}, burstRule{})); diff != "" {
			t.Errorf("%s: -grep +logwatch\n%s", mode, diff)
		}
	}
	if n := keptSignals(t, signals); n != 2*want.Raised {
		t.Errorf("kept %d signals of two runs with %d each", n, want.Raised)
	}
}

// keptSignals reads the store without a window.
func keptSignals(t *testing.T, signals string) uint64 {
	t.Helper()
	store, err := sinks.OpenSignals(t.Context(), signals)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	stat, err := store.Stat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stat.Count
}

func TestShippedLogsEqualGrep(t *testing.T) {
	tests := map[string]struct {
		greps map[string]string
		args  []string
	}{
		"openssh.log":       {grepSSH, nil},
		"apache_error.log":  {grepApacheError, []string{"--format", "apache"}},
		"apache_access.log": {grepApacheAccess, nil},
		"app.log":           {grepApp, []string{"--pattern", appPattern}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			equalsGrep(t, filepath.Join("testdata", name), tt.greps, tt.args...)
		})
	}
}

// Logs of real servers, which the project does not ship.
func TestRealLogsEqualGrep(t *testing.T) {
	folder := os.Getenv("EPHEMERA_TESTDATA")
	if folder == "" {
		t.Skip("EPHEMERA_TESTDATA is not set")
	}
	for name, greps := range map[string]map[string]string{"OpenSSH_2k.log": grepSSH, "Apache_2k.log": grepApacheError} {
		t.Run(name, func(t *testing.T) {
			equalsGrep(t, filepath.Join(folder, name), greps)
			equalsPlain(t, filepath.Join(folder, name))
		})
	}
}
