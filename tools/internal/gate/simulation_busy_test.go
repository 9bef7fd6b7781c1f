package gate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// busy is a machine on which something else runs at random: it makes single runs slower by a factor of 2 to 5.
type busy struct {
	*machine
	// often is how often that hits a run of the reference. A benchmark that uses two processors is hit when either is taken.
	often      float64
	processors int
}

func (b busy) run(truth float64, processors int) float64 {
	value := b.figure(truth)
	for range processors {
		if b.rng.Float64() < b.often {
			return value * (2 + 3*b.rng.Float64())
		}
	}
	return value
}

var twiceTheReference = budget.Budget{
	File: "budgets.txt", Line: 1, Name: "BenchmarkA", Unit: "sec/op", Op: budget.AtMost, Kind: budget.Relative, Limit: 2,
	Reference: "BenchmarkR",
}

// widen measures a benchmark, true ratio given, and its reference, as collect does without a base.
func (b busy) widen(ratio float64, limit int) Verdict {
	var figures, reference []samples.Sample
	for n := 10; ; n = min(2*n, limit) {
		for round := len(figures)/2 + 1; round <= n; round++ {
			for slot := 1; slot <= 2; slot++ {
				figures = append(figures, samples.Sample{Value: b.run(100*ratio, b.processors), Round: round, Slot: slot})
			}
			for slot := 1; slot <= 2; slot++ {
				reference = append(reference, samples.Sample{Value: b.run(100, 1), Round: round, Slot: slot})
			}
		}
		v := Verdict{Budget: twiceTheReference, Benchmark: "BenchmarkA"}
		judgeRatio(&v, reference, figures)
		if v.State != Cannot || n == limit {
			return v
		}
	}
}

// defaultLimit is the default of benchgate run --limit.
const defaultLimit = 80

func TestBusyMachineRaisesNoAlarm(t *testing.T) {
	for _, processors := range []int{1, 2} {
		for _, often := range []float64{0.05, 0.15, 0.3, 0.45} {
			t.Run(fmt.Sprintf("processors=%d/often=%v", processors, often), func(t *testing.T) {
				kept := rates(trials, func(seed uint64) Verdict {
					return busy{newMachine(seed, 0.05), often, processors}.widen(1.6, defaultLimit)
				})
				requireRates(t, "20 % under the limit", kept, kept[Over]*100 <= trials)
			})
		}
	}
}

func TestTwiceTheLimitIsCaught(t *testing.T) {
	broken := rates(trials, func(seed uint64) Verdict { return busy{newMachine(seed, 0.05), 0, 1}.widen(4, defaultLimit) })
	requireRates(t, "twice the limit", broken, broken[Over]*100 >= trials*99)
	few := rates(trials, func(seed uint64) Verdict { return busy{newMachine(seed, 0.05), 0.05, 2}.widen(4, defaultLimit) })
	requireRates(t, "twice the limit, sometimes busy", few, few[Over]*100 >= trials*99)
}

// What docs/benchgate.md says of a limit of 2 % with 5 % noise.
func TestRoundsForTwoPercent(t *testing.T) {
	for _, limit := range []int{defaultLimit, 300} {
		shifted := rates(trials, func(seed uint64) Verdict { return newMachine(seed, 0.05).widen(1.04, limit) })
		equal := rates(trials, func(seed uint64) Verdict { return newMachine(seed, 0.05).widen(1, limit) })
		enough := limit < 300 || shifted[Over]*100 >= trials*90 && equal[In]*100 >= trials*90
		requireRates(t, fmt.Sprintf("4 %% slower, %d rounds", limit), shifted, shifted[In]*100 <= trials)
		requireRates(t, fmt.Sprintf("equal, %d rounds", limit), equal, equal[Over]*100 <= trials && enough)
	}
}

// Looking four times, at 10, 20, 40 and 80 rounds, errs more often than one look. The worst case is a program that is slower
// by exactly the limit.
func TestFourLooksAtTheLimit(t *testing.T) {
	const many = 4000
	at := rates(many, func(seed uint64) Verdict { return newMachine(seed, 0.01).widen(1.02, defaultLimit) })
	t.Logf("exactly 2 %% slower: %d trials, %d in budget, %d over, %d cannot judge", many, at[In], at[Over], at[Cannot])
	if at[Over]*100 > many*2 || at[In]*100 > many*2 {
		t.Error("four looks err more often than four times half a percent")
	}
}

// Rounds with one run each have no floor.
func TestRelativeFloorNeedsTwoSlots(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var a, r []samples.Sample
	for round := 1; round <= 10; round++ {
		a = append(a, samples.Sample{Value: 300 * (1 + rng.Float64()/100), Round: round, Slot: 1})
		r = append(r, samples.Sample{Value: 100 * (1 + rng.Float64()/100), Round: round, Slot: 1})
	}
	v := Verdict{Budget: twiceTheReference, Benchmark: "BenchmarkA"}
	judgeRatio(&v, r, a)
	if v.State != Over || v.Floor != 0 {
		t.Errorf("%v", v)
	}
}
