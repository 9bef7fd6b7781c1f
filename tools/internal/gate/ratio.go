package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// differ says why figures of two origins have no ratio, if so.
func differ(a, b samples.Origin) string {
	switch {
	case a.CPU != b.CPU:
		return fmt.Sprintf("measured on %q, the limit on %q", a.CPU, b.CPU)
	case a.OS != b.OS || a.Arch != b.Arch:
		return fmt.Sprintf("measured on %s/%s, the limit on %s/%s", a.OS, a.Arch, b.OS, b.Arch)
	case a.Procs != b.Procs:
		return fmt.Sprintf("measured with %d processors, the limit with %d", a.Procs, b.Procs)
	}
	return ""
}

func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(list, ", ")
}

// judgeRatio compares the figures of a benchmark with those from which the limit counts.
func judgeRatio(v *Verdict, from, figures []samples.Sample) {
	x, y := valuesOf(from), valuesOf(figures)
	lowest := min(slices.Min(x), slices.Min(y))
	v.N = min(len(x), len(y))
	v.Figure, v.Against = center(y), center(x)
	unit := v.Budget.Unit
	switch {
	case lowest < 0:
		v.cannot(ReasonNegative, "figures below 0 have no ratio")
	case unit == UnitInstructions || lowest == 0:
		if v.N < leastOf(unit) {
			v.thin("figures on one side")
			return
		}
		compareMedians(v, median(x, unit), median(y, unit))
	case inRounds(from) && inRounds(figures):
		judgePaired(v, from, figures)
	case v.N < least:
		v.thin("figures on one side")
	default:
		iv := rankSum(logs(x), logs(y))
		v.ratio(iv)
		v.decide(within(v.Budget.Op, v.Low, v.High, v.Budget.Limit), beyond(v.Budget.Op, v.Low, v.High, v.Budget.Limit))
	}
}

func logs(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, x := range values {
		out[i] = math.Log(x)
	}
	return out
}

// ratio notes an interval of log ratios.
func (v *Verdict) ratio(iv interval) {
	v.measured(interval{math.Exp(iv.estimate), math.Exp(iv.low), math.Exp(iv.high)})
}

// compareMedians judges without ranks, where zeros forbid logs or figures hardly vary: the ends of one interval against
// those of the other.
func compareMedians(v *Verdict, from, figure interval) {
	limit := v.Budget.Limit
	in, over := figure.high <= limit*from.low, figure.low > limit*from.high
	if v.Budget.Op == budget.AtLeast {
		in, over = figure.low >= limit*from.high, figure.high < limit*from.low
	}
	v.decide(in, over)
	switch {
	case from.low > 0:
		v.measured(interval{figure.estimate / from.estimate, figure.low / from.high, figure.high / from.low})
	case from.high == 0 && figure.low == 0 && figure.high == 0:
		v.measured(interval{1, 1, 1})
	}
}

func inRounds(list []samples.Sample) bool {
	return !slices.ContainsFunc(list, func(s samples.Sample) bool { return s.Round == 0 })
}

// perRound returns the mean log of every round.
func perRound(list []samples.Sample) map[int]float64 {
	sums, counts := map[int]float64{}, map[int]float64{}
	for _, s := range list {
		sums[s.Round] += math.Log(s.Value)
		counts[s.Round]++
	}
	for round := range sums {
		sums[round] /= counts[round]
	}
	return sums
}

// judgePaired compares round by round, so that what slows the machine for longer than a round slows both sides.
func judgePaired(v *Verdict, from, figures []samples.Sample) {
	x, y := perRound(from), perRound(figures)
	var differences []float64
	for _, round := range slices.Sorted(maps.Keys(y)) {
		if value, ok := x[round]; ok {
			differences = append(differences, y[round]-value)
		}
	}
	v.N = len(differences)
	if v.N < least {
		v.thin("rounds in which both sides were measured")
		return
	}
	iv := signedRank(differences)
	v.ratio(iv)
	what, sides := "the base", [][]samples.Sample{from}
	if v.Budget.Kind == budget.Relative {
		what, sides = "the same benchmark", append(sides, figures)
	}
	switch floor, rounds := noiseFloor(sides); {
	case rounds == 0:
		v.decide(within(v.Budget.Op, v.Low, v.High, v.Budget.Limit), beyond(v.Budget.Op, v.Low, v.High, v.Budget.Limit))
	case rounds < least:
		v.cannot(ReasonThin, "%d rounds in which %s was measured twice, need %d", rounds, what, least)
	default:
		v.Floor = math.Exp(floor)
		v.aboveNoise(iv, floor)
	}
}

// noiseFloor returns how far from 0 the interval of the same program measured twice goes, the farthest of the sides, and
// the fewest rounds of a side in which it was measured twice; sides that never were do not count.
func noiseFloor(sides [][]samples.Sample) (floor float64, rounds int) {
	for _, side := range sides {
		twins := twinsOf(side)
		if len(twins) == 0 {
			continue
		}
		iv := signedRank(twins)
		floor = max(floor, math.Abs(iv.low), math.Abs(iv.high))
		if rounds == 0 || len(twins) < rounds {
			rounds = len(twins)
		}
	}
	return floor, rounds
}

// twinsOf returns how the second run of each round differs from the first, which is the same program.
func twinsOf(list []samples.Sample) []float64 {
	first, second := map[int]float64{}, map[int]float64{}
	for _, s := range list {
		switch s.Slot {
		case 1:
			first[s.Round] = math.Log(s.Value)
		case 2:
			second[s.Round] = math.Log(s.Value)
		}
	}
	var out []float64
	for _, round := range slices.Sorted(maps.Keys(first)) {
		if value, ok := second[round]; ok {
			out = append(out, value-first[round])
		}
	}
	return out
}

// aboveNoise also asks what the machine can tell apart, given the interval of the log ratios and the floor.
func (v *Verdict) aboveNoise(iv interval, floor float64) {
	low, high, limit := iv.low, iv.high, math.Log(v.Budget.Limit)
	estimate := iv.estimate
	if v.Budget.Op == budget.AtLeast {
		low, high, limit, estimate = -high, -low, -limit, -estimate
	}
	over, in := low > limit, high <= limit
	sure := over && estimate > limit+floor
	visible := true
	if v.Budget.Kind == budget.VersusBase {
		// Base and head are nearly the same program, so a difference up to the floor is none. A limit below it is kept or
		// broken only by what differs by more. A limit above it is a difference that the machine can see.
		visible = floor <= math.Abs(limit)
		sure, in = over && (visible || low > floor), in && (visible || high < -floor)
	}
	switch {
	case sure:
		v.State = Over
	case in:
		v.State = In
	case over || !visible:
		v.cannot(ReasonNoisy, "the same program measured twice differs by up to %s here", percent(v.Floor))
	default:
		v.cannot(ReasonUndecided, "the limit is inside the interval")
	}
}
