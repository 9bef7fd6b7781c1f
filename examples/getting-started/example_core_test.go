package gettingstarted

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// Order is an event: any type will do.
type Order struct {
	Customer string
	Amount   float64
	At       time.Time
}

func run(ctx context.Context, url string, w io.Writer) error {
	return errors.Join(appendAndRead(w), aggregate(w), raise(ctx, w), restart(ctx, url+"/orders", w), overHTTP(ctx, w),
		keepStreams(ctx, url+"/streams", w))
}

func appendAndRead(w io.Writer) error {
	orders, err := core.New(core.Options[Order]{
		Capacity: 1000, // the last thousand
		Time:     func(o *Order) time.Time { return o.At },
	})
	if err != nil {
		return err
	}
	defer orders.Close()

	pos, err := orders.Append(Order{"ada", 12.50, time.Now()})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "stored at", pos) // partition@sequence
	if _, err := orders.AppendBatch([]Order{{"bob", 7, time.Now()}, {"ada", 30, time.Now()}}); err != nil {
		return err
	}

	cut := orders.Cut() // a consistent view; writers go on
	defer cut.Close()
	last := cut.Within(5 * time.Second)
	n, err := last.Count()
	if err != nil {
		return err
	}
	amount := func(o *Order) float64 { return o.Amount }
	sum, err := core.Sum(last, amount)
	if err != nil {
		return err
	}
	ada := func(o *Order) bool { return o.Customer == "ada" }
	top, err := core.Max(last.Where(ada), amount)
	fmt.Fprintln(w, n, "orders,", sum, "in all, the largest of ada", top)
	return err
}

func aggregate(w io.Writer) error {
	orders, err := core.New(core.Options[Order]{Capacity: 16, Time: func(o *Order) time.Time { return o.At }})
	if err != nil {
		return err
	}
	defer orders.Close()
	amounts, err := core.NewRollup(orders, core.Summaries(func(o *Order) float64 { return o.Amount }),
		core.RollupOptions{Name: "amounts", Retain: time.Hour})
	if err != nil {
		return err
	}
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for second := range 3600 {
		if _, err := orders.Append(Order{"ada", 1, start.Add(time.Duration(second) * time.Second)}); err != nil {
			return err
		}
	}
	hour, err := amounts.Query(start, start.Add(time.Hour))
	fmt.Fprintln(w, hour.Value.Count, "in an hour,", hour.Events, "of them still here, exact:", hour.Exact())
	return err
}
