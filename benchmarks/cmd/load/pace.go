package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// An appender appends one event over a connection of its own and returns when it was acknowledged.
type appender func(context.Context) error

// A tally is what came of appends.
type tally struct {
	latencies []time.Duration // of those that succeeded
	errors    int
	first     error // of the errors
	wall      time.Duration
}

func (t *tally) count(latency time.Duration, err error) {
	if err == nil {
		t.latencies = append(t.latencies, latency)
		return
	}
	if t.errors++; t.first == nil {
		t.first = err
	}
}

// openLoop lets total appends be due at a fixed rate and calls whichever appender is free. Latencies begin when an append was
// due. wait returns at a moment, or later; whatever it is late counts as latency, too.
func openLoop(ctx context.Context, all []appender, rate, total int, wait func(time.Time)) tally {
	due := make(chan time.Time, total) // nobody who waits for a connection holds the schedule up
	var parts sync.WaitGroup
	tallies := make([]tally, len(all))
	for i, a := range all {
		t := &tallies[i]
		t.latencies = make([]time.Duration, 0, 2*total/len(all))
		parts.Go(func() {
			for at := range due {
				err := a(ctx)
				t.count(time.Since(at), err)
			}
		})
	}
	begin := time.Now()
	for i := range total {
		at := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait(at); ctx.Err() != nil {
			break
		}
		due <- at
	}
	close(due)
	parts.Wait()
	return merge(tallies, time.Since(begin))
}

// closedLoop calls each appender again as soon as it has returned, until the time is over, but not beyond a number of calls in
// all, if it is not 0.
func closedLoop(ctx context.Context, all []appender, d time.Duration, total int) tally {
	var parts sync.WaitGroup
	tallies := make([]tally, len(all))
	begin := time.Now()
	for i, a := range all {
		t := &tallies[i]
		share := total / len(all)
		if i < total%len(all) {
			share++
		}
		parts.Go(func() {
			for n := 0; (total == 0 || n < share) && ctx.Err() == nil; n++ {
				before := time.Now()
				if before.Sub(begin) >= d {
					return
				}
				err := a(ctx)
				t.count(time.Since(before), err)
			}
		})
	}
	parts.Wait()
	return merge(tallies, time.Since(begin))
}

func merge(tallies []tally, wall time.Duration) tally {
	sum := tally{wall: wall}
	for i := range tallies {
		t := &tallies[i]
		sum.latencies = append(sum.latencies, t.latencies...)
		if sum.errors += t.errors; sum.first == nil {
			sum.first = t.first
		}
	}
	slices.Sort(sum.latencies)
	return sum
}

// quantile returns the latency that a share of all does not exceed, by nearest rank; 0 without any.
func (t *tally) quantile(perMille int) time.Duration {
	n := len(t.latencies)
	if n == 0 {
		return 0
	}
	rank := (n*perMille + 999) / 1000
	return t.latencies[max(rank, 1)-1]
}

func (t *tally) rate() float64 { return float64(len(t.latencies)) / t.wall.Seconds() }
