package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// An Order is an event. The server adds up valor unless it is told otherwise.
type Order struct {
	ID    string  `json:"id"`
	Run   string  `json:"run"`
	Valor float64 `json:"valor"`
}

// orders turns orders into events and back. With an id, repeating an append is safe.
var orders = streams.Typed[Order]{Type: "order.placed", ID: func(o *Order) string { return o.ID }}

// A runner is one run of the program.
type runner struct {
	o        options
	log      streams.Log
	id       string
	out      io.Writer
	appended atomic.Int64
}

func (r *runner) run(ctx context.Context) error {
	fmt.Fprintf(r.out, "run %s: %d orders from %d writers to %s at %s\n", r.id, r.o.orders, r.o.writers, r.o.stream, r.o.url)
	before, err := r.log.Info(ctx, r.o.stream)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := r.appendAll(ctx); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "appended   %d orders in %v\n", r.appended.Load(), time.Since(begin).Round(time.Millisecond))
	mine, err := r.readBack(ctx, before.Version+1)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "read back  %s\n", text(mine.Count, mine))
	total, err := r.log.Aggregate(ctx, streams.Aggregate{Stream: r.o.stream, Field: "valor", By: "run"})
	if err != nil {
		return err
	}
	theirs := total.Groups[r.id].Numbers
	fmt.Fprintf(r.out, "server     %s\n", text(theirs.Count, theirs))
	delete(total.Groups, "") // what is no order of a client
	fmt.Fprintf(r.out, "stream     %s, of %d runs\n", text(total.Events, total.Numbers), len(total.Groups))
	return r.compare(mine, theirs)
}

// appendAll shares the orders out between the writers. The first failure ends them all.
func (r *runner) appendAll(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writers sync.WaitGroup
	for w := range r.o.writers {
		writers.Go(func() {
			for n := w; n < r.o.orders && ctx.Err() == nil; n += r.o.writers {
				if err := r.append(ctx, n); err != nil {
					cancel(err)
				}
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

func (r *runner) append(ctx context.Context, n int) error {
	events, err := orders.Events(Order{ID: fmt.Sprintf("%s-%d", r.id, n), Run: r.id, Valor: float64(1 + rand.IntN(4999))})
	if err != nil {
		return err
	}
	if _, err := r.log.Append(ctx, streams.Append{Stream: r.o.stream, Events: events}); err != nil {
		return err
	}
	r.appended.Add(1)
	return nil
}

// readBack reads the stream page by page, from a version that no order of this run lies before, and adds these up.
func (r *runner) readBack(ctx context.Context, from uint64) (mine core.Summary, err error) {
	for more := true; more; {
		page, err := r.log.Read(ctx, streams.Read{Stream: r.o.stream, From: from, Limit: streams.MaxPage})
		if err != nil {
			return mine, err
		}
		if g := page.Gap; g != nil {
			return mine, fmt.Errorf("versions %d to %d are gone already (%s): the stream keeps fewer events than this takes; see --stream-events of ephemera serve",
				g.From, g.To, g.Cause)
		}
		for _, e := range page.Events {
			from = e.Version + 1
			if e.Type != orders.Type {
				continue // somebody else's
			}
			order, err := orders.Value(e)
			if err != nil {
				return mine, err
			}
			if order.Run == r.id {
				mine.Add(order.Valor)
			}
		}
		more = page.More
	}
	return mine, nil
}

// compare wants both sums to be those of all orders of this run. Numbers are whole, so that sums are exact.
func (r *runner) compare(mine, theirs core.Summary) error {
	if mine.Count != uint64(r.o.orders) {
		return fmt.Errorf("%d orders were appended, %d were read back", r.o.orders, mine.Count)
	}
	if mine.Count != theirs.Count || mine.Sum != theirs.Sum || mine.Min != theirs.Min || mine.Max != theirs.Max {
		return errors.New("the sums are not equal")
	}
	_, err := fmt.Fprintln(r.out, "equal")
	return err
}

func text(events uint64, s core.Summary) string {
	return fmt.Sprintf("%d orders, sum %.0f, min %.0f, max %.0f", events, s.Sum, s.Min, s.Max)
}
