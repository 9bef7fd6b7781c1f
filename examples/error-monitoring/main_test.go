package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

func sqliteIn(dir string) string {
	return "sqlite://" + filepath.ToSlash(filepath.Join(dir, "errors.db"))
}

// errorsOf returns the sequences of the errors that a run told as new.
func errorsOf(t *testing.T, stdout string) (list []int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^error #(\d+) error\.`).FindAllStringSubmatch(stdout, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// wrongAmong counts the errors among the first n orders.
func wrongAmong(n int) (wrong int) {
	for i := range n {
		if strings.HasPrefix(outcome(i), "error.") {
			wrong++
		}
	}
	return wrong
}

func count(text, what string) int { return strings.Count(text, what) }

func wants(t *testing.T, r program.Result, code int, texts ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit %d, want %d", r.Code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stdout+r.Stderr, text) {
			t.Errorf("no %q", text)
		}
	}
	if t.Failed() {
		t.Fatalf("\n%s%s", r.Stdout, r.Stderr)
	}
}

// A run knows of the one before, and tells nothing of it as new. The alarm goes on.
func TestRestart(t *testing.T) {
	for _, signals := range []string{sqliteIn(t.TempDir()), "file://" + filepath.ToSlash(t.TempDir())} {
		args := []string{"--signals", signals, "--every", "500us", "--span", "1m"}
		first := program.Run(t, args...)
		wants(t, first, 0, "no earlier run", "100 orders, 21 errors; 101 signals kept in")
		if got := errorsOf(t, first.Stdout); len(got) != 21 || count(first.Stdout, "ALARM") != 1 {
			t.Errorf("errors %v:\n%s", got, first.Stdout)
		}
		second := program.Run(t, args...)
		wants(t, second, 0, "restored 101 signals up to #101, 21 of them errors, the last one #80 error.payment.timeout order-80\nALARM: 21 errors within 1m0s",
			"100 orders, 21 errors; 101 signals kept in")
		for i, n := range errorsOf(t, second.Stdout) {
			if want := errorsOf(t, first.Stdout)[i] + 101; n != want {
				t.Errorf("error %d of the second run is #%d, want #%d", i, n, want)
			}
		}
		wants(t, program.Run(t, "--signals", signals, "--orders", "0"), 0, "restored 202 signals up to #202, 42 of them errors, the last one #181", "0 orders, 0 errors; 1 signals kept")
	}
}

// What an alarm said to be kept is there after a SIGKILL.
func TestKilled(t *testing.T) {
	signals := sqliteIn(t.TempDir())
	p := program.Start(t, "--signals", signals, "--orders", "1000000", "--every", "1ms", "--span", "1m")
	kept, err := strconv.Atoi(p.Wait(t, `ALARM: .*; kept up to #(\d+)\n`))
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(t, os.Kill)
	p.End(t)
	again := program.Run(t, "--signals", signals, "--orders", "100", "--every", "500us")
	wants(t, again, 0, "the last run was cut off")
	var restored, wrong int
	if _, err := fmt.Sscanf(again.Stdout, "restored %d signals up to #%d, %d of them errors", &restored, new(int), &wrong); err != nil {
		t.Fatalf("%v\n%s", err, again.Stdout)
	}
	if restored < kept || kept < 60 || wrong != wrongAmong(restored) {
		t.Errorf("%d signals restored, %d were kept, %d of them errors", restored, kept, wrong)
	}
	if got := errorsOf(t, again.Stdout); len(got) != 21 || got[0] != restored+37 {
		t.Errorf("%d restored, new errors %v", restored, got)
	}
}

