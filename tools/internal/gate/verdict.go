package gate

import (
	"maps"
	"slices"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
)

// State is the outcome for one budget and benchmark.
type State string

// The states of a verdict.
const (
	// In budget: the whole interval is within the limit.
	In State = "in"
	// Over budget: the whole interval is beyond the limit.
	Over State = "over"
	// Cannot judge: Reason says why.
	Cannot State = "cannot"
	// OtherMachine: the budget counts on other machines only. It does not change the exit status.
	OtherMachine State = "other machine"
	// New: the base revision has no such benchmark. It does not change the exit status.
	New State = "new"
)

// Reason says why a budget cannot be judged.
type Reason string

// The reasons of a verdict whose state is Cannot.
const (
	// ReasonThin: not enough figures.
	ReasonThin Reason = "thin"
	// ReasonUndecided: the interval holds the limit.
	ReasonUndecided Reason = "undecided"
	// ReasonNoisy: on this machine the same program differs from itself by more than what is to be judged.
	ReasonNoisy Reason = "noisy"
	// ReasonMissing: no benchmark of this name has figures in this unit.
	ReasonMissing Reason = "missing"
	// ReasonMissingReference: the benchmark that the limit counts from has no figures in this unit.
	ReasonMissingReference Reason = "missing reference"
	// ReasonMissingBase: no base revision was measured.
	ReasonMissingBase Reason = "missing base"
	// ReasonVanished: the base has the benchmark, the head does not.
	ReasonVanished Reason = "vanished"
	// ReasonNegative: the figures have no ratio.
	ReasonNegative Reason = "negative"
	// ReasonUnknownMachine: the budget counts on certain machines only, and this one has no name.
	ReasonUnknownMachine Reason = "unknown machine"
	// ReasonMachines: the two sides were measured on different machines or with different numbers of processors.
	ReasonMachines Reason = "machines"
	// ReasonFailed: the benchmark could not be measured.
	ReasonFailed Reason = "failed"
)

// Verdict says whether one benchmark keeps one budget.
type Verdict struct {
	Budget budget.Budget
	// Benchmark is the name without the number of processors; if no benchmark matched it is the budget's pattern.
	Benchmark string
	State     State
	// Reason and Detail say why the state is Cannot; Detail also explains OtherMachine.
	Reason Reason
	Detail string
	// Measured says that the figures below are set.
	Measured bool
	// Estimate, Low and High are the figure and its 99 % interval: in the budget's unit if the budget is absolute, else
	// the ratio to the reference or base.
	Estimate, Low, High float64
	// Figure and Against are the medians of the benchmark and of what a limit that is not absolute counts from, in the
	// budget's unit.
	Figure, Against float64
	// N is the number of figures of the smaller side, or of rounds if the sides were measured in turns.
	N int
	// Floor is the ratio up to which the same program differs from itself on this machine, 0 if it was not measured.
	Floor float64
}

// more reports whether more figures may lead to a verdict.
func (v Verdict) more() bool {
	return v.Reason == ReasonThin || v.Reason == ReasonUndecided || v.Reason == ReasonNoisy
}

// Undecided returns the benchmarks, references included, for which more figures may lead to a verdict, sorted.
func Undecided(verdicts []Verdict) []string {
	open := map[string]bool{}
	for _, v := range verdicts {
		if !v.more() {
			continue
		}
		open[v.Benchmark] = true
		if v.Budget.Reference != "" {
			open[v.Budget.Reference] = true
		}
	}
	return slices.Sorted(maps.Keys(open))
}

// The exit statuses of Exit.
const (
	ExitIn     = 0
	ExitOver   = 1
	ExitCannot = 2
)

// Exit returns the exit status: 1 if any budget is over, else 2 if any cannot be judged or there is no verdict at all,
// else 0. With forgive, verdicts that only noise prevented (ReasonNoisy and ReasonUndecided) do not count.
func Exit(verdicts []Verdict, forgive bool) int {
	exit := ExitIn
	if len(verdicts) == 0 {
		exit = ExitCannot
	}
	for _, v := range verdicts {
		noise := v.Reason == ReasonNoisy || v.Reason == ReasonUndecided
		switch {
		case v.State == Over:
			return ExitOver
		case v.State == Cannot && !(forgive && noise):
			exit = ExitCannot
		}
	}
	return exit
}
