package measure

import (
	"errors"
	"math"
	"slices"
)

// A Spread is the median of some values and how far they lie apart.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize returns the spread of the values; zero if there are none.
func Summarize(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// ErrRounds says that two things were not measured equally often, so that there are no ratios of the same round.
var ErrRounds = errors.New("measure: not the same number of rounds")

// Ratios divides round by round.
func Ratios(of, by []float64) ([]float64, error) {
	if len(of) != len(by) {
		return nil, ErrRounds
	}
	out := make([]float64, len(of))
	for i := range of {
		out[i] = of[i] / by[i]
	}
	return out, nil
}

// Interval returns the 95 % confidence interval of the median, from the order of the values alone; below six values it
// is all of them, which is less than 95 %.
func Interval(values []float64) (low, high float64) {
	n := len(values)
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	// The number of values below the median is binomial(n, 1/2): leave out as many at each end as have a tail of at
	// most 2.5 %.
	k, tail := 0, math.Pow(0.5, float64(n))
	for term := tail; ; k++ {
		term *= float64(n-k) / float64(k+1)
		if tail += term; tail > 0.025 || 2*(k+1) >= n {
			break
		}
	}
	return v[k], v[n-1-k]
}

// PerRound returns the greatest over the least of several series, round by round.
func PerRound(series [][]float64) ([]float64, error) {
	var out []float64
	for i := range series {
		if len(series[i]) != len(series[0]) {
			return nil, ErrRounds
		}
	}
	if len(series) == 0 {
		return nil, nil
	}
	for round := range series[0] {
		low, high := math.Inf(1), math.Inf(-1)
		for _, s := range series {
			low, high = min(low, s[round]), max(high, s[round])
		}
		out = append(out, high/low)
	}
	return out, nil
}

// Extremes returns the greatest median of the series over the least. Unlike the ratios of PerRound it is not pushed up
// by the noise of every round.
func Extremes(series [][]float64) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range series {
		m := Summarize(s).Median
		low, high = min(low, m), max(high, m)
	}
	return high / low
}