// SIGTERM in the middle loses nothing.
func TestTerminated(t *testing.T) {
	signals := sqliteIn(t.TempDir())
	p := program.Start(t, "--signals", signals, "--orders", "1000000", "--every", "1ms")
	p.Wait(t, "error #37 error.stock.missing order-37\n")
	p.Signal(t, syscall.SIGTERM)
	first := p.End(t)
	wants(t, first, 0, " signals kept in ")
	var orders, wrong, kept int
	last := first.Stdout[strings.LastIndex(strings.TrimSpace(first.Stdout), "\n")+1:]
	if _, err := fmt.Sscanf(last, "%d orders, %d errors; %d signals", &orders, &wrong, &kept); err != nil || orders < 37 || kept != orders+1 || wrong != wrongAmong(orders) {
		t.Errorf("%v: %s", err, last)
	}
	wants(t, program.Run(t, "--signals", signals, "--orders", "0"), 0, fmt.Sprintf("restored %d signals up to #%d, %d of them errors", kept, kept, wrong))
}

func TestAlarmEnds(t *testing.T) {
	r := program.Run(t, "--signals", "mem://", "--watch", "error.stock.*", "--burst", "1", "--span", "300ms", "--every", "9ms", "--orders", "73")
	wants(t, r, 0, "ALARM: 1 errors within 300ms", "calm again: 0 errors within 300ms", "73 orders, 1 errors")
}

// An alarm does not depend on the place of the signals, and whatever could not be written there is told.
func TestPlaceIsGone(t *testing.T) {
	place := filepath.Join(t.TempDir(), "signals")
	o, err := parse([]string{"--signals", "file://" + filepath.ToSlash(place), "--every", "1ms", "--burst", "1", "--span", "1m", "--orders", "40"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m := newMonitor(o, &out)
	if err := errors.Join(m.open(t.Context()), m.start(), os.Rename(place, place+".gone")); err != nil {
		t.Fatal(err)
	}
	taken, err := takeOrders(t.Context(), o, m)
	if err == nil { // it was the watcher that sounded the alarm
		err = m.finish(taken)
	}
	err = errors.Join(err, m.close())
	m.watcher.Stop()
	text := fmt.Sprint(&out, err)
	if count(text, "ALARM: 1 errors within 1m0s; kept up to #0\n") != 1 || count(text, "window: flush: ") != 2 { // of the alarm, and of the end
		t.Error(text)
	}
}

func TestWhatGoesWrong(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	if err := os.WriteFile(foreign, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--nonsense", 2, "-nonsense (--help shows how)"},
		{"--orders many", 2, `invalid value "many"`},
		{"--burst 0", 2, "--burst at least 1"},
		{"--every 0s", 2, "--every and --span must be above 0"},
		{"orders", 2, `"orders" is no flag`},
		{"--signals redis://x", 1, `no driver for scheme "redis" (registered: file, mem, sqlite)`},
		{"--signals sqlite://" + filepath.ToSlash(foreign), 1, "foreign.db"},
		{"--watch ,", 1, "bad pattern"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(c.args), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) || !strings.HasPrefix(stderr.String(), "error-monitoring: ") {
			t.Errorf("%s: exit %d, %s", c.args, code, &stderr)
		}
	}
	wants(t, program.Run(t, "--help"), 0, usage)
	signals := sqliteIn(t.TempDir())
	p := program.Start(t, "--signals", signals, "--orders", "1000000")
	p.Wait(t, "no earlier run")
	wants(t, program.Run(t, "--signals", signals), 1, "leased to another writer")
}

// The README shows what really comes out.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	signals := sqliteIn(t.TempDir())
	first := program.Run(t, "--signals", signals, "--every", "1ms")
	second := program.Run(t, "--signals", signals, "--orders", "0")
	for _, line := range strings.Split(first.Stdout+second.Stdout, "\n") {
		if line, _, _ = strings.Cut(line, " in sqlite:"); strings.HasPrefix(line, "restored") || strings.Contains(line, " orders, ") || strings.HasPrefix(line, "error #37") {
			if !strings.Contains(string(readme), line) {
				t.Errorf("no %q", line)
			}
		}
	}
}
