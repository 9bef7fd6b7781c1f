package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// slot is one process of a round.
type slot struct {
	side   Side
	number int // 1 or 2, the how-manieth of its side
}

// order returns the processes of a round. The side that begins alternates, so neither has the better places.
func order(c Case, round int) []slot {
	switch {
	case c.Base:
	case c.Twice:
		return []slot{{Head, 1}, {Head, 2}}
	default:
		return []slot{{Head, 1}}
	}
	outer, inner := Base, Head
	if round%2 == 0 {
		outer, inner = inner, outer
	}
	return []slot{{outer, 1}, {inner, 1}, {inner, 2}, {outer, 2}}
}

// rounds repeats benchmarks until all are decided. Everything that it touches is a function, so that its tests need no
// processes and no time.
type rounds struct {
	limits Limits
	// run measures one benchmark in one process.
	run func(ctx context.Context, side Side, name string) (result, error)
	// keep takes a result.
	keep func(side Side, round, slot int, r result) error
	// undecided judges what was kept and returns the benchmarks that need more.
	undecided func() ([]string, error)
	elapsed   func() time.Duration
	progress  func(line string)
	failures  []Failure
	measured  map[string]bool // benchmarks with a whole round
}

// measure runs all rounds. A benchmark that fails is left out from then on and recorded, and so is one whose turn did not
// come in time; all other errors end the run.
func (r *rounds) measure(ctx context.Context, cases []Case) error {
	r.measured = map[string]bool{}
	all := slices.Clone(cases)
	if err := r.widen(ctx, cases); err != nil {
		return err
	}
	for _, c := range all {
		if !r.measured[c.Name] && !slices.ContainsFunc(r.failures, func(f Failure) bool { return f.Name == c.Name }) {
			r.failures = append(r.failures, Failure{Name: c.Name, Err: fmt.Errorf("collect: run %s: %w", c.Name, ErrTime)})
		}
	}
	return nil
}

func (r *rounds) widen(ctx context.Context, cases []Case) error {
	done, target := 0, r.limits.First
	for len(cases) > 0 {
		r.progress(fmt.Sprintf("%s, rounds %d to %d", count(len(cases), "benchmark"), done+1, target))
		for ; done < target; done++ {
			var out bool
			var err error
			if cases, out, err = r.round(ctx, cases, done+1); err != nil {
				return err
			}
			if out {
				r.progress(fmt.Sprintf("the time limit of %v ended round %d", r.limits.Time, done+1))
				return nil
			}
		}
		open, err := r.undecided()
		if err != nil {
			return err
		}
		cases = slices.DeleteFunc(cases, func(c Case) bool { return !slices.Contains(open, c.Name) })
		if len(cases) == 0 {
			r.progress("all is decided that more rounds could decide")
			return nil
		}
		names := make([]string, len(cases))
		for i, c := range cases {
			names[i] = c.Name
		}
		r.progress("undecided: " + strings.Join(names, " "))
		if target >= r.limits.Most {
			r.progress(fmt.Sprintf("the limit of %d rounds is reached", r.limits.Most))
			return nil
		}
		target = min(2*target, r.limits.Most)
	}
	return nil
}

// round measures every benchmark once and returns those that did not fail, and whether the time is over.
func (r *rounds) round(ctx context.Context, cases []Case, number int) (rest []Case, out bool, err error) {
	for _, c := range cases {
		if r.elapsed() >= r.limits.Time {
			return nil, true, nil
		}
		err := r.block(ctx, c, number)
		switch {
		case errors.Is(err, ErrProcess):
			r.failures = append(r.failures, Failure{Name: c.Name, Err: err})
			r.progress(c.Name + " failed and is left out")
		case err != nil:
			return nil, false, err
		default:
			r.measured[c.Name] = true
			rest = append(rest, c)
		}
	}
	return rest, false, nil
}

// block measures one benchmark for one round. A round that is cut short leaves nothing, because half a round pairs badly.
func (r *rounds) block(ctx context.Context, c Case, number int) error {
	slots := order(c, number)
	results := make([]result, len(slots))
	for i, s := range slots {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if results[i], err = r.run(ctx, s.side, c.Name); err != nil {
			return err
		}
	}
	for i, s := range slots {
		if err := r.keep(s.side, number, s.number, results[i]); err != nil {
			return err
		}
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
