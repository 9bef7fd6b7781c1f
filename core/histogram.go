package core

import "math"

// HistogramPrecision is the greatest relative error of a percentile: the answer p
// and the exact nearest-rank value v satisfy |p-v| <= HistogramPrecision*|v|.
const HistogramPrecision = 1.0 / 128

// Histogram counts numbers in buckets of constant relative width, over all of
// float64: negative, zero, subnormal and huge. Count, Min and Max are exact,
// percentiles are good to HistogramPrecision and always lie between Min and Max.
// NaN and ±Inf are counted in NonFinite and touch nothing else.
//
// The result depends only on the numbers, not on their order nor on the order
// of merges. The zero Histogram is empty and ready.
//
// Memory: 2 bytes per bucket and 20 per power of two in use, which is 1 to 2 KiB
// for 1,024 numbers (30 KiB if they are spread over all exponents there are). Once a
// bucket passes 65,535, 4,096 are in use or histograms were merged: 512 bytes per
// power of two in use (10 KiB for latencies of 1 µs to 1 s, 2 MiB at worst).
//
// Readers may share a Histogram that nobody changes. A copy shares buckets with
// its original: after copying, change neither; to copy, Merge into a new one.
type Histogram struct {
	count, nonFinite uint64
	min, max         float64
	buckets          histBuckets
}

// Add counts one number. It allocates only when buckets come into use.
func (h *Histogram) Add(v float64) {
	if v-v != 0 { // only NaN and ±Inf
		h.nonFinite++
		return
	}
	if h.count == 0 {
		h.min, h.max = v+0, v+0 // turns -0 into 0: no answer depends on which came first
	}
	if v < h.min {
		h.min = v + 0
	}
	if v > h.max {
		h.max = v + 0
	}
	h.count++
	h.buckets.add(v)
}

// Merge adds the content of from, which it neither keeps nor changes.
func (h *Histogram) Merge(from *Histogram) {
	h.nonFinite += from.nonFinite
	if from.count == 0 {
		return
	}
	if h.count == 0 {
		h.min, h.max = from.min, from.max
	}
	h.count += from.count
	h.min, h.max = min(h.min, from.min), max(h.max, from.max)
	h.buckets.merge(&from.buckets)
}

// Count returns how many finite numbers were added.
func (h *Histogram) Count() uint64 { return h.count }

// NonFinite returns how many NaN and ±Inf were left out.
func (h *Histogram) NonFinite() uint64 { return h.nonFinite }

// Min returns the smallest number, exactly; false when there is none.
func (h *Histogram) Min() (float64, bool) { return h.min, h.count > 0 }

// Max returns the greatest number, exactly; false when there is none.
func (h *Histogram) Max() (float64, bool) { return h.max, h.count > 0 }

// Percentile returns the nearest-rank percentile: the number that p percent of
// all numbers do not exceed. 0 gives Min and 100 gives Max, both exact. It is
// false when there are no numbers and when p is NaN or outside 0..100.
func (h *Histogram) Percentile(p float64) (float64, bool) {
	if h.count == 0 || !(p >= 0 && p <= 100) {
		return 0, false
	}
	switch rank := nearestRank(p, h.count); rank {
	case 1:
		return h.min, true
	case h.count:
		return h.max, true
	default:
		return min(max(h.buckets.valueAt(rank), h.min), h.max), true
	}
}

// nearestRank returns ceil(p% of n), at least 1. Decimal percentages such as
// 99.9 are not exact in binary; 99.9 % of 1,000 must still be 999, so an excess
// that rounding alone can explain does not count.
func nearestRank(p float64, n uint64) uint64 {
	if p == 100 {
		return n
	}
	exact := p * float64(n) / 100
	rank := uint64(math.Ceil(exact - min(exact*0x1p-51, 0.5)))
	return min(max(rank, 1), n)
}
