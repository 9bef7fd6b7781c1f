package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// machine makes figures with the noise of a shared machine: Student's t with 3 degrees of freedom on a log scale, which
// has far outliers, scaled to a standard deviation, and a slow drift that is the same for both programs.
type machine struct {
	rng   *rand.Rand
	noise float64
	drift float64
}

func newMachine(seed uint64, noise float64) *machine {
	return &machine{rng: rand.New(rand.NewPCG(seed, 7)), noise: noise}
}

// figure returns the next figure of a program whose true figure is the given one.
func (m *machine) figure(truth float64) float64 {
	chi := 0.0
	for range 3 {
		x := m.rng.NormFloat64()
		chi += x * x
	}
	t := m.rng.NormFloat64() / math.Sqrt(chi/3)
	return truth * math.Exp(m.noise*t/math.Sqrt(3)+m.drift)
}

// round measures both sides in turns, as collect does, and moves the machine's drift along.
func (m *machine) round(round int, base, head *[]samples.Sample, shift float64) {
	order := [4]bool{false, true, true, false} // whether it is head's turn
	if round%2 == 0 {
		order = [4]bool{true, false, false, true}
	}
	slots := map[bool]int{}
	for _, turn := range order {
		m.drift += 0.1 * m.noise * m.rng.NormFloat64()
		m.drift *= 0.99
		slots[turn]++
		s := samples.Sample{Round: round, Slot: slots[turn]}
		if turn {
			s.Value = m.figure(100 * shift)
			*head = append(*head, s)
		} else {
			s.Value = m.figure(100)
			*base = append(*base, s)
		}
	}
}

var twoPercent = budget.Budget{
	File: "budgets.txt", Line: 1, Name: "BenchmarkA", Unit: "sec/op", Op: budget.AtMost, Kind: budget.VersusBase, Limit: 1.02,
}

// widen measures until there is a verdict or the limit of rounds is reached.
func (m *machine) widen(shift float64, limit int) Verdict {
	var base, head []samples.Sample
	for n := 10; ; n = min(2*n, limit) {
		for round := len(base)/2 + 1; round <= n; round++ {
			m.round(round, &base, &head, shift)
		}
		v := Verdict{Budget: twoPercent, Benchmark: "BenchmarkA"}
		judgeRatio(&v, base, head)
		if v.State != Cannot || n == limit {
			return v
		}
	}
}

// rates counts the states of many trials, which it spreads over two goroutines; every trial has a seed of its own.
func rates(trials int, trial func(seed uint64) Verdict) map[State]int {
	var next atomic.Uint64
	var mu sync.Mutex
	counts := map[State]int{}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for seed := next.Add(1); seed <= uint64(trials); seed = next.Add(1) {
				v := trial(seed)
				mu.Lock()
				counts[v.State]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return counts
}

const trials = 400

func requireRates(t *testing.T, what string, counts map[State]int, ok bool) {
	t.Helper()
	t.Logf("%s: %d trials, %d in budget, %d over, %d cannot judge", what, trials, counts[In], counts[Over], counts[Cannot])
	if !ok {
		t.Errorf("%s: these rates are not good enough", what)
	}
}

// The limit of 20,000 rounds is not the default, which is 80: it shows that the method decides in the end, at any noise.
func TestWideningFindsTheShiftAndLetsNoisePass(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of simulated runs")
	}
	for _, noise := range []float64{0.01, 0.05, 0.20} {
		t.Run(fmt.Sprintf("noise=%v", noise), func(t *testing.T) {
			shifted := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).widen(1.04, 20_000) })
			requireRates(t, "4 % slower, budget 2 %", shifted, shifted[Over]*100 >= trials*99)
			equal := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).widen(1, 20_000) })
			requireRates(t, "equal, budget 2 %", equal, equal[Over]*100 <= trials && equal[In]*100 >= trials*99)
		})
	}
}

func TestSingleLookAtTenRounds(t *testing.T) {
	for _, noise := range []float64{0.01, 0.05, 0.20} {
		t.Run(fmt.Sprintf("noise=%v", noise), func(t *testing.T) {
			equal := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).widen(1, 10) })
			wide := noise < 0.05 || equal[Cannot]*100 >= trials*99
			requireRates(t, "equal, budget 2 %", equal, equal[Over]*100 <= trials && wide)
			shifted := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).widen(1.04, 10) })
			requireRates(t, "4 % slower, budget 2 %", shifted, shifted[In]*100 <= trials)
		})
	}
}

// unpaired measures one program after the other on a machine that does not drift.
func (m *machine) unpaired(shift float64, n int) Verdict {
	var base, head []samples.Sample
	for range n {
		base = append(base, samples.Sample{Value: m.figure(100)})
		head = append(head, samples.Sample{Value: m.figure(100 * shift)})
	}
	v := Verdict{Budget: twoPercent, Benchmark: "BenchmarkA"}
	judgeRatio(&v, base, head)
	return v
}

func TestSingleLookWithoutRounds(t *testing.T) {
	for _, noise := range []float64{0.01, 0.05, 0.20} {
		for _, n := range []int{10, 40} {
			t.Run(fmt.Sprintf("noise=%v/n=%d", noise, n), func(t *testing.T) {
				equal := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).unpaired(1, n) })
				requireRates(t, "equal, budget 2 %", equal, equal[Over]*100 <= trials)
				shifted := rates(trials, func(seed uint64) Verdict { return newMachine(seed, noise).unpaired(1.04, n) })
				enough := noise > 0.01 || n < 40 || shifted[Over]*100 >= trials*99
				requireRates(t, "4 % slower, budget 2 %", shifted, shifted[In]*100 <= trials && enough)
			})
		}
	}
}

// TestIntervalsHoldTheTruth measures how often the 99 % intervals miss, small sizes by the counted distributions and large
// ones by the normal one. Of 4,000 intervals 40 may miss; 66 is four standard deviations more.
func TestIntervalsHoldTheTruth(t *testing.T) {
	const intervals = 4000
	for _, sizes := range [][2]int{{10, 10}, {10, 39}, {25, 25}, {10, 60}, {40, 40}, {100, 100}} {
		missed := map[string]int{}
		rng := rand.New(rand.NewPCG(11, uint64(sizes[0]*1000+sizes[1])))
		for range intervals {
			x, y := make([]float64, sizes[0]), make([]float64, sizes[1])
			for i := range x {
				x[i] = rng.NormFloat64()
			}
			for i := range y {
				y[i] = rng.NormFloat64()
			}
			for name, iv := range map[string]interval{
				"rank sum": rankSum(x, y), "signed rank": signedRank(y), "median": median(y, "sec/op"),
			} {
				if iv.low > 0 || iv.high < 0 {
					missed[name]++
				}
			}
		}
		t.Logf("sizes %v: %v of %d intervals missed", sizes, missed, intervals)
		for name, n := range missed {
			if n > 66 {
				t.Errorf("sizes %v, %s: %d of %d intervals missed the truth", sizes, name, n, intervals)
			}
		}
	}
}
