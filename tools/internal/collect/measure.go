package collect

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Names are the benchmarks of both sides, in the order in which they run.
type Names struct {
	Head, Base []string
	// CPU is what the programs call the processor; it may be empty.
	CPU string
	// Broken are benchmarks of head that failed at the base.
	Broken []Failure
}

// List runs each benchmark that may match a glob once, to learn the names of sub-benchmarks, and returns those that wanted
// accepts. In a glob * stands for any run of characters and ? for one.
func (s *Session) List(ctx context.Context, globs []string, wanted func(name string) bool) (Names, error) {
	s.options.Progress("listing benchmarks")
	var names Names
	s.listed, s.listedBase = map[string]result{}, nil
	results, err := s.head.list(ctx, globs)
	if err != nil {
		return Names{}, err
	}
	for _, r := range results {
		if wanted(r.name) {
			names.Head, names.CPU = append(names.Head, r.name), r.header.get("cpu")
			s.listed[r.name] = r
		}
	}
	if s.base == nil {
		return names, nil
	}
	return names, s.listBase(ctx, globs, wanted, &names)
}

// listBase adds what the base has. What fails there may be why head was changed, so it does not end the run.
func (s *Session) listBase(ctx context.Context, globs []string, wanted func(name string) bool, names *Names) error {
	var failures map[string]error
	results, err := s.base.list(ctx, globs)
	if errors.Is(err, ErrProcess) {
		s.options.Progress("a benchmark of base failed: listing them one by one")
		results, failures, err = s.base.listEach(ctx, globs)
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		if wanted(r.name) {
			names.Base = append(names.Base, r.name)
			names.CPU = cmp.Or(names.CPU, r.header.get("cpu"))
			s.listedBase = append(s.listedBase, r)
		}
	}
	for _, name := range names.Head {
		top, _, _ := strings.Cut(name, "/")
		if err := failures[top]; err != nil && !slices.Contains(names.Base, name) {
			names.Broken = append(names.Broken, Failure{Name: name, Base: true, Err: err})
			s.options.Progress(name + " failed at base")
		}
	}
	return nil
}

// Measure runs the cases, which List must have found, until undecided returns none of their names or a limit is reached.
// Everything goes to the log, together with what List found and no case measures. Failures are benchmarks without figures that
// count; an error means that nothing counts.
func (s *Session) Measure(ctx context.Context, cases []Case, limits Limits, log *Log, undecided func() ([]string, error)) ([]Failure, error) {
	begin := time.Now()
	if err := s.noteListed(cases, log); err != nil {
		return nil, err
	}
	r := &rounds{
		limits: limits,
		run: func(ctx context.Context, side Side, name string) (result, error) {
			return s.program(side).measure(ctx, name)
		},
		keep:      log.write,
		undecided: undecided,
		elapsed:   func() time.Duration { return time.Since(begin) },
		progress:  s.options.Progress,
	}
	var timed, counted []Case
	for _, c := range cases {
		if c.Instructions {
			counted = append(counted, c)
		} else {
			timed = append(timed, c)
		}
	}
	failures, err := s.countAll(ctx, counted, log, func() bool { return r.elapsed() < limits.Time })
	if err != nil {
		return nil, err
	}
	if err := r.measure(ctx, timed); err != nil {
		return nil, err
	}
	return append(failures, r.failures...), nil
}

// noteListed begins the log with what will not be measured, so that whoever reads it knows of it.
func (s *Session) noteListed(cases []Case, log *Log) error {
	if err := log.procs(s.procs); err != nil {
		return err
	}
	measured := map[Side]map[string]bool{Base: {}, Head: {}}
	for _, c := range cases {
		measured[Head][c.Name] = true
		measured[Base][c.Name] = measured[Base][c.Name] || c.Base
	}
	if s.options.Base != "" {
		rest := slices.DeleteFunc(slices.Clone(s.listedBase), func(r result) bool { return measured[Base][r.name] })
		if err := log.note(Base, rest); err != nil {
			return err
		}
	}
	var rest []result
	for _, name := range slices.Sorted(maps.Keys(s.listed)) {
		if !measured[Head][name] {
			rest = append(rest, s.listed[name])
		}
	}
	return log.note(Head, rest)
}

func (s *Session) program(side Side) *Program {
	if side == Base {
		return s.base
	}
	return s.head
}
