package gate

import (
	"math"
	"slices"
)

// tail is the part of a distribution that each end of an interval leaves out: every interval is one of 99 %.
const (
	confidence = 0.99
	tail       = (1 - confidence) / 2
	// normalTail is where the normal distribution leaves out that part.
	normalTail = 2.5758293035489004
)

// interval is an estimate with its confidence interval.
type interval struct{ estimate, low, high float64 }

// ranked returns the interval between the values that have out others beyond them on either side, and the median.
func ranked(out, total int, kth func(k int) float64) interval {
	middle := kth((total + 1) / 2)
	if total%2 == 0 {
		middle = (middle + kth(total/2+1)) / 2
	}
	if out < 0 {
		return interval{middle, math.Inf(-1), math.Inf(1)}
	}
	return interval{middle, kth(out + 1), kth(total - out)}
}

// kth returns the k-th smallest, counted from 1, of values between low and high. The function count says how many values
// are at most x, and which is the largest of those. It bisects the order of the floating point numbers, so the result is exact
// and the number of counts bounded.
func kth(k int, low, high float64, count func(x float64) (n int, largest float64)) float64 {
	if n, _ := count(low); n >= k {
		return low
	}
	from, to := order(low), order(high)
	for to-from > 1 {
		middle := from + (to-from)/2
		n, largest := count(inOrder(middle))
		switch {
		case n == k:
			return largest
		case n > k:
			to = min(middle, order(largest)) // the former if both are zeros of different signs
		default:
			from = middle
		}
	}
	return inOrder(to)
}

// order maps numbers to integers of the same order.
func order(x float64) uint64 {
	bits := math.Float64bits(x)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

// inOrder is the inverse of order.
func inOrder(i uint64) float64 {
	if i>>63 != 0 {
		return math.Float64frombits(i &^ (1 << 63))
	}
	return math.Float64frombits(^i)
}

// signedRank returns the Hodges-Lehmann estimate of the centre of differences and the interval that inverts Wilcoxon's
// signed-rank test. It needs at least one difference.
func signedRank(differences []float64) interval {
	d := slices.Sorted(slices.Values(differences))
	n := len(d)
	// Sums of two values, themselves included: twice the Walsh averages.
	count := func(x float64) (sums int, largest float64) {
		largest = math.Inf(-1)
		j := n - 1
		for i := 0; i <= j; i++ {
			for j >= i && d[i]+d[j] > x {
				j--
			}
			if j >= i {
				sums += j - i + 1
				largest = max(largest, d[i]+d[j])
			}
		}
		return sums, largest
	}
	iv := ranked(signedRankOut(n), n*(n+1)/2, func(k int) float64 {
		return kth(k, 2*d[0], 2*d[n-1], count)
	})
	return interval{iv.estimate / 2, iv.low / 2, iv.high / 2}
}

// rankSum returns the Hodges-Lehmann estimate of the shift from x to y and the interval that inverts the Mann-Whitney
// test. It needs at least one value on each side.
func rankSum(x, y []float64) interval {
	a, b := make([]float64, len(x)), slices.Sorted(slices.Values(y))
	for i, v := range x {
		a[i] = -v
	}
	slices.Sort(a)
	count := func(limit float64) (sums int, largest float64) {
		largest = math.Inf(-1)
		j := len(b) - 1
		for _, v := range a {
			for j >= 0 && v+b[j] > limit {
				j--
			}
			if j < 0 {
				break
			}
			sums += j + 1
			largest = max(largest, v+b[j])
		}
		return sums, largest
	}
	low, high := a[0]+b[0], a[len(a)-1]+b[len(b)-1]
	return ranked(rankSumOut(len(a), len(b)), len(a)*len(b), func(k int) float64 {
		return kth(k, low, high, count)
	})
}
