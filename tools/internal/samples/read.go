package samples

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

// Input is output of benchmarks and the name under which errors mention it.
type Input struct {
	Name   string
	Reader io.Reader
}

// The sides of a comparison, as lines that begin with "side:" name them.
const (
	sideBase = "base"
	sideHead = "head"
)

// longest is a length of lines that the parser can take.
const longest = 60_000

// Read reads the output of go test -bench, or output that Sides would read, as long as all of it is of one side. The
// errors of the input come together, the first 20 with name and line.
func Read(name string, r io.Reader) (*Set, error) { return ReadAll(Input{name, r}) }

// ReadAll is Read for several inputs that make up one set.
func ReadAll(inputs ...Input) (*Set, error) {
	base, head, err := Sides(inputs...)
	switch {
	case err != nil:
		return nil, err
	case base == nil || len(base.series) == 0:
		return head, nil
	case len(head.series) == 0:
		return base, nil
	}
	return nil, fmt.Errorf("samples: read %s: %w: both base and head are in it, expected one of them", names(inputs), ErrSides)
}

// Sides reads output in which these lines stand before the output of every process:
//
//	side: base       or head
//	round: 7         from 1, the same for all runs of one block
//	slot: 1          from 1, the number of the run among those of its side in the block
//	gomaxprocs: 2    the number that go test appends to the names, 1 if it appends none
//
// A line holds until another of its kind. Without the last one whatever looks like a number of processors at the end of a
// name is taken for it. Lines without a side are the head's. The base is nil if no line names it; a line
// "side: base" with no benchmark behind it makes an empty set, which says that the base has none of the benchmarks. The
// head is never nil. The errors of the inputs come together, the first 20 with name and line.
func Sides(inputs ...Input) (base, head *Set, err error) {
	r := &reader{head: &Set{}}
	for _, input := range inputs {
		if err := r.read(input); err != nil {
			return nil, nil, fmt.Errorf("samples: read %s: %w", input.Name, err)
		}
	}
	if len(inputs) == 0 {
		return nil, nil, fmt.Errorf("samples: read: %w: no input", ErrEmpty)
	}
	if len(r.errs) > 0 {
		return nil, nil, plain.Join(r.errs)
	}
	return r.base, r.head, nil
}

func names(inputs []Input) string {
	var all []string
	for _, input := range inputs {
		all = append(all, input.Name)
	}
	return strings.Join(all, ", ")
}

type reader struct {
	base, head *Set
	input      string
	lines      []string
	errs       []error
}

// fail notes that a line is no good, and shows it.
func (r *reader) fail(line int, err error) {
	text := ""
	if line > 0 && line <= len(r.lines) {
		text = ": " + plain.Quote(strings.TrimSpace(r.lines[line-1]))
	}
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %w%s", r.input, line, err, text))
}

func (r *reader) read(input Input) error {
	data, err := io.ReadAll(input.Reader)
	if err != nil {
		return err
	}
	r.input, r.lines = input.Name, strings.Split(string(data), "\n")
	r.scanText()
	before := len(r.errs)
	results := 0
	parser := benchfmt.NewReader(strings.NewReader(r.parsable(string(data))), input.Name)
	for parser.Scan() {
		switch record := parser.Result().(type) {
		case *benchfmt.Result:
			results++
			r.add(record)
		case *benchfmt.SyntaxError:
			r.fail(record.Line, fmt.Errorf("%w: %s", ErrSyntax, record.Msg))
		}
	}
	if err := parser.Err(); err != nil {
		return err
	}
	if results == 0 && len(r.errs) == before {
		r.errs = append(r.errs, fmt.Errorf("samples: read %s: %w", input.Name, ErrEmpty))
	}
	return nil
}

// parsable returns the text without lines that are too long for the parser: they are empty in it, so that the others keep
// their numbers. What a benchmark prints may be long; a result may not.
func (r *reader) parsable(text string) string {
	var short []string
	for i, line := range r.lines {
		if len(line) <= longest {
			continue
		}
		if strings.HasPrefix(line, "Benchmark") {
			r.fail(i+1, fmt.Errorf("%w: %d bytes are too long", ErrSyntax, len(line)))
		}
		if short == nil {
			short = slices.Clone(r.lines)
		}
		short[i] = ""
	}
	if short == nil {
		return text
	}
	return strings.Join(short, "\n")
}

