package main

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

const groupPairs = 64 // pairs of groups of appends per pair of stores

func rollupJobs() []job {
	return []job{
		{"idle rollup", func() (func(*session) error, func(), error) { return idleRollup, nothing, nil }},
		appends("no rollup", 1, full, func() benchmarks.Design { return benchmarks.Timed(benchmarks.Capacity, false) }),
		{"queried rollup", queriedRollup},
	}
}

// idleRollup adds one ratio for each pair of stores.
func idleRollup(s *session) error {
	stores := max(2, benchmarks.IdleStores/s.divisor)
	for _, ratio := range benchmarks.IdleRatios(true, stores, max(4, s.ops(groupPairs))) {
		s.add("idle rollup", "", ratio)
	}
	return nil
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
