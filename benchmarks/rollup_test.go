package benchmarks

import (
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

func timed() Design { return Timed(Capacity, false) }

func rolledUp() Design { return Timed(Capacity, true) }

// leastIdleGroups is how many pairs of groups a pair of stores needs: over fewer the first ones, which find cold caches,
// decide the median, and it came out at 0.85.
const leastIdleGroups = 64

// idle reports the median ratio of appends with an idle rollup to appends without one, over pairs of stores. An
// iteration is a group of appends to each store of a pair; its time says nothing and is not printed.
func idle(b *testing.B, rollup bool) {
	b.Helper()
	ratios := IdleRatios(rollup, IdleStores, max(b.N/IdleStores, leastIdleGroups))
	b.ReportMetric(measure.Summarize(ratios).Median, "idle-ratio")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkIdleRollup(b *testing.B) { idle(b, true) }

// Neither store has a rollup: the noise of the method.
func BenchmarkReferenceIdleNothing(b *testing.B) { idle(b, false) }

// queryInterval is how often a queried rollup is asked.
const queryInterval = 10 * time.Millisecond

// beingQueried runs work while the rollup of a full store is asked about everything a hundred times per second.
func beingQueried(b *testing.B, work func(Op)) {
	b.Helper()
	s := NewTimed(Capacity)
	defer func() { _ = s.Close() }()
	rollup := NewRollup(s)
	op := func(x uint64) { _, _ = s.Append(Make(x)) }
	measure.Drive(1, 3*Capacity, 0, op)
	var failed error
	ask := func() {
		if _, err := rollup.Query(time.Time{}, time.Time{}); err != nil {
			failed = err
		}
	}
	ask() // the first question folds every segment
	queries := measure.Every(queryInterval, ask, func() {
		b.ResetTimer()
		work(op)
		b.StopTimer()
	})
	if failed != nil {
		b.Fatal(failed)
	}
	b.ReportMetric(float64(queries), "queries")
}

func BenchmarkAppendRollupQueried(b *testing.B) {
	b.Run("design=core/writers=1", func(b *testing.B) {
		beingQueried(b, func(op Op) { measure.Drive(1, b.N, WriterShift, op) })
	})
	b.Run("design=core/writers=2", func(b *testing.B) {
		beingQueried(b, func(op Op) { measure.Drive(2, b.N, WriterShift, op) })
	})
}

func BenchmarkAppendRollupQueriedLatency(b *testing.B) {
	b.Run("design=core/writers=1", func(b *testing.B) {
		var h *measure.Histogram
		beingQueried(b, func(op Op) { h = measure.Latency(1, b.N, WriterShift, op) })
		percentiles(b, h)
	})
}

// overRanges runs f over three kinds of ranges.
func overRanges(b *testing.B, f func(*Window, Range)) {
	b.Helper()
	w := NewWindow(1 << 20)
	defer func() { _ = w.Store.Close() }()
	for _, c := range []struct {
		name string
		list []Range
	}{{"all", w.All()}, {"last1%", w.LastPercent()}, {"random", w.Random(16)}} {
		b.Run("range="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				f(w, c.list[i%len(c.list)])
			}
		})
	}
}

func BenchmarkWindowQuery(b *testing.B) { overRanges(b, func(w *Window, r Range) { w.Query(r) }) }

func BenchmarkReferenceWindowScan(b *testing.B) {
	overRanges(b, func(w *Window, r Range) { w.Scan(r) })
}