// scanText looks for what the parser passes over: marks of failure, and sides that have no benchmark.
func (r *reader) scanText() {
	for i, line := range r.lines {
		text := strings.TrimSpace(line)
		word, _, _ := strings.Cut(text, " ")
		switch {
		case strings.Contains(text, "--- FAIL:"), text == "FAIL", strings.HasPrefix(text, "FAIL\t"), word == "panic:",
			strings.HasPrefix(text, "fatal error: "):
			r.fail(i+1, ErrFailed)
		case strings.HasPrefix(line, "side:"):
			r.openSide(i+1, strings.TrimPrefix(line, "side:"))
		}
	}
}

// openSide gets what stands behind the colon. The parser knows no keys without a blank there.
func (r *reader) openSide(line int, text string) {
	side := strings.TrimSpace(text)
	if side != sideBase && side != sideHead || !strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\t") {
		r.fail(line, fmt.Errorf("%w: expected side: base or side: head", ErrSides))
	}
	if side == sideBase && r.base == nil {
		r.base = &Set{}
	}
}

func (r *reader) add(result *benchfmt.Result) {
	_, line := result.Pos()
	set := r.head
	if strings.TrimSpace(result.GetConfig("side")) == sideBase {
		set = r.base
	}
	if result.Iters <= 0 {
		r.fail(line, fmt.Errorf("%w: %d iterations", ErrSyntax, result.Iters))
		return
	}
	name, procs, err := nameOf(result)
	if err != nil {
		r.fail(line, err)
		return
	}
	from := Origin{
		Package: result.GetConfig("pkg"), CPU: result.GetConfig("cpu"),
		OS: result.GetConfig("goos"), Arch: result.GetConfig("goarch"), Procs: procs,
	}
	round, err := counter(result, "round")
	if err != nil {
		r.fail(line, err)
		return
	}
	slot, err := counter(result, "slot")
	if err != nil {
		r.fail(line, err)
		return
	}
	seen := map[string]bool{}
	for _, v := range result.Values {
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			r.fail(line, fmt.Errorf("%w: %v %s", ErrValue, v.Value, plain.Short(v.Unit)))
			continue
		}
		// The parser leaves the unit of a zero as it is.
		_, unit := benchunit.Tidy(1, v.Unit)
		if seen[unit] {
			r.fail(line, fmt.Errorf("%w: two figures in %s", ErrTwice, plain.Short(unit)))
			continue
		}
		seen[unit] = true
		if err := set.Add(name, unit, Sample{Value: v.Value, Round: round, Slot: slot}, from); err != nil {
			r.fail(line, err)
		}
	}
}

// nameOf returns the name of a benchmark without the number of processors, and that number.
func nameOf(result *benchfmt.Result) (name string, procs int, err error) {
	procs, err = counter(result, "gomaxprocs")
	if err != nil || procs == 0 {
		name, guessed := splitName(result.Name)
		return name, guessed, err
	}
	name = "Benchmark" + result.Name.String()
	if procs > 1 {
		name = strings.TrimSuffix(name, "-"+strconv.Itoa(procs))
	}
	return name, procs, nil
}

// splitName cuts what looks like a number of processors off a benchmark's name and adds the prefix that the parser dropped.
func splitName(full benchfmt.Name) (name string, procs int) {
	_, parts := full.Parts()
	name, procs = full.String(), 1
	if len(parts) > 0 {
		last := string(parts[len(parts)-1])
		if n, err := strconv.Atoi(strings.TrimPrefix(last, "-")); err == nil && strings.HasPrefix(last, "-") {
			name, procs = strings.TrimSuffix(name, last), n
		}
	}
	return "Benchmark" + name, procs
}

// counter reads a number from 1 that stands in a line of its own; 0 means that there is no such line.
func counter(result *benchfmt.Result, name string) (int, error) {
	text := strings.TrimSpace(result.GetConfig(name))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %s %s, expected a number from 1", ErrSyntax, name, plain.Quote(text))
	}
	return n, nil
}
