package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Metrics of a job. The time per operation has the empty name, so that the key of a job is its name.
const (
	bytesOp = " B/op"
	allocs  = " allocs/op"
	overlap = " CPU/wall"
	p99     = " p99"
	p999    = " p99.9"
	p9999   = " p99.99"
)

// A job is one thing that is measured once per round. Its fixture is made before the first round.
type job struct {
	name string
	open func() (run func(s *session) error, close func(), err error)
}

// A session collects samples: by job and metric, in the order of the rounds.
type session struct {
	divisor int // of the number of operations
	samples map[string][]float64
}

func (s *session) add(job, metric string, v float64) {
	s.samples[job+metric] = append(s.samples[job+metric], v)
}

// ops scales a number of operations.
func (s *session) ops(n int) int { return max(1, n/s.divisor) }

// appends is a job of single appends.
func appends(name string, writers, n int, open func() benchmarks.Design) job {
	return operations(name, writers, n, 1, open, func(d benchmarks.Design) benchmarks.Op { return d.Append })
}

// batches is a job of batch appends; its unit is one event.
func batches(name string, writers, n int, open func() benchmarks.Design) job {
	return operations(name, writers, n, benchmarks.BatchSize, open,
		func(d benchmarks.Design) benchmarks.Op { return d.Batch })
}

// operations runs one operation of a design, n times over all writers, and checks that every event was stored.
func operations(
	name string, writers, n, events int, open func() benchmarks.Design, pick func(benchmarks.Design) benchmarks.Op,
) job {
	return designJob(name, open, func(s *session, d benchmarks.Design) error {
		var r measure.Result
		op := pick(d)
		err := counted(d, func() int {
			r = measure.Drive(writers, s.ops(n), benchmarks.WriterShift, op)
			return r.Ops * events
		})
		s.add(name, "", r.Ns/float64(events))
		s.add(name, bytesOp, r.Bytes/float64(events))
		s.add(name, allocs, r.Allocs/float64(events))
		if writers > 1 {
			s.add(name, overlap, r.Overlap)
		}
		return err
	})
}

// beside is a job of single appends by one writer, next to a goroutine that scans all the time.
func beside(name string, n int, open func() benchmarks.Design) job {
	return designJob(name, open, func(s *session, d benchmarks.Design) error {
		return counted(d, func() int {
			var r measure.Result
			measure.Beside(func() { d.Scan() }, func() {
				r = measure.Drive(1, s.ops(n), benchmarks.WriterShift, d.Append)
			})
			s.add(name, "", r.Ns)
			s.add(name, overlap, r.Overlap)
			return r.Ops
		})
	})
}

// latencies times every append of the writers, next to a scanner if asked.
func latencies(name string, writers, n int, scanner bool, open func() benchmarks.Design) job {
	return designJob(name, open, func(s *session, d benchmarks.Design) error {
		return counted(d, func() int {
			var h *measure.Histogram
			work := func() { h = measure.Latency(writers, s.ops(n), benchmarks.WriterShift, d.Append) }
			if scanner {
				measure.Beside(func() { d.Scan() }, work)
			} else {
				work()
			}
			s.add(name, "", h.Quantile(0.5))
			s.add(name, p99, h.Quantile(0.99))
			s.add(name, p999, h.Quantile(0.999))
			s.add(name, p9999, h.Quantile(0.9999))
			return int(h.Total())
		})
	})
}

// plain is a job without a design that measures one operation on one goroutine.
func plain(name string, n int, open func() (benchmarks.Op, func())) job {
	return job{name, func() (func(*session) error, func(), error) {
		op, closing := open()
		return func(s *session) error {
			s.add(name, "", measure.Drive(1, s.ops(n), benchmarks.WriterShift, op).Ns)
			return nil
		}, closing, nil
	}}
}

// designJob opens the design, fills it and leaves the rest to run.
func designJob(name string, open func() benchmarks.Design, run func(*session, benchmarks.Design) error) job {
	return job{name, func() (func(*session) error, func(), error) {
		d := open()
		fill := func() int { return measure.Drive(1, laps*benchmarks.Capacity, benchmarks.WriterShift, d.Append).Ops }
		if err := counted(d, fill); err != nil {
			d.Close()
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		return func(s *session) error { return run(s, d) }, d.Close, nil
	}}
}

// laps is how often a fixture is filled before it is measured, so that memory is being used again.
const laps = 3

// counted runs work, which returns how many events it appended, and fails unless all of them were stored. The timed
// operations can then do without a look at their errors.
func counted(d benchmarks.Design, work func() int) error {
	if d.Appended == nil {
		work()
		return nil
	}
	before := d.Appended()
	want := work()
	if got := d.Appended() - before; got != uint64(want) {
		return fmt.Errorf("%d of %d events were stored", got, want)
	}
	return nil
}
