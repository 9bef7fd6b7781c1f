package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Program is the built test program of one side.
type Program struct {
	side  Side
	file  string
	dir   string // the package's folder, where go test runs programs too
	time  string // the argument of -test.benchtime
	limit time.Duration
	procs int // how many processors it uses
}

// errNoTests marks a package that has no test program.
var errNoTests = errors.New("it has no test files")

// build compiles the package in its own tree, so with its own go.mod and workspace.
func (s *Session) build(ctx context.Context, side Side, dir string) (*Program, error) {
	o := s.options
	s.options.Progress(fmt.Sprintf("building %s of %s", o.Package, side))
	folders, err := tool(ctx, dir, nil, "go", "list", "-f", "{{.Dir}}", "--", o.Package)
	if strings.HasPrefix(o.Package, "-") {
		// What stands behind -- is a package for go list, but an argument of the test program for go test.
		err = errors.New("a package does not begin with a dash")
	}
	if err != nil {
		return nil, fmt.Errorf("collect: build %s of %s: %w", o.Package, side, err)
	}
	if n := len(strings.Fields(folders)); folders == "" || strings.Contains(folders, "\n") {
		return nil, fmt.Errorf("collect: build %s of %s: want one package, found %d", o.Package, side, n)
	}
	p := &Program{
		side: side, file: filepath.Join(s.temp, string(side)+".test"), dir: folders,
		time: o.BenchTime, limit: o.ProcessTime, procs: s.procs,
	}
	// Without paths in them, the programs of equal sources are equal to the byte.
	if _, err := tool(ctx, dir, nil, "go", "test", "-c", "-trimpath", "-o", p.file, o.Package); err != nil {
		return nil, fmt.Errorf("collect: build %s of %s: %w", o.Package, side, err)
	}
	if _, err := os.Stat(p.file); err != nil {
		return nil, fmt.Errorf("collect: build %s of %s: %w", o.Package, side, errNoTests)
	}
	return p, nil
}

// measure runs one benchmark in a process of its own.
func (p *Program) measure(ctx context.Context, name string) (result, error) {
	stdout, err := p.run(ctx, name, p.limit, p.file, benchArgs(exactly(name), p.time, p.procs)...)
	if err != nil {
		return result{}, err
	}
	results := parseOutput(stdout, p.procs)
	if len(results) != 1 || results[0].name != name {
		return result{}, processError(p, name, fmt.Errorf("want its result and no other, got %d", len(results)), stdout)
	}
	return results[0], nil
}

// list runs everything that may match the globs once and returns the results: the only way to learn the names of
// sub-benchmarks.
func (p *Program) list(ctx context.Context, globs []string) ([]result, error) {
	patterns := make([]string, len(globs))
	for i, g := range globs {
		patterns[i] = covering(g)
	}
	stdout, err := p.run(ctx, "", time.Duration(1+len(globs))*p.limit, p.file, benchArgs(strings.Join(patterns, "|"), "1x", p.procs)...)
	if err != nil {
		return nil, err
	}
	return parseOutput(stdout, p.procs), nil
}

// listEach is list with a process for each top-level benchmark, so that one that fails leaves the others. Failures are by
// the name of the top-level benchmark; results that it printed before it failed count, but for the last.
func (p *Program) listEach(ctx context.Context, globs []string) (results []result, failures map[string]error, err error) {
	tops, err := p.run(ctx, "", p.limit, p.file, "-test.list=^Benchmark")
	if err != nil {
		return nil, nil, err
	}
	failures = map[string]error{}
	for _, top := range strings.Fields(string(tops)) {
		var patterns []string
		for _, g := range globs {
			first, below, deeper := strings.Cut(covering(g), "/")
			if matched, err := regexp.MatchString(first, top); err != nil || !matched {
				continue
			}
			pattern := exactly(top)
			if deeper {
				pattern += "/" + below
			}
			patterns = append(patterns, pattern)
		}
		if len(patterns) == 0 {
			continue
		}
		stdout, err := p.run(ctx, top, p.limit, p.file, benchArgs(strings.Join(patterns, "|"), "1x", p.procs)...)
		printed := parseOutput(stdout, p.procs)
		switch {
		case errors.Is(err, ErrProcess):
			failures[top] = err
			// While a benchmark panics, package testing may still print a result of it.
			printed = printed[:max(0, len(printed)-1)]
		case err != nil:
			return nil, nil, err
		}
		results = append(results, printed...)
	}
	return results, failures, nil
}

// benchArgs say how many processors to use too: then the name in the output is known for certain.
func benchArgs(pattern, benchTime string, procs int) []string {
	return []string{
		"-test.run=^$", "-test.bench=" + pattern, "-test.benchtime=" + benchTime, "-test.count=1", "-test.benchmem",
		"-test.cpu=" + strconv.Itoa(procs),
	}
}

// run executes a command that runs the program. A failure of its own is an ErrProcess, and the output until then is
// returned with it; the end of ctx is not.
func (p *Program) run(ctx context.Context, name string, limit time.Duration, command string, args ...string) ([]byte, error) {
	stdout, stderr, err := p.exec(ctx, name, limit, command, args...)
	if err == nil && failed(stdout) {
		err = processError(p, name, errors.New("it printed FAIL"), slices.Concat(stdout, stderr))
	}
	return stdout, err
}

func (p *Program) exec(ctx context.Context, name string, limit time.Duration, command string, args ...string) (stdout, stderr []byte, err error) {
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stdout, stderr, err = output(timed, p.dir, nil, command, args...)
	switch {
	case err == nil:
		return stdout, stderr, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case timed.Err() != nil:
		err = fmt.Errorf("it took more than %v", limit)
	}
	return stdout, stderr, processError(p, name, err, slices.Concat(stdout, stderr))
}

// exactly is the pattern of one benchmark: an expression for each level.
func exactly(name string) string {
	levels := strings.Split(name, "/")
	for i, level := range levels {
		levels[i] = "^" + regexp.QuoteMeta(level) + "$"
	}
	return strings.Join(levels, "/")
}

// covering is a pattern that matches all that a glob matches, and more: what a wildcard stands for may hold slashes, so
// from the first one on any level may follow.
func covering(glob string) string {
	fixed := glob
	i := strings.IndexAny(glob, "*?")
	if i >= 0 {
		fixed = glob[:i]
	}
	pattern := exactly(fixed)
	if i >= 0 {
		return strings.TrimSuffix(pattern, "$")
	}
	return pattern
}
