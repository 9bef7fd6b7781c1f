package gate

import (
	"math"
	"sync"
)

// Below these sizes the distributions are counted out, above them the normal distribution is as good. All counts are whole
// numbers below 2^53, so floating point holds them exactly.
const exactSize = 50

var (
	signedRanks sync.Map // size -> how many Walsh averages the interval leaves out on each side
	rankSums    sync.Map // both sizes -> how many differences
)

// signedRankOut says how many of the ordered Walsh averages of n differences the interval leaves out on each side. It is
// negative if there are too few for an interval.
func signedRankOut(n int) int {
	if out, ok := signedRanks.Load(n); ok {
		return out.(int)
	}
	var out int
	if n <= exactSize {
		out = quantile(signedRankCounts(n), math.Exp2(float64(n)))
	} else {
		size := float64(n)
		mean, variance := size*(size+1)/4, size*(size+1)*(2*size+1)/24
		out = normalQuantile(mean, variance)
	}
	signedRanks.Store(n, out)
	return out
}

// rankSumOut is signedRankOut for the differences between two sides.
func rankSumOut(n, m int) int {
	sizes := [2]int{min(n, m), max(n, m)}
	if out, ok := rankSums.Load(sizes); ok {
		return out.(int)
	}
	var out int
	if n+m <= exactSize {
		counts := rankSumCounts(n, m)
		total := 0.0
		for _, c := range counts {
			total += c
		}
		out = quantile(counts, total)
	} else {
		a, b := float64(n), float64(m)
		out = normalQuantile(a*b/2, a*b*(a+b+1)/12)
	}
	rankSums.Store(sizes, out)
	return out
}

// quantile returns the largest value that the statistic does not exceed more often than the tail says, given how often it
// takes each value from 0. It is -1 if even 0 is too frequent.
func quantile(counts []float64, total float64) int {
	sum := 0.0
	for value, c := range counts {
		sum += c
		if sum > tail*total {
			return value - 1
		}
	}
	return len(counts) - 1
}

// signedRankCounts counts the subsets of 1..n by their sum.
func signedRankCounts(n int) []float64 {
	counts := make([]float64, n*(n+1)/2+1)
	counts[0] = 1
	for rank := 1; rank <= n; rank++ {
		for sum := len(counts) - 1; sum >= rank; sum-- {
			counts[sum] += counts[sum-rank]
		}
	}
	return counts
}

// rankSumCounts counts the orders of n and m values by how often one of the first stands before one of the second. It
// multiplies the Gaussian binomial coefficient out, factor by factor.
func rankSumCounts(n, m int) []float64 {
	counts := make([]float64, n*m+1)
	counts[0] = 1
	for i := 1; i <= n; i++ {
		for u := len(counts) - 1; u >= m+i; u-- {
			counts[u] -= counts[u-m-i]
		}
		for u := i; u < len(counts); u++ {
			counts[u] += counts[u-i]
		}
	}
	return counts
}

// normalQuantile is quantile for the normal distribution of that mean and variance, corrected for whole numbers.
func normalQuantile(mean, variance float64) int {
	return int(math.Floor(mean - normalTail*math.Sqrt(variance) - 0.5))
}
