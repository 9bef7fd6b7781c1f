package budget

import (
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"

	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

const limits = "a number such as 1500 or 1.5µs, a factor such as 1.25x, or a change such as +2%"

// setLimit reads a limit, given the unit as it was written, and with it the kind of the budget.
func (b *Budget) setLimit(text, unit string) *LineError {
	last := len(text) - 1
	switch {
	case strings.HasSuffix(text, "x"):
		factor, ok := number(text[:last])
		if !ok || factor == 0 {
			return wrong(text, "a factor above 0, such as 1.25x")
		}
		b.Kind, b.Limit = Relative, factor
	case strings.HasSuffix(text, "%"):
		sign := text[0]
		change, ok := number(strings.TrimPrefix(text[:last], string(sign)))
		if !ok || sign != '+' && sign != '-' {
			return wrong(text, "a change with its sign, such as +2% or -5%")
		}
		if sign == '-' {
			change = -change
		}
		b.Kind, b.Limit = VersusBase, 1+change/100
		if b.Limit <= 0 || math.IsInf(b.Limit, 0) {
			return wrong(text, "a change above -100%")
		}
	default:
		b.Kind = Absolute
		return b.setFigure(text, unit)
	}
	if b.Op == Exactly {
		return wrong(text, "a number: == takes no limit that counts from another benchmark")
	}
	return nil
}

// nanoseconds are the suffixes of times. The longer ones come first: s ends them all.
var nanoseconds = []struct {
	suffix string
	factor float64
}{{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"μs", 1e3}, {"ms", 1e6}, {"s", 1e9}}

func (b *Budget) setFigure(text, unit string) *LineError {
	if v, ok := number(text); ok {
		b.Limit, _ = benchunit.Tidy(v, unit)
		if math.IsInf(b.Limit, 0) {
			return wrong(text, limits)
		}
		return nil
	}
	for _, ns := range nanoseconds {
		digits, found := strings.CutSuffix(text, ns.suffix)
		if !found {
			continue
		}
		v, ok := number(digits)
		if !ok {
			break
		}
		if !isTime(b.Unit) {
			return wrong(text, "a number without a suffix: "+plain.Short(b.Unit)+" is no time")
		}
		// By way of nanoseconds, in which benchmarks print, so that equal times are equal figures.
		b.Limit, _ = benchunit.Tidy(v*ns.factor, "ns")
		if math.IsInf(b.Limit, 0) {
			break
		}
		return nil
	}
	return wrong(text, limits)
}

// number reads a plain decimal number without a sign.
func number(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" || text[0] == '+' || text[0] == '-' {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// isTime reports whether a tidied unit measures time: sec/op, p99-sec, but not B/sec.
func isTime(unit string) bool {
	over, _, _ := strings.Cut(unit, "/")
	for word := range strings.SplitSeq(over, "-") {
		if word == "sec" {
			return true
		}
	}
	return false
}
