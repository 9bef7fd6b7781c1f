package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// call runs the command.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// Our server, as a process of its own, acknowledges every append of 5,000 a second and has all of them.
func TestEveryAppendIsAccountedFor(t *testing.T) {
	if os.Getenv("GOWORK") == "off" {
		t.Skip("the server is built in the workspace")
	}
	open, names := 1500*ms, []string{"ephemera", "ephemera-wire", "ephemera-http"}
	if testing.Short() {
		open, names = 500*ms, names[1:2]
	}
	file := filepath.Join(t.TempDir(), "out", "load.json")
	code, out, errs := call(t, "-targets", strings.Join(names, ","), "-rounds", "1", "-duration", open.String(), "-closed", "0", "-out", file)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var r report
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	due := int(open * 5000 / time.Second)
	if len(r.Runs) != len(names) || len(r.Accounts) != len(names) {
		t.Fatalf("%d runs, %d accounts", len(r.Runs), len(r.Accounts))
	}
	for i, name := range names {
		x, a := r.Runs[i], r.Accounts[i]
		if x.Target != name || x.Phase != phaseOpen || x.Appended != due || x.Errors != 0 || x.Wanted != 5000 {
			t.Errorf("%+v; want %d appends", x, due)
		}
		if x.P50 <= 0 || x.P99 < x.P50 || x.P999 < x.P99 || x.Max < x.P999 || x.CPU <= 0 || x.Peak < x.Memory[0] || x.Rate > 5001 {
			t.Errorf("figures that cannot be: %+v", x)
		}
		if want := uint64(capacity + due); a != (account{1, name, want, want}) {
			t.Errorf("%+v, want %d", a, want)
		}
		if !strings.Contains(out, "| "+name+" |") {
			t.Errorf("no row of %s:\n%s", name, out)
		}
	}
}

func TestReportSaysWhatIsWrong(t *testing.T) {
	r := report{
		Runs:     []result{{Round: 1, Target: "a", Phase: phaseOpen}, {Round: 2, Target: "a", Phase: phaseOpen, Errors: 3, Error: "refused"}},
		Accounts: []account{{1, "a", 7, 7}, {2, "a", 7, 6}},
	}
	want := "appends failed, or are not accounted for: round 2, a, open: 3 appends, the first: refused\n" +
		"appends failed, or are not accounted for: round 2, a: it acknowledged 7 and has got 6"
	if err := r.wrong(); !errors.Is(err, errWrong) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	r.Runs, r.Accounts = r.Runs[:1], r.Accounts[:1]
	if err := r.wrong(); err != nil {
		t.Error(err)
	}
}

func TestTablesHaveAllRounds(t *testing.T) {
	r := report{Servers: map[string]string{"b": "2", "a": "1"}}
	for round := range 3 {
		for _, target := range []string{"x", "y"} {
			r.Runs = append(r.Runs, result{
				Round: round, Target: target, Phase: phaseClosed, P50: float64(100 * (round + 1)), Memory: []int64{1 << 20, 3 << 20}, Peak: 4 << 20,
			})
		}
	}
	var b strings.Builder
	r.write(&b)
	_, got, _ := strings.Cut(b.String(), "\n")
	const zero = " 0 [0..0] |"
	row := " |" + zero + " 200 [100..300] |" + strings.Repeat(zero, 6) + " 1.00 [1.00..1.00] | 3.00 [3.00..3.00] | 4.00 [4.00..4.00] |\n"
	want := "a: 1\nb: 2\n\n| closed | appends/s | p50, µs | p99, µs | p99.9, µs | max, µs | CPU s/100k, server | generator | others, % |" +
		" memory first, MiB | last | peak |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n| x" + row + "| y" + row
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFlags(t *testing.T) {
	code, _, errs := call(t, "-h")
	if code != exitOK {
		t.Errorf("-h: %d", code)
	}
	for _, target := range targets {
		if !strings.Contains(errs, "\n  "+target.name+" ") {
			t.Errorf("-h does not name %s", target.name)
		}
	}
	code, _, errs = call(t, "-rounds", "0", "-rate", "0", "-duration", "0", "-closed", "0", "-connections", "0", "-targets", "redis,reddis", "-out", "", "x")
	if code != exitFailed {
		t.Errorf("bad flags: %d", code)
	}
	for _, name := range []string{`"x"`, "-rounds", "-rate", "-duration", "-connections", "-out", `"reddis"`} {
		if !strings.Contains(errs, name) {
			t.Errorf("%s is not refused:\n%s", name, errs)
		}
	}
	if code, _, _ = call(t, "-nonsense"); code != exitFailed {
		t.Errorf("unknown flag: %d", code)
	}
	got, err := choose("redis,ephemera")
	if err != nil || len(got) != 2 || got[0].name != "ephemera" || got[1].name != "redis" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMissingServersAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	code, _, errs := call(t, "-targets", "redis,nats", "-out", filepath.Join(t.TempDir(), "load.json"))
	if code != exitMissing || !strings.Contains(errs, "apt-get install redis-server") || !strings.Contains(errs, "go install github.com/nats-io") {
		t.Errorf("%d: %s", code, errs)
	}
}

func TestAServerThatDoesNotStart(t *testing.T) {
	_, err := start(t.Context(), program{file: "/bin/sh", args: []string{"-c", "echo no room; exit 3"}, ready: regexp.MustCompile("ready")}, "")
	if err == nil || !strings.Contains(err.Error(), "sh does not start") || !strings.Contains(err.Error(), "no room") {
		t.Error(err)
	}
}

func TestUsageOfProcesses(t *testing.T) {
	const stat = "71 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0\n"
	if got, err := parseStat(stat); err != nil || got != 1750*ms {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parseBusy("cpu  100 1 50 9999 888 2 3 4 70 0\ncpu0 1 2\n"); err != nil || got != 1600*ms {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8 9", "cpu 1 2 x 4 5 6 7 8 9"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("stat %q is read", bad)
		}
	}
	now, peak, err := parseStatus("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t1\n")
	if err != nil || now != 1<<20 || peak != 2<<20 {
		t.Errorf("%d, %d, %v", now, peak, err)
	}
	for _, bad := range []string{"", "71 (x) S 1", "71 (x) S 1 2 3 4 5 6 7 8 9 10 many 25"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("stat %q is read", bad)
		}
	}
	for _, bad := range []string{"", "VmRSS:\t 1 kB\n", "VmRSS:\t x kB\nVmHWM:\t 1 kB\n"} {
		if _, _, err := parseStatus(bad); err == nil {
			t.Errorf("status %q is read", bad)
		}
	}
}
