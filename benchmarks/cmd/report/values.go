package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Units of benchmarks, as package benchfmt tidies them.
const (
	perOp     = "sec/op"
	perSignal = "sec/signal"
	ratio     = "idle-ratio"
	perItem   = "bytes/event"
	perPart   = "bytes/partition"
	allocs    = "allocs/op"
	bytesOp   = "B/op"
)

// isTime reports whether a unit is one of time; the others keep theirs in every cell.
func isTime(unit string) bool {
	switch unit {
	case ratio, perItem, perPart, allocs, bytesOp:
		return false
	}
	return true
}

// A value is what one cell shows: a unit of a benchmark.
type value struct {
	bench, unit string
	per         float64 // how many things the benchmark counts as one operation; 0 is 1
}

func (v value) share() float64 {
	if v.per == 0 {
		return 1
	}
	return v.per
}

// format prints a number of the unit with three significant digits.
func format(unit string, v float64) string {
	switch unit {
	case ratio:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case perItem, perPart, bytesOp:
		return digits(v) + " B"
	case allocs:
		return digits(v)
	}
	scale, name := timeScale(v)
	return digits(v*scale) + " " + name
}

// timeScale returns by what a time in seconds is multiplied to be readable, and the unit that it then has.
func timeScale(sec float64) (float64, string) {
	switch {
	case sec < 0.9995e-6:
		return 1e9, "ns"
	case sec < 0.9995e-3:
		return 1e6, "µs"
	case sec < 0.9995:
		return 1e3, "ms"
	}
	return 1, "s"
}

// digits prints three significant digits without an exponent.
func digits(v float64) string {
	if v == 0 {
		return "0"
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	behind := 2 - int(math.Floor(math.Log10(math.Abs(rounded))+1e-9))
	return strconv.FormatFloat(v, 'f', min(max(behind, 0), 6), 64)
}

// spread prints the median and how far the rounds lie apart, all in the unit of the median.
func spread(unit string, samples []float64) string {
	s := measure.Summarize(samples)
	text := format(unit, s.Median)
	switch {
	case unit == ratio:
		return fmt.Sprintf("%s [%.4f..%.4f]", text, s.Min, s.Max)
	case !isTime(unit) && s.Min == s.Max:
		return text
	case !isTime(unit):
		return fmt.Sprintf("%s [%s..%s]", text, digits(s.Min), digits(s.Max))
	}
	scale, _ := timeScale(s.Median)
	return fmt.Sprintf("%s [%s..%s]", text, digits(s.Min*scale), digits(s.Max*scale))
}

// judgedRounds is from how many rounds on the 95 % interval of a median exists.
const judgedRounds = 6

// compare says in words how samples relate to those of the base, round by round. Too few rounds give no verdict.
func compare(samples, base []float64, less, more string) (string, error) {
	ratios, err := measure.Ratios(samples, base)
	if err != nil {
		return "", err
	}
	times := "(" + digits(measure.Summarize(ratios).Median) + " ×)"
	low, high := measure.Interval(ratios)
	switch {
	case len(ratios) < judgedRounds:
		return times, nil
	case high < 1:
		return "**" + less + "** " + times, nil
	case low > 1:
		return more + " " + times, nil
	}
	return "no clear difference " + times, nil
}
