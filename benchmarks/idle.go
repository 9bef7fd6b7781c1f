package benchmarks

import (
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// An idle rollup costs so little that two long runs cannot show it. Short groups of appends alternate between two
// stores, and their means are compared. Fresh pairs of stores take turns, because where a store happens to lie in
// memory can matter more than what is measured.
const (
	IdleGroup  = 1 << 12 // appends whose mean is one value: whole segments, so that each does the same maintenance
	IdleStores = 8       // pairs of stores that even out where they lie
	idleLaps   = 3       // how often a store is filled beforehand, so that memory is being used again
)

// IdleRatios compares appends to a store with event times and a registered rollup that nobody asks to appends to one
// without it. With rollup false neither has one, which shows how far the method itself strays from 1.
func IdleRatios(rollup bool, stores, groups int) []float64 {
	return IdleRatiosOf(func(with bool) Design { return Timed(Capacity, rollup && with) }, stores, groups)
}

// IdleRatiosOf compares appends to a design with something idle to appends to one without it. It returns one ratio, with
// over without, for each pair of stores: the median over its pairs of groups.
func IdleRatiosOf(open func(with bool) Design, stores, groups int) []float64 {
	ratios := make([]float64, 0, stores)
	for pair := range stores {
		var d [2]Design // without, with
		for k := range d {
			i := (k + pair) & 1 // the second one made may get better memory
			d[i] = open(i == 1)
		}
		for i := range d {
			measure.Drive(1, idleLaps*Capacity, 0, d[i].Append)
		}
		ratios = append(ratios, measure.Summarize(alternate(d, groups)).Median)
		d[0].Close()
		d[1].Close()
	}
	return ratios
}

// alternate returns, for each pair of groups, the mean cost of the second design over that of the first.
func alternate(d [2]Design, pairs int) []float64 {
	ratios := make([]float64, 0, pairs)
	for p := range pairs {
		var took [2]time.Duration
		for k := range d {
			i := (k + p) & 1 // neither is always second
			op := d[i].Append
			start := time.Now()
			for x := range uint64(IdleGroup) {
				op(x)
			}
			took[i] = time.Since(start)
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	return ratios
}
