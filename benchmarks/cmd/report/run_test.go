package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// units are those that benchmarks may report; a made-up result has all of them.
var units = []string{
	"ns/op", "p10-ns", "p50-ns", "p90-ns", "p99-ns", "p99.9-ns", "p99.99-ns", "idle-ratio", "bytes/event", "bytes/partition",
	"B/op", "allocs/op", "cpu/wall", "ns/signal", "ns/event", "bytes/key",
}

// madeUp is what go test could have printed.
func madeUp(bench string, round int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(bench))
	var b strings.Builder
	fmt.Fprintf(&b, "Unit p99-ns better=lower\ngoos: linux\ngoarch: amd64\npkg: example\ncpu: A processor\n%s-2 \t 100", bench)
	for i, u := range units {
		fmt.Fprintf(&b, "\t %d %s", int(h.Sum32()%100)+round+i+1, u)
	}
	b.WriteString("\nPASS\n")
	return b.String()
}

func noRunner(context.Context) (runner, func(), error) {
	return nil, nil, errors.New("measures although it should not")
}

// fake starts a runner that makes results up, and calls each before every benchmark.
func fake(each func(bench string)) starter {
	return func(context.Context) (runner, func(), error) {
		seen := map[string]int{}
		return func(ctx context.Context, bench string, _ time.Duration) (string, error) {
			each(bench)
			if err := ctx.Err(); err != nil {
				return "", err
			}
			seen[bench]++
			return madeUp(bench, seen[bench]), nil
		}, func() {}, nil
	}
}

// tree returns all files below dir with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRunWritesAReportThatRendersAgain(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	var out, log strings.Builder
	if code := run(t.Context(), []string{"-rounds", "2", "-out", dir}, fake(func(string) {}), &out, &log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	if out.String() != filepath.Join(dir, reportFile)+"\n" {
		t.Errorf("it says %q", out.String())
	}
	first := tree(t, dir)
	if n := len(first); n != 2+len(plots()) {
		t.Errorf("%d files", n)
	}
	raws, _ := filepath.Glob(filepath.Join(dir, filesDir, "*", rawFile))
	if len(raws) != 1 {
		t.Fatalf("raw results: %v", raws)
	}
	for _, want := range []string{"cpu: A processor\n", "mode: full\n", "rounds: 2\n", "Unit p99-ns better=lower\n"} {
		if raw, _ := os.ReadFile(raws[0]); strings.Count(string(raw), want) != 1 {
			t.Errorf("the raw results have not %q once", want)
		}
	}
	for path, content := range first {
		if link := strings.TrimPrefix(path, "/"); link != reportFile && !strings.Contains(first["/"+reportFile], "("+link+")") {
			t.Errorf("%s is not linked", path)
		}
		if strings.Contains(content, "NaN") {
			t.Errorf("%s has no number somewhere", path)
		}
	}
	if code := run(t.Context(), []string{"-from", raws[0], "-out", again}, noRunner, io.Discard, &log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	for path, content := range tree(t, again) {
		if first[path] != content {
			t.Errorf("%s is another one", path)
		}
	}
}

// Nothing but a whole report replaces the last one.
func TestFailedRunsLeaveTheLastReport(t *testing.T) {
	dir := t.TempDir()
	if code := run(t.Context(), []string{"-quick", "-out", dir}, fake(func(string) {}), io.Discard, io.Discard); code != exitOK {
		t.Fatal(code)
	}
	before := tree(t, dir)
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var interrupt func()
	n := 0
	interrupted := fake(func(string) {
		if n++; n == 100 {
			interrupt()
		}
	})
	vanished := func(context.Context) (runner, func(), error) {
		return func(context.Context, string, time.Duration) (string, error) { return "PASS\n", nil }, func() {}, nil
	}
	for _, c := range []struct {
		name  string
		args  []string
		start starter
		want  string
	}{
		{"interrupted", []string{"-rounds", "3"}, interrupted, "context canceled"},
		{"no compiler", nil, noRunner, "measures although"},
		{"vanished benchmark", nil, vanished, "BenchmarkAppend/design=core/writers=1: benchmark failed: 0 lines"},
		{"no file", []string{"-from", empty + "x"}, noRunner, "no such file"},
		{"empty file", []string{"-from", empty}, noRunner, "no benchmark results"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			interrupt = cancel
			var log strings.Builder
			if code := run(ctx, append(c.args, "-out", dir), c.start, io.Discard, &log); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("it says %q, not %q", log.String(), c.want)
			}
			if after := tree(t, dir); len(after) != len(before) || after["/"+reportFile] != before["/"+reportFile] {
				t.Error("the report has changed")
			}
		})
	}
}

