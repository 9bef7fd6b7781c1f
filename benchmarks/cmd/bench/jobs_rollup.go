package main

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// An idle rollup costs so little that two long runs cannot show it. Short groups of appends alternate between two
// stores, and their means are compared. Fresh pairs of stores take turns, because where a store happens to lie in
// memory can matter more than what is measured.
const (
	group      = 1 << 12 // appends whose mean is one value: whole segments, so that each does the same maintenance
	groupPairs = 64      // per pair of stores
	storePairs = 8       // per round
)

func rollupJobs() []job {
	return []job{
		{"idle rollup", func() (func(*session) error, func(), error) { return idleRollup, nothing, nil }},
		appends("no rollup", 1, full, func() benchmarks.Design { return benchmarks.Timed(benchmarks.Capacity, false) }),
		{"queried rollup", queriedRollup},
	}
}

// idleRollup adds one ratio for each pair of stores: the median over its pairs of groups.
func idleRollup(s *session) error {
	for pair := range max(2, storePairs/s.divisor) {
		var d [2]benchmarks.Design // without, with
		for k := range d {
			i := (k + pair) & 1 // the second one made may get better memory
			d[i] = benchmarks.Timed(benchmarks.Capacity, i == 1)
		}
		for i := range d {
			measure.Drive(1, laps*benchmarks.Capacity, 0, d[i].Append)
		}
		s.add("idle rollup", "", measure.Summarize(alternate(d, max(4, s.ops(groupPairs)))).Median)
		d[0].Close()
		d[1].Close()
	}
	return nil
}

// alternate returns, for each pair of groups, the mean cost with the rollup over that without.
func alternate(d [2]benchmarks.Design, pairs int) []float64 {
	ratios := make([]float64, 0, pairs)
	for p := range pairs {
		var took [2]time.Duration
		for k := range d {
			i := (k + p) & 1 // neither is always second
			op := d[i].Append
			start := time.Now()
			for x := range uint64(group) {
				op(x)
			}
			took[i] = time.Since(start)
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	return ratios
}

// queryInterval is how often a loaded rollup is asked.
const queryInterval = 100 * time.Millisecond

// queriedRollup appends at full speed while the rollup is asked about everything ten times per second.
func queriedRollup() (func(*session) error, func(), error) {
	store := benchmarks.NewTimed(benchmarks.Capacity)
	rollup := benchmarks.NewRollup(store)
	d := benchmarks.Design{
		Append:   func(x uint64) { _, _ = store.Append(benchmarks.Make(x)) },
		Appended: func() uint64 { return store.Ledger().Appended },
	}
	measure.Drive(1, laps*benchmarks.Capacity, 0, d.Append)
	run := func(s *session) error {
		var queries atomic.Int64
		var failed error
		ask := func() {
			if _, err := rollup.Query(time.Time{}, time.Time{}); err != nil {
				failed = err
			}
			queries.Add(1)
		}
		err := counted(d, func() (n int) {
			measure.Every(queryInterval, ask, func() {
				ns := 0.0
				for n == 0 || queries.Load() == 0 { // a short run goes on until there was a query
					r := measure.Drive(1, s.ops(full), 0, d.Append)
					n += r.Ops
					ns += r.Ns * float64(r.Ops)
				}
				s.add("queried rollup", "", ns/float64(n))
			})
			return n
		})
		s.add("queried rollup", " queries", float64(queries.Load()))
		return errors.Join(err, failed)
	}
	return run, func() { _ = store.Close() }, nil
}
