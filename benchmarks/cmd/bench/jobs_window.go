package main

import (
	"sync"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Each question is asked often enough to be timed: a scan of the whole window takes milliseconds, a query microseconds.
const (
	randomRanges = 16
	scanRepeats  = 16
	askRepeats   = 3200
)

func windowJobs() []job {
	var mu sync.Mutex
	var w *benchmarks.Window
	users := 0
	take := func() *benchmarks.Window { // all jobs share one window
		mu.Lock()
		defer mu.Unlock()
		if users++; w == nil {
			w = benchmarks.NewWindow(retain)
		}
		return w
	}
	release := func() {
		mu.Lock()
		defer mu.Unlock()
		if users--; users == 0 {
			_ = w.Store.Close()
			w = nil
		}
	}
	one := func(name string, ranges func(*benchmarks.Window) []benchmarks.Range) []job {
		return []job{
			windowJob("query "+name, askRepeats, take, release, ranges, func(w *benchmarks.Window, r benchmarks.Range) { w.Query(r) }),
			windowJob("scan "+name, scanRepeats, take, release, ranges, func(w *benchmarks.Window, r benchmarks.Range) { w.Scan(r) }),
		}
	}
	list := one("all", (*benchmarks.Window).All)
	list = append(list, one("last 1 %", (*benchmarks.Window).LastPercent)...)
	return append(list, one("random", func(w *benchmarks.Window) []benchmarks.Range { return w.Random(randomRanges) })...)
}

// windowJob asks about the ranges in turn. At least every range is asked once, so that both ways answer the same.
func windowJob(
	name string, repeats int, take func() *benchmarks.Window, release func(),
	ranges func(*benchmarks.Window) []benchmarks.Range, ask func(*benchmarks.Window, benchmarks.Range),
) job {
	return job{name, func() (func(*session) error, func(), error) {
		w := take()
		list := ranges(w)
		op := func(x uint64) { ask(w, list[x%uint64(len(list))]) }
		return func(s *session) error {
			n := max(1, s.ops(repeats)/len(list)) * len(list)
			s.add(name, "", measure.Drive(1, n, 0, op).Ns)
			return nil
		}, release, nil
	}}
}
