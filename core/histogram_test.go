//go:build !explore

package core

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func histogramOf(values ...float64) *Histogram {
	h := new(Histogram)
	for _, v := range values {
		h.Add(v)
	}
	return h
}

// exactRank is the nearest rank for p given in thousandths of a percent.
func exactRank(milli, n int) int { return max(int((int64(milli)*int64(n)+99_999)/100_000), 1) }

// checkHistogram compares with the sorted finite values themselves.
func checkHistogram(t *testing.T, h *Histogram, values []float64, nonFinite int) {
	t.Helper()
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	n := len(sorted)
	if h.Count() != uint64(n) || h.NonFinite() != uint64(nonFinite) {
		t.Fatalf("count %d and %d not finite, want %d and %d", h.Count(), h.NonFinite(), n, nonFinite)
	}
	low, okLow := h.Min()
	high, okHigh := h.Max()
	if n == 0 {
		if _, ok := h.Percentile(50); ok || okLow || okHigh {
			t.Fatal("an empty histogram has answers")
		}
		return
	}
	if low != sorted[0] || high != sorted[n-1] || !okLow || !okHigh {
		t.Fatalf("from %v to %v, want from %v to %v", low, high, sorted[0], sorted[n-1])
	}
	last := math.Inf(-1)
	for _, milli := range []int{0, 1, 1000, 10_000, 25_000, 33_333, 50_000, 75_000, 90_000, 95_000, 99_000, 99_900, 99_990, 99_999, 100_000} {
		got, ok := h.Percentile(float64(milli) / 1000)
		want := sorted[exactRank(milli, n)-1]
		if !ok || math.Abs(got/2-want/2) > HistogramPrecision*math.Abs(want/2) {
			t.Fatalf("p%v of %d = %v, want %v", float64(milli)/1000, n, got, want)
		}
		if got < low || got > high || got < last {
			t.Fatalf("p%v = %v, but min %v, max %v, the percentile before %v", float64(milli)/1000, got, low, high, last)
		}
		last = got
	}
}

func TestHistogramCases(t *testing.T) {
	largest, least := math.MaxFloat64, math.SmallestNonzeroFloat64
	for name, values := range map[string][]float64{
		"empty":      nil,
		"zero":       {0},
		"zeros":      {0, math.Copysign(0, -1), 0},
		"one":        {42},
		"one twice":  {42, 42},
		"both signs": {-3, -2, -1, 0, 1, 2, 3},
		"extremes":   {-largest, -least, 0, least, largest},
		"subnormal":  {least, 2 * least, 3 * least, 63 * least, 64 * least, 127 * least, 129 * least, 1000 * least},
		"boundary":   {0x1p-1022, math.Nextafter(0x1p-1022, 0), math.Nextafter(0x1p-1022, 1)},
		"powers":     {1, 2, 4, 8, 16, math.Nextafter(16, 0), math.Nextafter(1, 0)},
		"largest":    {largest, largest, math.Nextafter(largest, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			checkHistogram(t, histogramOf(values...), values, 0)
			mixed := append([]float64{math.NaN(), math.Inf(-1)}, values...)
			checkHistogram(t, histogramOf(append(mixed, math.Inf(1))...), values, 3)
		})
	}
}

// No answer may tell which sign of zero came first.
func TestHistogramNegativeZero(t *testing.T) {
	negative := math.Copysign(0, -1)
	for _, values := range [][]float64{{negative}, {0, negative}, {negative, 0}, {1, negative}, {-1, negative}, {negative, 1}, {negative, -1}} {
		h := histogramOf(values...)
		for _, p := range []float64{0, 50, 100} {
			if v, _ := h.Percentile(p); v == 0 && math.Signbit(v) {
				t.Errorf("%v: p%v is -0", values, p)
			}
		}
	}
}

func TestHistogramPercentileArguments(t *testing.T) {
	h := histogramOf(1, 2, 3)
	for _, p := range []float64{-0.001, 100.001, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if v, ok := h.Percentile(p); ok || v != 0 {
			t.Errorf("p%v = %v, %v", p, v, ok)
		}
	}
	if v, ok := h.Percentile(math.Copysign(0, -1)); !ok || v != 1 {
		t.Errorf("p-0 = %v, %v", v, ok)
	}
}

