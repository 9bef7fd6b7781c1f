// Package collect measures the benchmarks of a working tree and of a revision before it in turns: it builds the test
// program of each side, runs one short process at a time, repeats what is not decided yet, and keeps the raw output.
//
// A process measures one benchmark of one side. A round of a benchmark is base, head, head, base, and the next one head,
// base, base, head, so that a machine that slows down or speeds up meanwhile does so for both sides.
package collect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Side tells the revision that is compared with from the tree that is judged.
type Side string

// The sides of a comparison.
const (
	Base Side = "base"
	Head Side = "head"
)

var (
	// ErrProcess marks a benchmark process that failed, took too long or printed no result.
	ErrProcess = errors.New("benchmark process failed")
	// ErrRevision marks a base that git does not know.
	ErrRevision = errors.New("no such revision")
	// ErrTime marks a benchmark whose turn did not come within the time limit.
	ErrTime = errors.New("the time limit was over before")
	// ErrNoValgrind marks a measurement of instructions on a machine without valgrind.
	ErrNoValgrind = errors.New("valgrind is not installed")
)

// Case is one benchmark to measure.
type Case struct {
	// Name as go test prints it, without the number of processors at its end.
	Name string
	// Instructions says that instructions per operation are counted; else the figures that the benchmark prints are taken.
	Instructions bool
	// Base says that both sides are measured; else only head.
	Base bool
	// Twice says that a round takes the figures of head twice even without a base, which tells how much of a difference
	// is noise.
	Twice bool
}

// Limits say how long to measure.
type Limits struct {
	// First is the number of rounds of every benchmark, Most that of a benchmark that stays undecided.
	First, Most int
	// Time is when no further round begins.
	Time time.Duration
}

// Failure is a benchmark that could not be measured. Nothing that was measured of it before counts.
type Failure struct {
	Name string
	// Instructions says that only their count failed.
	Instructions bool
	// Base says that only the program of the base failed.
	Base bool
	Err  error
}

// Error returns the cause.
func (f Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f Failure) Unwrap() error { return f.Err }

// Options of a session. All but Base are required.
type Options struct {
	// Base is the revision to compare with; empty measures Head alone.
	Base string
	// Head is a folder of the module in the working tree, which is taken as it is.
	Head string
	// Package is the package of the benchmarks, as the go command reads it in Head.
	Package string
	// BenchTime is that of go test: how long, or how often, one process repeats its benchmark.
	BenchTime string
	// ProcessTime is how long a process may take, its set-up included. Under valgrind it is ten times that.
	ProcessTime time.Duration
	// Progress gets one plain line for each step.
	Progress func(line string)
}

// UnitInstructions is the unit of instructions per operation.
const UnitInstructions = "instr/op"

func processError(p *Program, name string, cause error, output []byte) error {
	what := string(p.side)
	if name != "" {
		what += " " + name
	}
	if text := tail(output); text != "" {
		return fmt.Errorf("collect: run %s: %w: %w: %s", what, ErrProcess, cause, text)
	}
	return fmt.Errorf("collect: run %s: %w: %w", what, ErrProcess, cause)
}

// ValidBenchTime reports whether go test knows what this -benchtime means.
func ValidBenchTime(text string) bool {
	if digits, ok := strings.CutSuffix(text, "x"); ok {
		n, err := strconv.Atoi(digits)
		return err == nil && n > 0
	}
	d, err := time.ParseDuration(text)
	return err == nil && d > 0
}
