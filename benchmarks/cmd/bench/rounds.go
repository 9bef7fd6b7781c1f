package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

var errNoRows = errors.New("no row matches")

// An opened job is ready to be measured.
type opened struct {
	name  string
	run   func(*session) error
	close func()
}

// measureAll runs what the wanted rows need, round by round, and judges them.
func measureAll(o options, progress io.Writer) (*report, error) {
	wanted := slices.DeleteFunc(rows(), func(r row) bool { return !o.only.MatchString(r.measure) })
	if len(wanted) == 0 {
		return nil, errNoRows
	}
	rep := &report{Machine: thisMachine(), Rounds: o.rounds, Quick: o.divisor > 1}
	list, err := openJobs(wanted)
	defer func() {
		for _, j := range list {
			j.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	s := &session{divisor: o.divisor, samples: map[string][]float64{}}
	for round := range o.rounds {
		began := time.Now()
		if err := oneRound(list, s, round); err != nil {
			return nil, err
		}
		fmt.Fprintf(progress, "round %d of %d: %.1f s\n", round+1, o.rounds, time.Since(began).Seconds())
	}
	rep.Machine.LoadAfter, rep.Samples = measure.LoadAverage(), s.samples
	rep.Machine.Overlap = overlapOf(s.samples)
	for _, r := range wanted {
		row, err := judge(r, s.samples)
		if err != nil {
			return nil, err
		}
		rep.Rows = append(rep.Rows, row)
	}
	return rep, nil
}

// openJobs makes the fixtures of the jobs that the rows need. Jobs that are open already are returned with an error.
func openJobs(wanted []row) ([]opened, error) {
	needed := map[string]bool{}
	for _, r := range wanted {
		for _, k := range r.keys() {
			needed[jobOf(k)] = true
		}
	}
	var list []opened
	for _, j := range jobs() {
		if !needed[j.name] {
			continue
		}
		run, closing, err := j.open()
		if err != nil {
			return list, err
		}
		list = append(list, opened{j.name, run, closing})
	}
	return list, nil
}

// oneRound measures every job once. Every other round goes backwards, so that nothing is always first.
func oneRound(list []opened, s *session, round int) error {
	runtime.GC() // the garbage of the round before is not this round's
	order := slices.Clone(list)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	for _, j := range order {
		if err := j.run(s); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	return nil
}

// overlapOf returns the median processor time over wall time of all runs with two writers.
func overlapOf(samples map[string][]float64) float64 {
	var all []float64
	for _, j := range jobs() {
		if len(j.name) > 3 && j.name[len(j.name)-3:] == "w=2" {
			all = append(all, samples[j.name+overlap]...)
		}
	}
	return measure.Summarize(all).Median
}
