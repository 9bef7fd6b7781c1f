package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// errRun says that a benchmark could not be measured.
var errRun = errors.New("benchmark failed")

// A runner measures one benchmark and returns what go test printed.
type runner func(ctx context.Context, bench string, benchtime time.Duration) (string, error)

// needed returns the benchmarks that tables and plots are made of, each once, in the order of the report.
func (d document) needed() []string {
	var list []string
	add := func(v value) {
		if v.bench != "" && !slices.Contains(list, v.bench) {
			list = append(list, v.bench)
		}
	}
	for _, t := range d.tables {
		for _, r := range t.rows {
			for _, v := range r.cells {
				add(v)
			}
		}
		for _, r := range t.servers {
			for _, v := range r.cells {
				if r.available {
					add(v)
				}
			}
		}
	}
	for _, p := range d.plots {
		for _, l := range p.lines {
			for _, v := range l.of {
				add(v)
			}
		}
	}
	return list
}

// A schedule says how much is measured.
type schedule struct {
	mode   string
	rounds int
}

// benchtime is how long a benchmark is measured in a round. Percentiles need many samples; an idle rollup is compared
// in fresh stores, which have to be filled first.
func (s schedule) benchtime(bench string) time.Duration {
	t := 100 * time.Millisecond
	switch {
	case strings.Contains(bench, "Latency"):
		t = 200 * time.Millisecond
	case strings.Contains(bench, "Idle"):
		t = 500 * time.Millisecond
	}
	if s.mode == modeQuick {
		t /= 20
	}
	return t
}

// measureAll runs every benchmark once per round and returns the lines of results, and the header lines that go test
// printed. Every other round goes backwards, so that nothing is always first.
func (s schedule) measureAll(ctx context.Context, list []string, run runner, progress io.Writer) (lines, header string, err error) {
	var out strings.Builder
	for round := range s.rounds {
		began := time.Now()
		order := slices.Clone(list)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, bench := range order {
			text, err := run(ctx, bench, s.benchtime(bench))
			if err != nil {
				return "", "", err
			}
			line, rest, err := resultOf(bench, text)
			if err != nil {
				return "", "", err
			}
			out.WriteString(line)
			if header == "" {
				header = rest
			}
		}
		fmt.Fprintf(progress, "round %d of %d: %.0f s\n", round+1, s.rounds, time.Since(began).Seconds())
	}
	return out.String(), header, nil
}

// headerLine matches what go test says about the machine, and the properties of units.
var headerLine = regexp.MustCompile(`^(goos|goarch|pkg|cpu): |^Unit `)

// resultOf returns the one line of results that go test has printed for a benchmark, and its header lines.
func resultOf(bench, text string) (line, header string, err error) {
	n := 0
	for l := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.ReplaceAll(l, "\t", " "), " ")
		switch {
		case headerLine.MatchString(l):
			header += l
		case (name == bench || procsSuffix(name, bench)) && len(strings.Fields(rest)) >= 3:
			line = l
			n++
		}
	}
	if n != 1 {
		return "", "", fmt.Errorf("report: %s: %w: %d lines of results instead of 1: does it exist and pass?\n%s",
			bench, errRun, n, strings.TrimSpace(text))
	}
	return line, header, nil
}

var procs = regexp.MustCompile(`^-\d+$`)

// procsSuffix reports whether name is that of the benchmark with the number of processors.
func procsSuffix(name, bench string) bool {
	suffix, ok := strings.CutPrefix(name, bench)
	return ok && procs.MatchString(suffix)
}

// pattern is the argument of -bench for one benchmark.
func pattern(bench string) string {
	parts := strings.Split(bench, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

const testPackage = "github.com/ephemera-go/ephemera/benchmarks"

// build compiles the benchmarks into dir.
func build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "benchmarks.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, testPackage).CombinedOutput(); err != nil {
		return "", fmt.Errorf("report: go test -c: %w\n%s", errors.Join(context.Cause(ctx), err), bytes.TrimSpace(out))
	}
	return binary, nil
}

// newRunner compiles the benchmarks. Each of them then runs in a process of its own: where things happen to lie in
// memory is drawn anew in every round. The returned function removes what was compiled.
func newRunner(ctx context.Context) (runner, func(), error) {
	dir, err := os.MkdirTemp("", "ephemera-report")
	if err != nil {
		return nil, nil, fmt.Errorf("report: %w", err)
	}
	remove := func() { os.RemoveAll(dir) }
	binary, err := build(ctx, dir)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return func(ctx context.Context, bench string, benchtime time.Duration) (string, error) {
		cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+pattern(bench), "-test.benchtime="+benchtime.String())
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("report: %s: %w: %w\n%s%s", bench, errRun, errors.Join(context.Cause(ctx), err), out, stderr.Bytes())
		}
		return string(out), nil
	}, remove, nil
}
