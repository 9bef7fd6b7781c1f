package gate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The critical values that textbooks print for 1 % on both sides together.
func TestCriticalValues(t *testing.T) {
	for n, want := range map[int]int{7: -1, 8: 0, 10: 3, 15: 15, 20: 37, 25: 68, 30: 109, 50: 373} {
		if got := signedRankOut(n); got != want {
			t.Errorf("signed rank, n = %d: %d, want %d", n, got, want)
		}
	}
	for sizes, want := range map[[2]int]int{{3, 3}: -1, {5, 5}: 0, {10, 10}: 16, {10, 20}: 42, {20, 10}: 42, {20, 20}: 105} {
		if got := rankSumOut(sizes[0], sizes[1]); got != want {
			t.Errorf("rank sum, sizes %v: %d, want %d", sizes, got, want)
		}
	}
}

// Both ways to find a critical value agree where one takes over from the other.
func TestNormalContinuesTheCounts(t *testing.T) {
	if exact, normal := signedRankOut(exactSize), normalQuantile(50*51/4., 50*51*101/24.); math.Abs(float64(exact-normal)) > 5 {
		t.Errorf("signed rank of 50: counted %d, normal %d", exact, normal)
	}
	if exact, normal := rankSumOut(25, 25), normalQuantile(25*25/2., 25*25*51/12.); math.Abs(float64(exact-normal)) > 3 {
		t.Errorf("rank sum of 25 and 25: counted %d, normal %d", exact, normal)
	}
}

// pick is ranked by sorting everything.
func pick(sums []float64, out int) interval {
	slices.Sort(sums)
	n := len(sums)
	middle := (sums[(n-1)/2] + sums[n/2]) / 2
	if n%2 == 1 {
		middle = sums[n/2]
	}
	if out < 0 {
		return interval{middle, math.Inf(-1), math.Inf(1)}
	}
	return interval{middle, sums[out], sums[n-1-out]}
}

// Small whole numbers make ties, zeros of both signs and both signs of values.
func draw(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		switch rng.IntN(3) {
		case 0:
			out[i] = float64(rng.IntN(7) - 3)
		case 1:
			out[i] = math.Copysign(0, float64(rng.IntN(2))-0.5)
		default:
			out[i] = rng.NormFloat64() * math.Pow(10, float64(rng.IntN(9)-6))
		}
	}
	return out
}

func TestRanksEqualSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		x, y := draw(rng, 1+rng.IntN(30)), draw(rng, 1+rng.IntN(30))
		var sums, differences []float64
		for i, v := range y {
			for _, w := range y[i:] {
				sums = append(sums, v+w)
			}
			for _, w := range x {
				differences = append(differences, v-w)
			}
		}
		want := pick(sums, signedRankOut(len(y)))
		want = interval{want.estimate / 2, want.low / 2, want.high / 2}
		if got := signedRank(y); got != want {
			t.Fatalf("signed rank of %v: %v, want %v", y, got, want)
		}
		if got, want := rankSum(x, y), pick(differences, rankSumOut(len(x), len(y))); got != want {
			t.Fatalf("rank sum of %v and %v: %v, want %v", x, y, got, want)
		}
	}
}

func TestOrderIsThatOfNumbers(t *testing.T) {
	list := []float64{
		math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0,
		math.SmallestNonzeroFloat64, 1, 2, math.MaxFloat64, math.Inf(1),
	}
	for i, x := range list {
		if back := inOrder(order(x)); math.Float64bits(back) != math.Float64bits(x) {
			t.Errorf("%v comes back as %v", x, back)
		}
		if i > 0 && order(list[i-1]) >= order(x) {
			t.Errorf("%v is not before %v", list[i-1], x)
		}
	}
}

// 10,000 rounds make 50 million Walsh averages; listing them would take seconds and 400 MB.
func TestManyRounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	d := make([]float64, 10_000)
	for i := range d {
		d[i] = 0.03 + rng.NormFloat64()
	}
	counted := testing.AllocsPerRun(1, func() { _ = signedRank(d) })
	iv := signedRank(d)
	if !(iv.low < 0.03 && 0.03 < iv.high && iv.high-iv.low < 0.06) {
		t.Errorf("interval %v does not hold 0.03 closely", iv)
	}
	if counted > 30 {
		t.Errorf("%v allocations", counted)
	}
}