// Decimal percentages in binary must not push the rank up by one.
func TestNearestRank(t *testing.T) {
	for n := 1; n <= 100_000; n += 1 + n/7 {
		for milli := 0; milli <= 100_000; milli += 37 {
			if got := nearestRank(float64(milli)/1000, uint64(n)); got != uint64(exactRank(milli, n)) {
				t.Fatalf("p%v of %d is rank %d, want %d", float64(milli)/1000, n, got, exactRank(milli, n))
			}
		}
	}
	for _, c := range []struct {
		p       float64
		n, want uint64
	}{
		{99.9, 1000, 999},
		{99.9, 1001, 1000},
		{99.9, 41_000, 40_959},
		{99.9, 41_001, 40_960},
		{99.9, 167_000, 166_833},
		{0.1, 1000, 1},
		{7, 100, 7},
		{14.3, 1000, 143},
		{50, 1, 1},
		{100, math.MaxUint64, math.MaxUint64},
		{50, math.MaxUint64, 1 << 63},
		{5e-324, 9, 1},
	} {
		if got := nearestRank(c.p, c.n); got != c.want {
			t.Errorf("p%v of %d is rank %d, want %d", c.p, c.n, got, c.want)
		}
	}
	if got := nearestRank(math.Nextafter(100, 0), math.MaxUint64); got < math.MaxUint64/100*99 {
		t.Errorf("just below 100 %% of 2^64 is rank %d", got)
	}
}

// anyFinite draws over all bit patterns: every exponent is as likely as another.
func anyFinite(r *rand.Rand) float64 {
	for {
		if v := math.Float64frombits(r.Uint64()); v-v == 0 {
			return v
		}
	}
}

func TestHistogramKeysAscend(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	values := []float64{0, math.MaxFloat64, -math.MaxFloat64, 5e-324, -5e-324, 0x1p-1022, -0x1p-1022}
	for range 20_000 {
		values = append(values, anyFinite(r), math.Ldexp(r.Float64()-0.5, -1000-r.IntN(80)))
	}
	slices.Sort(values)
	// order makes one ascending number of sign, slot and place.
	order := func(v float64) int {
		if v == 0 {
			return 0
		}
		slot, sub := histKey(v)
		if positive := slot&1 == 1; positive != (v > 0) || slot >= histSlots || sub >= histSubs {
			t.Fatalf("%v lies in slot %d, place %d", v, slot, sub)
		}
		key := int(slot>>1*histSubs+sub) + 1
		if v < 0 {
			return -key
		}
		return key
	}
	for i, v := range values {
		if i > 0 && order(v) < order(values[i-1]) {
			t.Fatalf("%v and %v: buckets do not ascend", values[i-1], v)
		}
		if v == 0 {
			continue
		}
		middle := histValue(histKey(v))
		if math.Abs(middle/2-v/2) > HistogramPrecision*math.Abs(v/2) || order(middle) != order(v) {
			t.Fatalf("%v lies in the bucket around %v, which lies in another", v, middle)
		}
	}
}

func TestHistogramAgainstSortedValues(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 210 {
		values := make([]float64, r.IntN(3000))
		for i := range values {
			if round%7 == 6 {
				values[i] = anyFinite(r)
			} else {
				values[i] = randomFloat(r, round%7)
			}
		}
		checkHistogram(t, histogramOf(values...), values, 0)
	}
}

// histogramContent is the content apart from how it is stored.
func histogramContent(h *Histogram) string {
	b := &h.buckets
	counts := map[string]uint64{}
	for i, entry := range b.index {
		if entry == 0 {
			continue
		}
		for sub, count := range b.page(entry, new(histPage)) {
			if count != 0 {
				counts[fmt.Sprint(b.first+uint32(i), ":", sub)] = count
			}
		}
	}
	return fmt.Sprint(h.count, h.nonFinite, h.min, h.max, b.zeros, counts)
}

func histogramCopy(h *Histogram) *Histogram {
	c := *h
	b := &c.buckets
	b.index, b.nodes = slices.Clone(b.index), slices.Clone(b.nodes)
	b.packed, b.pages = slices.Clone(b.packed), slices.Clone(b.pages)
	return &c
}

// Parts of all sizes and forms, merged in random order and in random trees,
// give the content of one histogram of everything and stay as they were.
func TestHistogramMergeInAnyOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 60 {
		var all []float64
		var list []*Histogram
		whole := new(Histogram)
		for range 1 + r.IntN(12) {
			part := new(Histogram)
			for range r.IntN(1 << r.IntN(12)) {
				v := randomFloat(r, round)
				if r.IntN(50) == 0 {
					v = anyFinite(r)
				}
				all = append(all, v)
				part.Add(v)
				whole.Add(v)
			}
			part.Add(math.NaN())
			whole.Add(math.NaN())
			list = append(list, part)
		}
		parts := len(list)
		for len(list) > 1 {
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			into, from := list[0], list[1]
			if r.IntN(2) == 0 { // into an empty one first: what Zero and Merge do
				into = new(Histogram)
				into.Merge(list[0])
			}
			before := histogramContent(from)
			into.Merge(from)
			into.Add(1)
			whole.Add(1)
			all = append(all, 1)
			if histogramContent(from) != before {
				t.Fatal("merging or adding later changed what was merged")
			}
			list = append(list[2:], into)
		}
		if got, want := histogramContent(list[0]), histogramContent(whole); got != want {
			t.Fatalf("merged: %s\nwhole:  %s", got, want)
		}
		checkHistogram(t, list[0], all, parts)
	}
}

