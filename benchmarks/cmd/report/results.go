package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Reasons why there is no report.
var (
	errEmpty   = errors.New("no benchmark results")
	errHeader  = errors.New("bad header")
	errSyntax  = errors.New("not in the benchmark format")
	errMissing = errors.New("was not measured")
	errRounds  = errors.New("not measured once a round")
)

// Keys of the header of raw results. The rest of them (goos, goarch, cpu) are those of go test.
const (
	keyDate       = "date"
	keyGo         = "go"
	keyCores      = "cores"
	keyProcs      = "gomaxprocs"
	keyRounds     = "rounds"
	keyMode       = "mode"
	keyCommand    = "command"
	keyRevision   = "revision"
	keyLoadBefore = "load-before"
	keyLoadAfter  = "load-after"
	keyOS         = "goos"
	keyArch       = "goarch"
	keyCPU        = "cpu"
)

// headerKeys must all be there: figures without their machine and date mean nothing.
var headerKeys = []string{
	keyDate, keyGo, keyOS, keyArch, keyCPU, keyCores, keyProcs, keyRounds, keyMode, keyCommand, keyRevision,
	keyLoadBefore, keyLoadAfter,
}

const (
	modeFull  = "full"
	modeQuick = "quick"
)

// results are those of one run: for each benchmark and unit one sample per round, in the order of the rounds.
type results struct {
	file    string
	header  map[string]string
	rounds  int
	samples map[string]map[string][]float64
}

// readResults reads raw results. Units are as package benchfmt tidies them: sec/op, p99-sec.
func readResults(file string, raw []byte) (*results, error) {
	r := &results{file: file, header: map[string]string{}, samples: map[string]map[string][]float64{}}
	reader := benchfmt.NewReader(bytes.NewReader(raw), file)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("report: %w: %w", errSyntax, record)
		case *benchfmt.Result:
			if err := r.add(record); err != nil {
				return nil, err
			}
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("report: %s: %w", file, err)
	}
	if len(r.samples) == 0 {
		return nil, fmt.Errorf("report: %s: %w", file, errEmpty)
	}
	return r, r.checkHeader()
}

func (r *results) add(record *benchfmt.Result) error {
	for _, c := range record.Config {
		if !slices.Contains(headerKeys, c.Key) {
			continue
		}
		if old, ok := r.header[c.Key]; ok && old != string(c.Value) {
			_, line := record.Pos()
			return fmt.Errorf("report: %s:%d: %w: %q is %q after %q: these are several runs",
				r.file, line, errHeader, c.Key, c.Value, old)
		}
		r.header[c.Key] = string(c.Value)
	}
	name := nameOf(record)
	if r.samples[name] == nil {
		r.samples[name] = map[string][]float64{}
	}
	for _, v := range record.Values {
		r.samples[name][v.Unit] = append(r.samples[name][v.Unit], v.Value)
	}
	return nil
}

// nameOf returns the name as it is in the source: with the word Benchmark and without the number of processors.
func nameOf(record *benchfmt.Result) string {
	base, parts := record.Name.Parts()
	var name strings.Builder
	name.WriteString("Benchmark" + string(base))
	for _, p := range parts {
		if p[0] != '-' {
			name.Write(p)
		}
	}
	return name.String()
}

func (r *results) checkHeader() error {
	var errs []error
	for _, k := range headerKeys {
		if r.header[k] == "" {
			errs = append(errs, fmt.Errorf("report: %s: %w: there is no line %q", r.file, errHeader, k+":"))
		}
	}
	rounds, err := strconv.Atoi(r.header[keyRounds])
	if r.header[keyRounds] != "" && (err != nil || rounds < 1) {
		errs = append(errs, fmt.Errorf("report: %s: %w: %q is no number of rounds", r.file, errHeader, r.header[keyRounds]))
	}
	if m := r.header[keyMode]; m != "" && m != modeFull && m != modeQuick {
		errs = append(errs, fmt.Errorf("report: %s: %w: mode is %q, want %s or %s", r.file, errHeader, m, modeFull, modeQuick))
	}
	r.rounds = rounds
	return errors.Join(errs...)
}

// has reports whether something of the row was measured.
func (r *results) has(line row) bool {
	return slices.ContainsFunc(line.cells, func(v value) bool { return len(r.samples[v.bench]) > 0 })
}

// of returns the samples of a benchmark, one per round.
func (r *results) of(v value) ([]float64, error) {
	samples := r.samples[v.bench][v.unit]
	switch len(samples) {
	case r.rounds:
	case 0:
		return nil, fmt.Errorf("report: %s: %s, unit %s: %w", r.file, v.bench, v.unit, errMissing)
	default:
		return nil, fmt.Errorf("report: %s: %s, unit %s: %d results in %d rounds: %w",
			r.file, v.bench, v.unit, len(samples), r.rounds, errRounds)
	}
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s / v.share()
	}
	return out, nil
}

// overlap returns how many processors worked in the runs with two writers: the median and the range of the benchmarks'
// medians.
func (r *results) overlap() (string, error) {
	var medians []float64
	for name, units := range r.samples {
		if samples := units["cpu/wall"]; len(samples) > 0 && strings.HasSuffix(name, "/writers=2") {
			medians = append(medians, measure.Summarize(samples).Median)
		}
	}
	s := measure.Summarize(medians)
	switch {
	case len(medians) == 0:
		return "", fmt.Errorf("report: %s: cpu/wall with 2 writers: %w", r.file, errMissing)
	case s.Max == 0:
		return measure.Unknown, nil // not every system tells
	}
	return fmt.Sprintf("%.2f [%.2f..%.2f]", s.Median, s.Min, s.Max), nil
}

// writeHeader writes the header lines of raw results.
func writeHeader(w io.Writer, header map[string]string) {
	for _, k := range headerKeys {
		fmt.Fprintf(w, "%s: %s\n", k, strings.Join(strings.Fields(header[k]), " "))
	}
}
