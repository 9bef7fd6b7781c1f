package gate

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/perf/benchunit"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

// Label returns the state as reports print it.
func (s State) Label() string {
	switch s {
	case In:
		return "in budget"
	case Over:
		return "over budget"
	case Cannot:
		return "cannot judge"
	case OtherMachine:
		return "other machine"
	case New:
		return "new"
	}
	return string(s)
}

// String returns the verdict as one plain line, without a newline; what could not be printed is escaped.
func (v Verdict) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s %s: ", v.State.Label(), v.Benchmark, v.Budget.Unit)
	if result := v.Result(); result != "" {
		fmt.Fprintf(&out, "%s, ", result)
	}
	fmt.Fprintf(&out, "budget %s", v.LimitText())
	if note := v.Note(); note != "" {
		fmt.Fprintf(&out, "; %s", note)
	}
	fmt.Fprintf(&out, " (%s:%d)", v.Budget.File, v.Budget.Line)
	return plain.Text(out.String())
}

// Note returns why there is no verdict, or the noise floor if there is one; it may be empty.
func (v Verdict) Note() string {
	var notes []string
	if v.Reason != "" {
		notes = append(notes, string(v.Reason)+": "+oneLine(v.Detail))
	} else if v.Detail != "" {
		notes = append(notes, oneLine(v.Detail))
	}
	if v.Floor > 0 && v.Reason != ReasonNoisy {
		notes = append(notes, "noise floor "+percent(v.Floor))
	}
	return strings.Join(notes, "; ")
}

// oneLine keeps causes that others wrote on one line and free of control characters.
func oneLine(text string) string { return plain.Text(strings.Join(strings.Fields(text), " ")) }

// Result returns what was measured: the estimate with its interval, or the medians alone if there is no estimate. It is
// empty if nothing was measured.
func (v Verdict) Result() string {
	if v.N == 0 {
		return ""
	}
	count := fmt.Sprintf("n=%d", v.N)
	medians := v.scale(v.Figure)
	if v.Budget.Kind != budget.Absolute {
		medians += " against " + v.scale(v.Against)
	}
	if !v.Measured {
		return fmt.Sprintf("%s (%s)", medians, count)
	}
	if v.Budget.Kind != budget.Absolute {
		count += ", " + medians
	}
	show := v.scale
	switch v.Budget.Kind {
	case budget.VersusBase:
		show = percent
	case budget.Relative:
		show = func(x float64) string { return fmt.Sprintf("%.4gx", x) }
	}
	return fmt.Sprintf("%s [%s, %s] (%s)", show(v.Estimate), show(v.Low), show(v.High), count)
}

// LimitText returns the operator and the limit of the budget.
func (v Verdict) LimitText() string {
	b := v.Budget
	switch b.Kind {
	case budget.Relative:
		return fmt.Sprintf("%s %gx %s", b.Op, b.Limit, b.Reference)
	case budget.VersusBase:
		return fmt.Sprintf("%s %+.4g%%", b.Op, (b.Limit-1)*100)
	}
	return fmt.Sprintf("%s %s", b.Op, v.scale(b.Limit))
}

func (v Verdict) scale(x float64) string {
	return benchunit.Scale(x, benchunit.ClassOf(v.Budget.Unit))
}

// percent returns a ratio as a change.
func percent(ratio float64) string {
	if math.IsInf(ratio, 1) {
		return "+∞%"
	}
	// Adding 0 to what rounds to zero drops the sign of a zero.
	return fmt.Sprintf("%+.2f%%", math.Round((ratio-1)*1e4)/100+0)
}
