//go:build !explore

package core_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

type order struct {
	Customer string
	Amount   float64
	At       time.Time
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func amount(o *order) float64 { return o.Amount }

// A window over the events' own times, whatever their order.
func Example() {
	s, err := core.New(core.Options[order]{
		Capacity: 1000,
		Time:     func(o *order) time.Time { return o.At },
		Clock:    func() time.Time { return noon },
	})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	for i, second := range []int{-30, -3, -1, -4} { // the last one is late
		_, _ = s.Append(order{"ada", float64(10 * (i + 1)), noon.Add(time.Duration(second) * time.Second)})
	}

	cut := s.Cut()
	defer cut.Close()
	last := cut.Within(5 * time.Second)
	n, _ := last.Count()
	sum, _ := core.Sum(last, amount)
	top, _ := core.Max(last, amount)
	fmt.Println(n, sum, top)
	_, err = core.Min(cut.Within(time.Millisecond), amount)
	fmt.Println(errors.Is(err, core.ErrNoData))
	// Output:
	// 3 90 40
	// true
}

// Of two writers that expect the same next sequence exactly one succeeds.
func ExampleStore_AppendIf() {
	s, _ := core.New(core.Options[string]{})
	defer s.Close()
	_, err := s.AppendIf(0, 0, "created", "paid")
	fmt.Println(err)
	pos, err := s.AppendIf(0, 0, "created again")
	fmt.Println(errors.Is(err, core.ErrConflict), "next is", pos.Sequence)
	// Output:
	// <nil>
	// true next is 2
}

// A Producer is the fastest way to append from one goroutine.
func ExampleProducer() {
	s, _ := core.New(core.Options[int]{Capacity: 3})
	defer s.Close()
	p, err := s.Producer(0)
	if err != nil {
		panic(err)
	}
	_, _ = p.AppendBatch([]int{1, 2, 3, 4, 5})
	_, err = s.Append(6)
	fmt.Println(errors.Is(err, core.ErrOwned))
	_ = p.Close()

	cut := s.Cut()
	defer cut.Close()
	for pos, v := range cut.All() {
		fmt.Println(pos, *v)
	}
	// Output:
	// true
	// 0@2 3
	// 0@3 4
	// 0@4 5
}

// OnDiscard gets exactly the events that capacity pushed out.
func ExampleStore_Settle() {
	s, _ := core.New(core.Options[string]{
		Capacity:  2,
		OnDiscard: func(pos core.Position, e *string) { fmt.Println("gone:", pos, *e) },
	})
	for _, e := range []string{"a", "b", "c"} {
		_, _ = s.Append(e)
	}
	_ = s.Settle(context.Background())
	l := s.Ledger()
	fmt.Println(l.Appended, "=", l.Visible, "+", l.Discarded)
	_ = s.Close()
	// Output:
	// gone: 0@0 a
	// 3 = 2 + 1
}

// A rollup answers for an hour although the store holds only the last few events.
func ExampleNewRollup() {
	s, _ := core.New(core.Options[order]{Capacity: 16, Time: func(o *order) time.Time { return o.At }})
	defer s.Close()
	r, err := core.NewRollup(s, core.Summaries(amount), core.RollupOptions{Name: "amount", Retain: time.Hour})
	if err != nil {
		panic(err)
	}
	for i := range 3600 {
		_, _ = s.Append(order{"ada", float64(i % 10), noon.Add(time.Duration(i) * time.Second)})
	}
	a, err := r.Query(noon, noon.Add(time.Hour))
	fmt.Println(a.Value.Count, a.Value.Sum, a.Value.Max, err)
	fmt.Println(a.Events, "in the store,", a.Older, "older, exact:", a.Exact())
	// Output:
	// 3600 16200 9 <nil>
	// 16 in the store, 3584 older, exact: true
}

// Keys keep the events of one customer in order; lanes would not.
func ExampleView_Key() {
	s, _ := core.New(core.Options[order]{Partitions: 4, Key: func(o order) string { return o.Customer }})
	defer s.Close()
	_, _ = s.AppendBatch([]order{{Customer: "ada", Amount: 1}, {Customer: "bob", Amount: 2}, {Customer: "ada", Amount: 3}})
	cut := s.Cut()
	defer cut.Close()
	for _, o := range cut.Key("ada").All() {
		fmt.Println(o.Amount)
	}
	// Output:
	// 1
	// 3
}
