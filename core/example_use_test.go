//go:build !explore

package core_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// What leaves can be kept elsewhere. Close delivers what is owed.
func ExampleOptions_onDiscard() {
	var archive []string // only OnDiscard uses it until Close has returned
	s, err := core.New(core.Options[string]{
		Capacity:  2,
		OnDiscard: func(_ core.Position, e *string) { archive = append(archive, *e) },
	})
	if err != nil {
		panic(err)
	}
	for _, e := range []string{"a", "b", "c", "d", "e"} {
		_, _ = s.Append(e)
	}
	_ = s.Close()
	fmt.Println(archive, s.Ledger().Undelivered, "undelivered")
	// Output:
	// [a b c] 0 undelivered
}

// A rollup of your own: the dearest order of each stretch of time.
func ExampleMonoid() {
	dearest := core.Monoid[order, order]{
		Zero: func() order { return order{} },
		Add: func(acc, o *order) {
			if o.Amount > acc.Amount {
				*acc = *o
			}
		},
		Merge: func(into, from *order) {
			if from.Amount > into.Amount {
				*into = *from
			}
		},
	}
	s, _ := core.New(core.Options[order]{Time: func(o *order) time.Time { return o.At }})
	defer s.Close()
	r, _ := core.NewRollup(s, dearest, core.RollupOptions{Name: "dearest"})
	_, _ = s.AppendBatch([]order{{"ada", 5, noon}, {"bob", 9, noon}, {"ada", 7, noon}})
	a, err := r.Query(noon, noon)
	fmt.Println(a.Value.Customer, a.Value.Amount, err)
	// Output:
	// bob 9 <nil>
}

// A histogram answers for every percentile, and merges with others.
func ExampleHistogram() {
	var a, b core.Histogram
	for i := range 50 {
		a.Add(float64(i + 1))
		b.Add(float64(i + 51))
	}
	a.Merge(&b)
	low, _ := a.Min()
	high, _ := a.Max()
	median, ok := a.Percentile(50)
	fmt.Println(a.Count(), low, high, ok)
	fmt.Println("within one percent:", median > 49.5 && median < 50.5)
	// Output:
	// 100 1 100 true
	// within one percent: true
}

// A line for a chart: one value per minute, those without events included.
func ExampleRollup_Buckets() {
	s, _ := core.New(core.Options[order]{Time: func(o *order) time.Time { return o.At }})
	defer s.Close()
	r, _ := core.NewRollup(s, core.Summaries(amount), core.RollupOptions{Name: "amount"})
	for _, minute := range []time.Duration{0, 0, 2} {
		_, _ = s.Append(order{"ada", 10, noon.Add(minute * time.Minute)})
	}
	series, err := r.Buckets(noon, noon.Add(2*time.Minute), time.Minute)
	for _, b := range series.Buckets {
		fmt.Println(b.Start.Format("15:04"), b.Value.Count, b.Value.Sum)
	}
	fmt.Println(series.Exact(), err)
	// Output:
	// 12:00 2 20
	// 12:01 0 0
	// 12:02 1 10
	// true <nil>
}

// The best customers, and a fold of your own per group.
func ExampleTopK() {
	s, _ := core.New(core.Options[order]{})
	defer s.Close()
	_, _ = s.AppendBatch([]order{{Customer: "ada", Amount: 5}, {Customer: "bob", Amount: 9}, {Customer: "ada", Amount: 7}})
	cut := s.Cut()
	defer cut.Close()
	customer := func(o *order) string { return o.Customer }
	best, err := core.TopK(cut.View(), 1, customer, amount)
	fmt.Println(best, err)
	largest, err := core.GroupBy(cut.View(), customer,
		func() float64 { return 0 }, func(acc *float64, o *order) { *acc = max(*acc, o.Amount) })
	fmt.Println(largest, err)
	// Output:
	// [{ada 12 2}] <nil>
	// map[ada:7 bob:9] <nil>
}

// Lanes scale with cores; order and capacity are then per lane.
func ExampleOptions_lanes() {
	s, err := core.New(core.Options[int]{Capacity: 50_000, Lanes: 4})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := range 1000 {
				_, _ = s.Append(i)
			}
		})
	}
	writers.Wait()
	_, err = s.AppendTo(0, 1)
	fmt.Println(s.Len(), s.Partitions(), err)
	// Output:
	// 4000 5 core: operation is not available on lanes
}

// A batch becomes visible as a whole, in each partition that it reaches.
func ExampleStore_AppendBatch() {
	s, _ := core.New(core.Options[string]{})
	defer s.Close()
	b, err := s.AppendBatch([]string{"a", "b", "c"})
	fmt.Println(b.Appended(), "from", b.First(), err)
	b, err = s.AppendBatch([]string{"d"})
	for r := range b.Runs() {
		fmt.Println(r, err)
	}
	// Output:
	// 3 from 0@0 <nil>
	// {0@3 1} <nil>
}
