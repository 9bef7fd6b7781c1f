// Package gate decides by confidence intervals whether benchmarks keep their budgets. It reads and writes nothing.
//
// Every interval is one of 99 %. A budget is kept when the whole interval is within the limit and broken when the whole
// interval is beyond it; in between, or with fewer than 10 figures, there is no verdict. Medians stand for absolute figures.
// Ratios are estimated on a log scale: from the rounds when both sides were measured in turns (Wilcoxon's signed ranks),
// else from all differences (Mann-Whitney). Figures of 0 have no ratio, so then the intervals of the medians are compared.
//
// Counts of instructions (instr/op) hardly vary: three are enough, and their interval is the range of what was seen.
package gate

import (
	"maps"
	"slices"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// UnitInstructions is the unit of instruction counts.
const UnitInstructions = "instr/op"

// Failure is a benchmark that could not be measured.
type Failure struct {
	Benchmark string
	// Unit is tidied; empty means all units.
	Unit string
	// Base says that only the base could not be measured, which matters to budgets against it alone.
	Base bool
	// Cause is one line.
	Cause string
}

// Options say what the figures do not.
type Options struct {
	// Machine is a name for the machine that measured, beside that in the figures; it may be empty.
	Machine string
	// CPU is what the machine that measured calls its processor, for benchmarks without figures; it may be empty.
	CPU string
	// Failures are benchmarks that could not be measured. A budget that matches one cannot be judged for it.
	Failures []Failure
}

// JudgeAll judges all budgets, in their order.
func JudgeAll(budgets []budget.Budget, base, head *samples.Set, o Options) []Verdict {
	var all []Verdict
	for _, b := range budgets {
		all = append(all, Judge(b, base, head, o)...)
	}
	return all
}

// Judge returns one verdict for each benchmark that the budget matches, sorted by name; a pattern matches benchmarks that
// have figures in the unit of the budget. If there is none, the one verdict says so. Benchmarks of which the base has figures
// and the head has none are judged too: they vanished. A nil base means that no base revision was measured, an empty one that
// it has none of the benchmarks. Where no name of the machine is known, budgets for certain machines are not judged.
func Judge(b budget.Budget, base, head *samples.Set, o Options) []Verdict {
	found := map[string]Verdict{}
	for _, name := range head.Benchmarks() {
		if b.Match(name) && len(head.Samples(name, b.Unit)) > 0 {
			found[name] = judgeOne(b, name, base, head, o)
		}
	}
	for _, name := range base.Benchmarks() {
		// Nobody counts the instructions of what has vanished.
		had := len(base.Samples(name, b.Unit)) > 0 || b.Unit == UnitInstructions && !head.Has(name)
		if b.Match(name) && had && len(head.Samples(name, b.Unit)) == 0 {
			found[name] = cannot(b, name, ReasonVanished, "the base has it, the head does not")
		}
	}
	for _, f := range o.Failures {
		if f.covers(b) && b.Match(f.Benchmark) {
			found[f.Benchmark] = cannot(b, f.Benchmark, ReasonFailed, f.Cause)
		}
	}
	if len(found) == 0 {
		found[b.Name] = cannot(b, b.Name, ReasonMissing, "no benchmark of this name has figures in this unit")
	}
	verdicts := make([]Verdict, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		verdicts = append(verdicts, found[name].placed(o.machinesOf(name, b.Unit, base, head)))
	}
	return verdicts
}

func (f Failure) covers(b budget.Budget) bool {
	return (f.Unit == "" || f.Unit == b.Unit) && (!f.Base || b.Kind == budget.VersusBase)
}

func cannot(b budget.Budget, name string, why Reason, detail string) Verdict {
	return Verdict{Budget: b, Benchmark: name, State: Cannot, Reason: why, Detail: detail}
}

// machinesOf returns the known names of the machine on which a benchmark ran, or should have.
func (o Options) machinesOf(name, unit string, base, head *samples.Set) []string {
	var all []string
	add := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	add(o.Machine)
	if len(head.Samples(name, unit)) > 0 {
		add(head.Origin(name, unit).CPU)
		return all
	}
	add(o.CPU)
	for _, set := range []*samples.Set{base, head} {
		for _, m := range set.Machines() {
			add(m.CPU)
		}
	}
	return all
}

// placed takes back what was judged on a machine for which the budget is not made, or perhaps not: that a benchmark is
// missing counts until it is known that this is another machine.
func (v Verdict) placed(machines []string) Verdict {
	b := v.Budget
	switch {
	case b.OnMachine(machines...):
		return v
	case len(machines) > 0:
		return Verdict{Budget: b, Benchmark: v.Benchmark, State: OtherMachine, Detail: "this is " + quoted(machines)}
	case v.State == Cannot && !v.more():
		return v
	}
	return cannot(b, v.Benchmark, ReasonUnknownMachine, "the output has no cpu line; name this machine with --machine")
}

// judgeOne judges a benchmark that has figures.
func judgeOne(b budget.Budget, name string, base, head *samples.Set, o Options) Verdict {
	v := Verdict{Budget: b, Benchmark: name}
	figures := head.Samples(name, b.Unit)
	if b.Kind == budget.Absolute {
		judgeAbsolute(&v, figures)
		return v
	}
	against, other := base, name
	if b.Kind == budget.Relative {
		against, other = head, b.Reference
		for _, f := range o.Failures {
			if f.covers(b) && f.Benchmark == b.Reference {
				return cannot(b, name, ReasonFailed, b.Reference+": "+f.Cause)
			}
		}
	}
	limitFrom := against.Samples(other, b.Unit)
	switch {
	case b.Kind == budget.Relative && len(limitFrom) == 0:
		return cannot(b, name, ReasonMissingReference, b.Reference+" has no figures in this unit")
	case against == nil:
		return cannot(b, name, ReasonMissingBase, "no base revision was measured")
	case len(limitFrom) == 0:
		v.State, v.Detail = New, "the base has no such benchmark"
		if base.Has(name) {
			v.Detail = "the base does not report this unit"
		}
		return v
	}
	if detail := differ(head.Origin(name, b.Unit), against.Origin(other, b.Unit)); detail != "" {
		return cannot(b, name, ReasonMachines, detail)
	}
	judgeRatio(&v, limitFrom, figures)
	return v
}
