package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Verdicts of a row.
const (
	verdictOK     = "ok"
	verdictMissed = "MISSED"
	verdictNone   = "-" // nothing must hold
)

// A result is a judged row.
type result struct {
	Measure   string          `json:"measure"`
	Case      *measure.Spread `json:"case,omitempty"`
	Reference *measure.Spread `json:"reference,omitempty"`
	Value     measure.Spread  `json:"value"` // the ratio, or of a case alone the case
	Interval  *[2]float64     `json:"interval,omitempty"`
	Unit      string          `json:"unit"` // of case and reference; of the value where there is no reference
	Overlap   []float64       `json:"cpuPerWall,omitempty"`
	Must      string          `json:"must"`
	Goal      string          `json:"goal"`
	Reached   bool            `json:"goalReached"`
	Verdict   string          `json:"verdict"`

	ratio bool
}

// judge computes one row from the samples of all rounds.
func judge(r row, samples map[string][]float64) (result, error) {
	for _, k := range r.keys() {
		if len(samples[k]) == 0 {
			return result{}, fmt.Errorf("%s: %q was not measured", r.measure, k)
		}
	}
	out := result{Measure: r.measure, Unit: r.unit, Must: r.must.String(), Goal: r.goal.String(), ratio: true}
	if out.Unit == "" {
		out.Unit = "ns"
	}
	var values []float64
	var err error
	switch {
	case r.series != nil:
		values, err = perRound(r.series, samples)
	case r.by == "":
		values, out.ratio = samples[r.of], r.unit == "x"
	default:
		of, by := samples[r.of], samples[r.by]
		c, ref := measure.Summarize(of), measure.Summarize(by)
		out.Case, out.Reference = &c, &ref
		if r.faster {
			of, by = by, of
		}
		values, err = measure.Ratios(of, by)
	}
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", r.measure, err)
	}
	out.Value = measure.Summarize(values)
	if r.series != nil {
		out.Value.Median = measure.Extremes(pick(r.series, samples))
	}
	for _, k := range r.keys() {
		if v := samples[jobOf(k)+overlap]; len(v) > 0 {
			out.Overlap = append(out.Overlap, measure.Summarize(v).Median)
		}
	}
	out.decide(r, values)
	return out, nil
}

// decide compares the value with the limits of its row.
func (r *result) decide(l row, values []float64) {
	v := r.Value.Median
	if l.interval {
		low, high := measure.Interval(values)
		r.Interval = &[2]float64{low, high}
		v = high
	}
	r.Reached = l.goal.op != "" && l.goal.holds(v)
	switch {
	case l.must.op == "":
		r.Verdict = verdictNone
	case l.must.holds(v):
		r.Verdict = verdictOK
	default:
		r.Verdict = verdictMissed
	}
}

func perRound(keys []string, samples map[string][]float64) ([]float64, error) {
	return measure.PerRound(pick(keys, samples))
}

func pick(keys []string, samples map[string][]float64) [][]float64 {
	var series [][]float64
	for _, k := range keys {
		series = append(series, samples[k])
	}
	return series
}
