// Package budget reads files of speed budgets: one line for each, what a benchmark may cost.
//
//	BenchmarkAppend/*  allocs/op  ==  0
//	BenchmarkAppend    p99-ns     <=  1.5µs  machine=*EPYC 7763*
//	BenchmarkAppend    ns/op      <=  0.8x BenchmarkReferenceMutexRing
//	BenchmarkAppend    sec/op     <=  +2%
package budget

import "strings"

// Op says on which side of its limit a figure must stay.
type Op string

// The operators of a budget.
const (
	AtMost  Op = "<="
	AtLeast Op = ">="
	Exactly Op = "=="
)

// Kind says what a limit counts from.
type Kind string

// The kinds of limits.
const (
	// Absolute limits are figures in the unit of the budget.
	Absolute Kind = "absolute"
	// Relative limits are multiples of another benchmark of the same run.
	Relative Kind = "relative"
	// VersusBase limits are multiples of the same benchmark of the base revision.
	VersusBase Kind = "base"
)

// Budget is one line of a file of budgets.
type Budget struct {
	// File and Line say where it stands, Text is the line as written, without comment and surrounding blanks.
	File string
	Line int
	Text string
	// Name is the full name of a benchmark without the number of processors at its end. In it * stands for any run of
	// characters, slashes too, and ? for any one.
	Name string
	// Unit is tidied: sec/op for ns/op, B/s for MB/s.
	Unit string
	Op   Op
	Kind Kind
	// Limit is in Unit if Kind is Absolute, else a factor: +2% is 1.02.
	Limit float64
	// Reference is the benchmark that a Relative limit counts from, else empty.
	Reference string
	// Machine is a pattern like Name; empty means that the budget counts on every machine.
	Machine string
}

// String returns the budget as it was written.
func (b Budget) String() string { return b.Text }

// Match reports whether the budget is about the benchmark of this name, given without the number of processors.
func (b Budget) Match(benchmark string) bool { return Glob(b.Name, benchmark) }

// Pattern reports whether Name may stand for more than one benchmark.
func (b Budget) Pattern() bool { return strings.ContainsAny(b.Name, "*?") }

// OnMachine reports whether the budget counts on a machine that goes by any of these names; empty names are no names. A
// pattern for every name, such as *, holds without a name too.
func (b Budget) OnMachine(names ...string) bool {
	if b.Machine == "" || Glob(b.Machine, "") {
		return true
	}
	for _, name := range names {
		if name != "" && Glob(b.Machine, name) {
			return true
		}
	}
	return false
}

// Glob reports whether the whole text matches the pattern, where * stands for any run of characters and ? for any one.
func Glob(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	i, j := 0, 0
	star, from := -1, 0 // the last * and where in the text its run ends
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