func TestRoundsGoBackAndForth(t *testing.T) {
	var order []string
	start := fake(func(bench string) { order = append(order, bench) })
	bench, _, _ := start(t.Context())
	list := []string{"BenchmarkA", "BenchmarkB/x=1", "BenchmarkC"}
	lines, printed, err := schedule{modeFull, 3}.measureAll(t.Context(), list, bench, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"BenchmarkA", "BenchmarkB/x=1", "BenchmarkC", "BenchmarkC", "BenchmarkB/x=1", "BenchmarkA", "BenchmarkA", "BenchmarkB/x=1", "BenchmarkC"}
	if !slices.Equal(order, want) {
		t.Errorf("order %v", order)
	}
	if n := strings.Count(lines, "\n"); n != 9 {
		t.Errorf("%d lines of results", n)
	}
	if n := strings.Count(printed, "cpu: "); n != 1 {
		t.Errorf("the machine is named %d times", n)
	}
}

func TestResultOf(t *testing.T) {
	const other = "BenchmarkA/w=12-2 \t 1 \t 5 ns/op\nBenchmarkA/w=1-x \t 1 \t 5 ns/op\n--- SKIP: BenchmarkA/w=1\n"
	for _, c := range []struct {
		text string
		line string
	}{
		{"goos: linux\n" + other + "BenchmarkA/w=1-2 \t 1 \t 6 ns/op\n", "BenchmarkA/w=1-2 \t 1 \t 6 ns/op\n"},
		{"BenchmarkA/w=1 \t 1 \t 6 ns/op\n", "BenchmarkA/w=1 \t 1 \t 6 ns/op\n"},
		{other, ""},
		{"BenchmarkA/w=1-2\n", ""},
		{"BenchmarkA/w=1-2 \t 1 \t 6 ns/op\nBenchmarkA/w=1-2 \t 1 \t 7 ns/op\n", ""},
		{"", ""},
	} {
		line, _, err := resultOf("BenchmarkA/w=1", c.text)
		if line != c.line || (err == nil) != (c.line != "") {
			t.Errorf("%q: %q, %v", c.text, line, err)
		}
		if err != nil && (!errors.Is(err, errRun) || !strings.Contains(err.Error(), "BenchmarkA/w=1")) {
			t.Errorf("error %v", err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args   []string
		mode   string
		rounds int
		out    string
	}{
		{nil, modeFull, defaultRounds, defaultOut},
		{[]string{"-quick"}, modeQuick, quickRounds, quickOut},
		{[]string{"-quick", "-rounds", "2", "-out", "x"}, modeQuick, 2, "x"},
	} {
		if o, err := parse(c.args, io.Discard); err != nil || o.mode != c.mode || o.rounds != c.rounds || o.out != c.out {
			t.Errorf("%v: %+v, %v", c.args, o, err)
		}
	}
	for _, args := range [][]string{
		{"x"}, {"-rounds", "0"}, {"-rounds", "-1"}, {"-from", "f", "-quick"}, {"-from", "f", "-rounds", "3"}, {"-from", ""}, {"-out", ""},
	} {
		if _, err := parse(args, io.Discard); !errors.Is(err, errFlags) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if code := run(t.Context(), []string{"-h"}, noRunner, io.Discard, io.Discard); code != exitOK {
		t.Errorf("help exits with %d", code)
	}
	if code := run(t.Context(), []string{"-no-such-flag"}, noRunner, io.Discard, io.Discard); code != exitFailed {
		t.Errorf("a wrong flag exits with %d", code)
	}
}

// Every benchmark that the report needs exists, runs, and reports the units that it is asked for.
func TestTheReportFitsTheBenchmarks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the benchmarks")
	}
	bench, stop, err := newRunner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	// One by one, as the report does it; the name has a sign that is special in patterns.
	if _, err := bench(t.Context(), "BenchmarkWindowQuery/range=last1%", time.Microsecond); err != nil {
		t.Error(err)
	}
	text, err := bench(t.Context(), "BenchmarkNoSuchThing", time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = resultOf("BenchmarkNoSuchThing", text); !errors.Is(err, errRun) {
		t.Errorf("a benchmark that does not exist: %v", err)
	}
	binary, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all, err := exec.CommandContext(t.Context(), binary, "-test.run=^$", "-test.bench=.", "-test.benchtime=1x").Output()
	if err != nil {
		t.Fatal(err)
	}
	o := options{schedule: schedule{modeQuick, 1}, command: "test"}
	raw, err := o.collect(t.Context(), func(context.Context, string, time.Duration) (string, error) { return string(all), nil }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := whole().render("all", raw); err != nil {
		t.Error(err)
	}
}

// The bench flags of a run show in its header; a folder that is no repository has no revision.
func TestMachineHeaderIsComplete(t *testing.T) {
	t.Chdir(t.TempDir())
	h := machineHeader(t.Context(), schedule{modeQuick, 4}, "a command", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	h[keyLoadAfter] = measure.LoadAverage()
	for _, k := range headerKeys {
		if h[k] == "" {
			t.Errorf("%s is empty", k)
		}
	}
	if h[keyDate] != "2026-01-02T03:04:05Z" || h[keyRounds] != "4" || h[keyMode] != modeQuick || h[keyRevision] != measure.Unknown {
		t.Errorf("header %v", h)
	}
}
