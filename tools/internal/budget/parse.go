package budget

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/perf/benchunit"

	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

var (
	// ErrSyntax marks a line that is no budget.
	ErrSyntax = errors.New("not a budget")
	// ErrDuplicate marks a line that sets the limit of an earlier one again.
	ErrDuplicate = errors.New("duplicate budget")
	// ErrEmpty marks a file without a budget.
	ErrEmpty = errors.New("no budget")
)

// LineError says what is wrong with a line. It unwraps to ErrSyntax or ErrDuplicate.
type LineError struct {
	File string
	Line int
	// Read is what stood there, Expected what should have.
	Read, Expected string
	Err            error
}

// Error returns file, line, the beginning of what was read, and what was expected.
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: read %s: expected %s", e.File, e.Line, plain.Quote(e.Read), e.Expected)
}

// Unwrap returns the kind of mistake.
func (e *LineError) Unwrap() error { return e.Err }

// same holds what two budgets may not have in common.
type same struct {
	name, unit, reference, machine string
	op                             Op
	kind                           Kind
}

// Parse reads budgets. The name of the file goes into budgets and errors only. All wrong lines are reported together, the
// first 20 in full, and then there are no budgets. Comments begin with # at the start of a line or behind a blank; a byte
// order mark before the first line is none of it.
func Parse(file string, r io.Reader) ([]Budget, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("budget: read %s: %w", file, err)
	}
	var budgets []Budget
	var errs []error
	seen := map[same]int{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\uFEFF")) {
		number++
		text := strings.TrimSpace(withoutComment(line))
		if text == "" {
			continue
		}
		b, problem := parseLine(text)
		if problem == nil {
			b.File, b.Line, b.Text = file, number, text
			k := same{b.Name, b.Unit, b.Reference, b.Machine, b.Op, b.Kind}
			if first, ok := seen[k]; ok {
				problem = wrong(text, fmt.Sprintf("something else than line %d, which sets this limit already", first))
				problem.Err = ErrDuplicate
			} else {
				seen[k] = number
			}
		}
		if problem != nil {
			problem.File, problem.Line = file, number
			errs = append(errs, problem)
			continue
		}
		budgets = append(budgets, b)
	}
	if len(errs) > 0 {
		return nil, plain.Join(errs)
	}
	if len(budgets) == 0 {
		return nil, fmt.Errorf("%s: %w: expected lines like: BenchmarkName sec/op <= +2%%", file, ErrEmpty)
	}
	return budgets, nil
}

func wrong(read, expected string) *LineError {
	return &LineError{Read: read, Expected: expected, Err: ErrSyntax}
}

func withoutComment(line string) string {
	blank := true
	for i, c := range line {
		if c == '#' && blank {
			return line[:i]
		}
		blank = unicode.IsSpace(c)
	}
	return line
}

// field cuts the first word off the text.
func field(text string) (word, rest string) {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// parseLine reads a line without comment and surrounding blanks.
func parseLine(text string) (Budget, *LineError) {
	var b Budget
	var unit, op, limit string
	b.Name, text = field(text)
	if !strings.HasPrefix(b.Name, "Benchmark") {
		return b, wrong(b.Name, "a name or pattern that begins with Benchmark")
	}
	unit, text = field(text)
	if unit == "" || isOp(unit) {
		return b, wrong(unit, "a unit such as ns/op")
	}
	_, b.Unit = benchunit.Tidy(1, unit)
	op, text = field(text)
	if !isOp(op) {
		return b, wrong(op, "<=, >= or ==")
	}
	b.Op = Op(op)
	limit, text = field(text)
	problem := b.setLimit(limit, unit)
	if problem == nil && b.Kind == Relative {
		text, problem = b.setReference(text)
	}
	if problem != nil || text == "" {
		return b, problem
	}
	machine, ok := strings.CutPrefix(text, "machine=")
	b.Machine = strings.TrimSpace(machine)
	if !ok || b.Machine == "" {
		return b, wrong(text, "machine=PATTERN or the end of the line")
	}
	return b, nil
}

func isOp(word string) bool {
	return word == string(AtMost) || word == string(AtLeast) || word == string(Exactly)
}

// setReference reads the benchmark that stands behind a factor.
func (b *Budget) setReference(text string) (rest string, problem *LineError) {
	b.Reference, rest = field(text)
	if !strings.HasPrefix(b.Reference, "Benchmark") || strings.ContainsAny(b.Reference, "*?") {
		return rest, wrong(b.Reference, "the name of one benchmark behind the factor")
	}
	return rest, nil
}
