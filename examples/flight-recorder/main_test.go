package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ephemera-go/ephemera/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

func flags(t *testing.T) []string {
	return []string{"--recordings", "file://" + filepath.ToSlash(t.TempDir())}
}

func wants(t *testing.T, r program.Result, code int, expressions ...string) program.Result {
	t.Helper()
	for _, x := range expressions {
		if !regexp.MustCompile(x).MatchString(r.Stdout + r.Stderr) {
			t.Errorf("no %q", x)
		}
	}
	if r.Code != code || t.Failed() {
		t.Fatalf("exit %d, want %d\n%s%s", r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

func TestBurstIsRecorded(t *testing.T) {
	f := flags(t)
	r := wants(t, program.Run(t, append(f, "run")...), 0, `(?m)^2001 records, 1 recordings, \d+ bytes written$`)
	if strings.Contains(r.Stdout, "level=DEBUG") {
		t.Error("debug records are shown")
	}
	wants(t, program.Run(t, append(f, "list")...), 0, `^recording 1 of \S+, \d+ records\n$`)
	all := wants(t, program.Run(t, append(f, "read")...), 0, `"level":"DEBUG","msg":"cache","request":0,"hit":false,"key":"user-0"}\n`,
		`"level":"ERROR","msg":"payment failed","request":504,"err":"bank 0 does not answer"}\n`)
	if n := strings.Count(all.Stdout, `"level":"DEBUG"`); n < 1005 {
		t.Errorf("%d debug records led to the burst, want 1005 or more", n)
	}
	if one := wants(t, program.Run(t, append(f, "read", "1")...), 0); one != all {
		t.Error("recording 1 is not the newest one")
	}
	if few := wants(t, program.Run(t, append(f, "--last", "1ns", "read")...), 0); strings.Count(few.Stdout, "\n") >= strings.Count(all.Stdout, "\n") {
		t.Error("--last 1ns shows everything")
	}
	wants(t, program.Run(t, append(f, "run")...), 0, "1 recordings")
	wants(t, program.Run(t, append(f, "list")...), 0, `^recording 1 of .*\nrecording 2 of .*\n$`)
}

func TestNothingIsWrittenBelowTheBurst(t *testing.T) {
	f := flags(t)
	wants(t, program.Run(t, append(f, "--failing", "4", "run")...), 0, `(?m)^2001 records, 0 recordings, 0 bytes written$`)
	wants(t, program.Run(t, append(f, "list")...), 0, `^no recording: there was no burst\n$`)
	wants(t, program.Run(t, append(f, "read")...), 1, "there is no such recording")
}

func TestInterrupted(t *testing.T) {
	f := flags(t)
	p := program.Start(t, append(f, "--requests", "1000000000", "--failing", "0", "run")...)
	p.Wait(t, "records of the last 5m0s are kept in memory")
	p.Signal(t, syscall.SIGTERM)
	wants(t, p.End(t), 0, `(?m)^\d+ records, 0 recordings`)
}

func TestWhatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, `want run, list or read, got ""`},
		{"--nonsense run", 2, `-nonsense \(--help shows how\)`},
		{"run --failing 1", 2, "flags come first"},
		{"read first", 2, `"first" is no number`},
		{"read 0", 2, `"0" is no number`},
		{"--errors 0 run", 2, "at least 1"},
		{"--keep 0s run", 2, "above 0"},
		{"--recordings redis://x run", 1, `no driver for scheme "redis"`},
		{"--recordings file:///proc/x list", 1, "/proc/x"},
	} {
		wants(t, program.Run(t, strings.Fields(c.args)...), c.code, c.want)
	}
	for _, args := range [][]string{{"--help"}, {"read", "--help"}, {"run", "-h"}} {
		if r := program.Run(t, args...); r.Code != 0 || r.Stdout != usage {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
