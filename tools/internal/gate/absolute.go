package gate

import (
	"fmt"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// least is how many figures, or rounds, a verdict needs: of fewer than 8 there is no interval of a median, and the ends
// of that of 8 are the two most extreme figures.
const (
	least             = 10
	leastInstructions = 3
)

func leastOf(unit string) int {
	if unit == UnitInstructions {
		return leastInstructions
	}
	return least
}

func valuesOf(list []samples.Sample) []float64 {
	values := make([]float64, len(list))
	for i, s := range list {
		values[i] = s.Value
	}
	return values
}

// median returns the interval of the median, or of all that was seen if the unit is that of instructions.
func median(values []float64, unit string) interval {
	if unit == UnitInstructions {
		return interval{center(values), slices.Min(values), slices.Max(values)}
	}
	s := benchmath.AssumeNothing.Summary(sampleOf(values), confidence)
	return interval{s.Center, s.Lo, s.Hi}
}

// center returns the median alone.
func center(values []float64) float64 {
	return benchmath.AssumeNothing.Summary(sampleOf(values), confidence).Center
}

func sampleOf(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds) // which sorts them
}

func (v *Verdict) cannot(why Reason, format string, args ...any) {
	v.State, v.Reason, v.Detail = Cannot, why, fmt.Sprintf(format, args...)
}

func (v *Verdict) measured(iv interval) {
	v.Measured, v.Estimate, v.Low, v.High = true, iv.estimate, iv.low, iv.high
}

func (v *Verdict) thin(what string) {
	v.cannot(ReasonThin, "%d %s, need %d", v.N, what, leastOf(v.Budget.Unit))
}

func judgeAbsolute(v *Verdict, figures []samples.Sample) {
	b, values := v.Budget, valuesOf(figures)
	v.N, v.Figure = len(values), center(values)
	if b.Op == budget.Exactly {
		judgeExact(v, values)
		return
	}
	if v.N < leastOf(b.Unit) {
		v.thin("figures")
		return
	}
	iv := median(values, b.Unit)
	v.measured(iv)
	v.decide(within(b.Op, iv.low, iv.high, b.Limit), beyond(b.Op, iv.low, iv.high, b.Limit))
}

// judgeExact accepts no deviation at all, so a single figure may be over the budget, though none may be in it.
func judgeExact(v *Verdict, values []float64) {
	limit := v.Budget.Limit
	low, high := slices.Min(values), slices.Max(values)
	v.measured(interval{v.Figure, low, high})
	switch {
	case low != limit || high != limit:
		v.State = Over
	case v.N < leastOf(v.Budget.Unit):
		v.thin("figures")
	default:
		v.State = In
	}
}

// within reports whether the whole interval keeps the limit, beyond whether all of it breaks the limit.
func within(op budget.Op, low, high, limit float64) bool {
	if op == budget.AtLeast {
		return low >= limit
	}
	return high <= limit
}

func beyond(op budget.Op, low, high, limit float64) bool {
	if op == budget.AtLeast {
		return high < limit
	}
	return low > limit
}

func (v *Verdict) decide(in, over bool) {
	switch {
	case over:
		v.State = Over
	case in:
		v.State = In
	default:
		v.cannot(ReasonUndecided, "the limit is inside the interval")
	}
}