func TestHistogramMergeWithItself(t *testing.T) {
	for _, n := range []int{0, 10, 1000, 5000} {
		values := benchmarkValues(n)
		h := histogramOf(values...)
		h.Merge(h)
		checkHistogram(t, h, append(values, values...), 0)
	}
}

// A bucket with more than the packed form can count.
func TestHistogramPackedOverflow(t *testing.T) {
	h := new(Histogram)
	for i := range math.MaxUint16 + 2 {
		if h.Add(7); h.buckets.pages != nil != (i >= math.MaxUint16) {
			t.Fatalf("after %d equal numbers: pages %v", i+1, h.buckets.pages != nil)
		}
	}
	a, b := new(Histogram), new(Histogram)
	for range 40_000 {
		a.Add(3)
		b.Add(3)
	}
	a.Merge(b)
	checkHistogram(t, a, slices.Repeat([]float64{3}, 80_000), 0)
}

func histogramBytes(h *Histogram) int {
	b := &h.buckets
	return 2*cap(b.index) + 16*cap(b.nodes) + 2*cap(b.packed) + 8*histSubs*cap(b.pages)
}

func TestHistogramMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for kind, limit := range []int{0: 2048, 1: 4096, 2: 4096, 3: 1024, 4: 32 << 10, 5: 4096, 6: 32 << 10} {
		h := new(Histogram)
		for range 1024 {
			if kind == 6 {
				h.Add(anyFinite(r))
			} else {
				h.Add(randomFloat(r, kind))
			}
		}
		if n := histogramBytes(h); n > limit || h.buckets.pages != nil {
			t.Errorf("kind %d: %d bytes for 1,024 numbers, want %d at most; pages %v", kind, n, limit, h.buckets.pages != nil)
		} else {
			t.Logf("kind %d: %d bytes", kind, n)
		}
	}
	wide := new(Histogram)
	for range 200_000 {
		wide.Add(anyFinite(r))
	}
	if n := len(wide.buckets.pages); n > histSlots || n < histSlots/2 || len(wide.buckets.index) > histSlots {
		t.Errorf("%d pages, %d entries for %d slots", n, len(wide.buckets.index), histSlots)
	}
}

func TestHistogramAddDoesNotAllocate(t *testing.T) {
	values := benchmarkValues(1024)
	for _, n := range []int{500, 100_000} {
		h := new(Histogram)
		for i := range n {
			h.Add(values[i&1023])
		}
		i := 0
		if allocs := testing.AllocsPerRun(400, func() { h.Add(values[i&255]); i++ }); allocs != 0 {
			t.Errorf("%v allocations with %d numbers in", allocs, n)
		}
	}
}

// The content is cut into numbers of 8 bytes; the first byte says where they
// are divided over two histograms.
func FuzzHistogramError(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("\x02abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 239, 127, 255, 255, 255, 255, 255, 255, 239, 255, 0, 0, 0, 0, 0, 0, 240, 127})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		cut, data := int(data[0]), data[1:]
		var values []float64
		nonFinite := 0
		parts := [2]Histogram{}
		for i := 0; i+8 <= len(data); i += 8 {
			v := math.Float64frombits(le64(string(data[i : i+8])))
			if v-v == 0 {
				values = append(values, v)
			} else {
				nonFinite++
			}
			if i/8 < cut {
				parts[0].Add(v)
			} else {
				parts[1].Add(v)
			}
		}
		other := histogramCopy(&parts[1])
		other.Merge(&parts[0])
		parts[0].Merge(&parts[1])
		checkHistogram(t, &parts[0], values, nonFinite)
		if a, b := histogramContent(&parts[0]), histogramContent(other); a != b {
			t.Fatalf("merged one way: %s\nthe other way: %s", a, b)
		}
	})
}

func BenchmarkHistogram(b *testing.B) {
	values := benchmarkValues(1 << 20)
	folds := make([]*Histogram, 1024)
	for i := range folds {
		folds[i] = histogramOf(values[i*1024 : (i+1)*1024]...)
	}
	b.Run("Fold=1024", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			histogramOf(values[i&1023*1024 : i&1023*1024+1024]...)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/value")
	})
	b.Run("AddWide", func(b *testing.B) {
		h := histogramOf(values...)
		for i := 0; b.Loop(); i++ {
			h.Add(values[i&(1<<20-1)])
		}
	})
	b.Run("Merge=1024x1024", func(b *testing.B) {
		for b.Loop() {
			into := new(Histogram)
			for _, f := range folds {
				into.Merge(f)
			}
		}
	})
	b.Run("MergeWide", func(b *testing.B) {
		into, from := histogramOf(values...), histogramOf(values...)
		for b.Loop() {
			into.Merge(from)
		}
	})
	b.Run("Percentile", func(b *testing.B) {
		h := histogramOf(values...)
		for b.Loop() {
			h.Percentile(99)
		}
	})
}
