package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Phases of a run.
const (
	phaseOpen   = "open"
	phaseClosed = "closed"
)

// looks is how often the memory of a server is looked at in a run.
const looks = 10

// A result is one phase of one run of a target. Its members are stable.
type result struct {
	Round    int     `json:"round"`
	Target   string  `json:"target"`
	Phase    string  `json:"phase"`
	Wanted   int     `json:"wantedPerSecond,omitempty"` // of open
	Rate     float64 `json:"perSecond"`
	Seconds  float64 `json:"seconds"`
	Appended int     `json:"appended"` // and acknowledged
	Errors   int     `json:"errors"`
	Error    string  `json:"error,omitempty"` // the first
	P50      float64 `json:"p50Micros"`
	P99      float64 `json:"p99Micros"`
	P999     float64 `json:"p999Micros"`
	Max      float64 `json:"maxMicros"`
	CPU      float64 `json:"serverCPUSecondsPer100k"`
	OwnCPU   float64 `json:"generatorCPUSecondsPer100k"`
	Others   float64 `json:"othersCPUPercent"`  // of what the machine has, neither for server nor generator
	Memory   []int64 `json:"serverMemoryBytes"` // resident, at even distances
	Peak     int64   `json:"serverMemoryPeakBytes"`
}

// An account compares what a server acknowledged in a run with what it says it got.
type account struct {
	Round        int    `json:"round"`
	Target       string `json:"target"`
	Acknowledged uint64 `json:"acknowledged"`
	Stored       uint64 `json:"stored"`
}

// measure runs all targets, round by round.
func (r *report) measure(ctx context.Context, o *options, w *workplace, progress io.Writer) error {
	for round := range o.rounds {
		order := slices.Clone(o.targets)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, t := range order {
			begin := time.Now()
			if err := r.visit(ctx, o, w, t, round+1); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			fmt.Fprintf(progress, "load: round %d of %d, %s: %.1f s\n", round+1, o.rounds, t.name, time.Since(begin).Seconds())
		}
	}
	r.Machine.LoadAfter = measure.LoadAverage()
	return nil
}

// visit runs one target once.
func (r *report) visit(ctx context.Context, o *options, w *workplace, t target, round int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.open+o.closed+3*patience) // appends that never return are errors
	defer cancel()
	dir, err := os.MkdirTemp(w.dir, t.name+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := t.start(ctx, w, dir)
	if err != nil {
		return err
	}
	defer server.stop()
	s, err := t.connect(ctx, server.address, o.connections)
	if err != nil {
		return err
	}
	defer s.close()

	filled := closedLoop(ctx, s.appenders, patience, capacity)
	if filled.errors > 0 {
		return fmt.Errorf("%d of the first %d appends failed: %w", filled.errors, capacity, filled.first)
	}
	acknowledged := len(filled.latencies)
	for _, p := range []struct {
		phase string
		d     time.Duration
		run   func() tally
	}{
		{phaseOpen, o.open, func() tally {
			wait, end := sleeper()
			defer end()
			return openLoop(ctx, s.appenders, o.rate, int(o.open.Seconds()*float64(o.rate)), wait)
		}},
		{phaseClosed, o.closed, func() tally { return closedLoop(ctx, s.appenders, o.closed, 0) }},
	} {
		if p.d == 0 {
			continue
		}
		x, err := observe(server.cmd.Process.Pid, p.d, p.run)
		if err != nil {
			return err
		}
		x.Round, x.Target, x.Phase = round, t.name, p.phase
		if p.phase == phaseOpen {
			x.Wanted = o.rate
		}
		acknowledged += x.Appended
		r.Runs = append(r.Runs, x)
	}
	stored, err := s.stored(ctx)
	if err != nil {
		return fmt.Errorf("its account: %w", err)
	}
	r.Accounts = append(r.Accounts, account{round, t.name, uint64(acknowledged), stored})
	return context.Cause(ctx)
}

// observe runs a phase and watches the server and the machine.
func observe(pid int, d time.Duration, phase func() tally) (result, error) {
	before, err := workOf(pid)
	if err != nil {
		return result{}, err
	}
	done, seen := make(chan struct{}), make(chan []int64, 1)
	go func() { seen <- watch(pid, d/looks, done) }()
	t := phase()
	close(done)
	x := result{
		Rate: t.rate(), Seconds: t.wall.Seconds(), Appended: len(t.latencies), Errors: t.errors, Memory: <-seen,
		P50: micros(t.quantile(500)), P99: micros(t.quantile(990)), P999: micros(t.quantile(999)), Max: micros(t.quantile(1000)),
	}
	if t.first != nil {
		x.Error = t.first.Error()
	}
	after, err1 := workOf(pid)
	now, peak, err2 := memory(pid)
	w := work{after.server - before.server, after.own - before.own, after.all - before.all}
	if n := float64(x.Appended) / 100_000; n > 0 {
		x.CPU, x.OwnCPU = w.server.Seconds()/n, w.own.Seconds()/n
	}
	x.Others = 100 * max(0, (w.all-w.server-w.own).Seconds()) / t.wall.Seconds() / float64(runtime.NumCPU())
	x.Memory = append(x.Memory, now)
	x.Peak = max(peak, slices.Max(x.Memory)) // the kernel's own is a little behind
	return x, errors.Join(err1, err2)
}

// work is for how long processors have worked for whom.
type work struct{ server, own, all time.Duration }

func workOf(pid int) (w work, err error) {
	var err1, err2, err3 error
	w.server, err1 = processorTime(pid)
	w.own, err2 = processorTime(os.Getpid())
	w.all, err3 = busyTime()
	return w, errors.Join(err1, err2, err3)
}

// watch looks at the memory of a process until it is done.
func watch(pid int, every time.Duration, done <-chan struct{}) (seen []int64) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if now, _, err := memory(pid); err == nil {
			seen = append(seen, now)
		}
		select {
		case <-t.C:
		case <-done:
			return seen
		}
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
