//go:build !explore

package core

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func summaryOf(values ...float64) Summary {
	var s Summary
	for _, v := range values {
		s.Add(v)
	}
	return s
}

func TestSummary(t *testing.T) {
	nan, inf, largest := math.NaN(), math.Inf(1), math.MaxFloat64
	for _, c := range []struct {
		name   string
		values []float64
		want   Summary
		avg    float64
		ok     bool
	}{
		{"empty", nil, Summary{}, 0, false},
		{"three", []float64{10, 20, 30}, Summary{Count: 3, Sum: 60, Min: 10, Max: 30}, 20, true},
		{"eight", []float64{10, 20, 30, 40, 50, 60, 70, 80}, Summary{Count: 8, Sum: 360, Min: 10, Max: 80}, 45, true},
		{"one negative", []float64{-5}, Summary{Count: 1, Sum: -5, Min: -5, Max: -5}, -5, true},
		{"all negative", []float64{-5, -7}, Summary{Count: 2, Sum: -12, Min: -7, Max: -5}, -6, true},
		{"all positive", []float64{7, 5}, Summary{Count: 2, Sum: 12, Min: 5, Max: 7}, 6, true},
		{"only not finite", []float64{nan, inf, -inf}, Summary{NonFinite: 3}, 0, false},
		{"not finite first", []float64{nan, 4}, Summary{Count: 1, NonFinite: 1, Sum: 4, Min: 4, Max: 4}, 4, true},
		{"not finite amid", []float64{4, inf, 2, nan, -inf}, Summary{Count: 2, NonFinite: 3, Sum: 6, Min: 2, Max: 4}, 3, true},
		{"small beside huge", []float64{1, 1e100, 1, -1e100}, Summary{Count: 4, Sum: 2, Min: -1e100, Max: 1e100}, 0.5, true},
		{"tenths", []float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, Summary{Count: 10, Sum: 1, Min: .1, Max: .1}, .1, true},
		{"overflow", []float64{largest, largest, -1}, Summary{Count: 3, Sum: inf, Min: -1, Max: largest}, inf, true},
		{"overflow by what rounding lost", []float64{largest, 0x1p969, 0x1p969}, Summary{Count: 3, Sum: inf, Min: 0x1p969, Max: largest}, inf, true},
		{"overflow downwards", []float64{-largest, -largest}, Summary{Count: 2, Sum: -inf, Min: -largest, Max: -largest}, -inf, true},
		{"subnormal", []float64{5e-324, 5e-324}, Summary{Count: 2, Sum: 1e-323, Min: 5e-324, Max: 5e-324}, 5e-324, true},
	} {
		got := summaryOf(c.values...)
		if avg, ok := got.Average(); avg != c.avg || ok != c.ok {
			t.Errorf("%s: average %v, %v; want %v, %v", c.name, avg, ok, c.avg, c.ok)
		}
		if got.lost = 0; got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Zero of either sign must not make Min and Max depend on the order.
func TestSummaryNegativeZero(t *testing.T) {
	negative := math.Copysign(0, -1)
	for _, values := range [][]float64{{0, negative}, {negative, 0}} {
		s := summaryOf(values...)
		if !math.Signbit(s.Min) || math.Signbit(s.Max) {
			t.Errorf("%v: min %v, max %v", values, s.Min, s.Max)
		}
	}
}

func TestSummaryMerge(t *testing.T) {
	parts := [][]float64{nil, {3}, {-2, math.NaN()}, {math.Inf(1)}, {1, 2}, {1e100, 1}, {-1e100}}
	for _, a := range parts {
		for _, b := range parts {
			into, from := summaryOf(a...), summaryOf(b...)
			before := from
			into.Merge(&from)
			if from != before {
				t.Errorf("merging %v into %v changed it to %+v", b, a, from)
			}
			want := summaryOf(append(append([]float64{}, a...), b...)...)
			if into.Sum != want.Sum || into.Count != want.Count || into.NonFinite != want.NonFinite ||
				into.Min != want.Min || into.Max != want.Max {
				t.Errorf("%v and %v: got %+v, want %+v", a, b, into, want)
			}
		}
	}
	twice := summaryOf(1, 2, math.NaN())
	twice.Merge(&twice)
	if twice.Count != 4 || twice.Sum != 6 || twice.NonFinite != 2 {
		t.Errorf("merged with itself: %+v", twice)
	}
	up, down := summaryOf(math.MaxFloat64, math.MaxFloat64), summaryOf(1, 2)
	up.Merge(&down)
	if !math.IsInf(up.Sum, 1) {
		t.Errorf("an overflowed sum became %v by merging", up.Sum)
	}
}

// randomFloat draws from distributions that differ in spread and sign.
func randomFloat(r *rand.Rand, kind int) float64 {
	switch kind % 6 {
	case 0:
		return r.Float64()
	case 1:
		return r.NormFloat64() * 1000
	case 2:
		return math.Exp(r.NormFloat64() * 3)
	case 3:
		return float64(r.IntN(20) - 10)
	case 4: // any magnitude whose sums stay in range
		return math.Ldexp(r.Float64()-0.5, r.IntN(1900)-1000)
	default: // cancels
		return math.Copysign(math.Ldexp(1+float64(r.IntN(8)), r.IntN(60)), r.Float64()-0.5)
	}
}

// However the numbers are split over summaries, the sum is within two units in
// the last place of the exact one (plain addition is off by thousands).
func TestSummarySumIsAccurate(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 120 {
		exact := new(big.Float).SetPrec(2400)
		magnitude := 0.0
		var total Summary
		for range 1 + r.IntN(20) {
			var part Summary
			for range r.IntN(300) {
				v := randomFloat(r, round)
				exact.Add(exact, new(big.Float).SetFloat64(v))
				magnitude += math.Abs(v)
				part.Add(v)
			}
			total.Merge(&part)
		}
		want, _ := exact.Float64()
		// The second term is what even doubled precision cannot keep of what cancelled.
		tolerance := 2*math.Abs(math.Nextafter(want, math.Inf(1))-want) + magnitude*0x1p-80
		if math.Abs(total.Sum-want) > tolerance {
			t.Fatalf("round %d: sum %v, want %v ± %v", round, total.Sum, want, tolerance)
		}
	}
}

// One instance per kind of Number proves that the constraint admits it.
func numberSum[N Number](values ...N) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum
}

func TestNumberAdmits(t *testing.T) {
	type celsius float32
	type cents int64
	got := numberSum[int](1) + numberSum[int8](1) + numberSum[int16](1) + numberSum[int32](1) + numberSum[int64](1) +
		numberSum[uint](1) + numberSum[uint8](1) + numberSum[uint16](1) + numberSum[uint32](1) + numberSum[uint64](1) +
		numberSum[uintptr](1) + numberSum[float32](1) + numberSum[float64](1) + numberSum[celsius](1) + numberSum[cents](1)
	if got != 15 {
		t.Errorf("got %v, want 15", got)
	}
}

func TestSummaryDoesNotAllocate(t *testing.T) {
	var s Summary
	other := summaryOf(1, 2, 3)
	if n := testing.AllocsPerRun(100, func() { s.Add(1.5); s.Merge(&other) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchmarkValues(n int) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	for i := range values {
		values[i] = math.Exp(r.NormFloat64())
	}
	return values
}

func BenchmarkSummary(b *testing.B) {
	values := benchmarkValues(1024)
	b.Run("Add", func(b *testing.B) {
		var s Summary
		for i := 0; b.Loop(); i++ {
			s.Add(values[i&1023])
		}
	})
	b.Run("loop=1024", func(b *testing.B) {
		for b.Loop() {
			var s Summary
			for _, v := range values {
				s.add(v)
			}
			s.settle()
		}
	})
	b.Run("Merge", func(b *testing.B) {
		s, other := summaryOf(values...), summaryOf(values...)
		for b.Loop() {
			s.Merge(&other)
		}
	})
}
