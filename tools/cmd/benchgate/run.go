package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/collect"
	"github.com/ephemera-go/ephemera/tools/internal/gate"
	"github.com/ephemera-go/ephemera/tools/internal/outfile"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

const runUsage = `usage: benchgate run [--base REV] [flags]

Builds the test program of a package in the working tree and, in a second working tree that it removes afterwards, that of
the base revision. It runs the benchmarks that the budgets name in turns (base, head, head, base), each in a process of
its own, judges after 10 rounds, and repeats what is undecided until all is decided or a limit is reached.

  benchgate run --base origin/main                      the package in this folder, budgets.txt beside it
  benchgate run --base HEAD                             what is not committed yet
  benchgate run --package ./bench --budgets ci/gate.txt without a base: for budgets that need none
  benchgate run --base v1.2.0 --noise pass              noise does not fail the build, a budget that is broken does

Budgets in instr/op count instructions with valgrind, which must be installed for them: three values for each side, which
differ by a few thousandths. An interrupted run ends with status 2 and leaves the files of --out and --markdown as they
were. The file of --out is fit for benchgate judge, unless a benchmark failed.

Exit status: 0 in budget, 1 over budget, 2 cannot judge. Without a verdict nothing is printed but the error, also with --json.

Flags:
`

// firstRounds is the least that a verdict needs.
const firstRounds = 10

type runFlags struct {
	reportFlags
	base, head, pkg      string
	budgets, out         string
	benchTime            string
	maxRounds            int
	maxTime, processTime time.Duration
}

func (f *runFlags) register(flags *flag.FlagSet) {
	f.reportFlags.register(flags)
	flags.StringVar(&f.base, "base", "", "the `revision` to compare with; without one, budgets such as <= +2% cannot be judged")
	flags.StringVar(&f.head, "head", ".", "a `folder` of the module in the working tree to judge, which is taken as it is")
	flags.StringVar(&f.pkg, "package", ".", "the `package` of the benchmarks, seen from --head")
	flags.StringVar(&f.budgets, "budgets", "", "`file` of budgets (default: budgets.txt in the folder of the package)")
	flags.StringVar(&f.out, "out", "", "also write the raw output to this `file`")
	flags.StringVar(&f.benchTime, "benchtime", "100ms", "how long or how often (100x) one process repeats its benchmark, a `time` or count as in go test")
	flags.IntVar(&f.maxRounds, "max-rounds", 80, fmt.Sprintf("the most `rounds` for a benchmark that stays undecided, at least %d", firstRounds))
	flags.DurationVar(&f.maxTime, "max-time", 5*time.Minute, "how long to measure, building not counted; then no further round begins")
	flags.DurationVar(&f.processTime, "process-time", time.Minute, "how long one process may take; ten times that under valgrind")
}

func (f *runFlags) check(rest []string) error {
	var wrong []error
	add := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	add(len(rest) == 0, "read %q: expected flags only; see benchgate help run", rest)
	add(f.maxRounds >= firstRounds, "read --max-rounds %d: expected at least %d rounds", f.maxRounds, firstRounds)
	add(f.maxTime > 0, "read --max-time %v: expected more than 0", f.maxTime)
	add(f.processTime > 0, "read --process-time %v: expected more than 0", f.processTime)
	add(f.pkg != "" && f.head != "", "read an empty --head or --package: expected a folder and a package")
	add(collect.ValidBenchTime(f.benchTime), "read --benchtime %q: expected a time such as 100ms or a count such as 100x", f.benchTime)
	if f.out != "" {
		err := outfile.Check(f.out)
		add(err == nil, "read --out: %w", err)
	}
	return errors.Join(append(wrong, f.reportFlags.check())...)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var f runFlags
	f.register(flags)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), runUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return gate.ExitIn
		}
		return gate.ExitCannot
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := f.check(flags.Args())
	code := gate.ExitCannot
	if err == nil {
		code, err = runGate(ctx, f, stdout, func(line string) {
			if _, err := fmt.Fprintln(stderr, "benchgate:", line); err != nil {
				cancel() // whoever started us is gone
			}
		})
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "benchgate: interrupted, nothing was judged")
	default:
		fmt.Fprintf(stderr, "benchgate: %v\n", err)
	}
	return code
}

// runGate measures and judges. The report is written after the session has closed, so that nothing follows it.
func runGate(ctx context.Context, f runFlags, stdout io.Writer, progress func(line string)) (int, error) {
	var budgets []budget.Budget
	var err error
	if f.budgets != "" { // a wrong file should not cost the time of a build
		if budgets, err = readBudgets(f.budgets); err != nil {
			return gate.ExitCannot, err
		}
	}
	session, err := collect.Open(ctx, collect.Options{
		Base: f.base, Head: f.head, Package: f.pkg, BenchTime: f.benchTime, ProcessTime: f.processTime,
		Progress: progress,
	})
	if err != nil {
		return gate.ExitCannot, err
	}
	if budgets == nil {
		budgets, err = readBudgets(filepath.Join(session.Dir(), "budgets.txt"))
	}
	var m *measurement
	if err == nil {
		m, err = measure(ctx, f, session, budgets)
	}
	closed := session.Close()
	if err != nil {
		return gate.ExitCannot, errors.Join(err, closed)
	}
	code, err := f.report(m.verdicts(), m.head, stdout)
	err = errors.Join(err, closed, m.log.Finish(m.failures))
	return exitWith(code, err), err
}

// measurement is what a run knows of its benchmarks so far.
type measurement struct {
	budgets    []budget.Budget
	base, head *samples.Set
	options    gate.Options
	failures   []collect.Failure
	log        *collect.Log
}

func measure(ctx context.Context, f runFlags, session *collect.Session, budgets []budget.Budget) (*measurement, error) {
	names, err := session.List(ctx, globsOf(budgets), func(name string) bool {
		return slices.ContainsFunc(budgets, func(b budget.Budget) bool { return b.Match(name) || b.Reference == name })
	})
	if err != nil {
		return nil, err
	}
	log, err := collect.CreateLog(f.out)
	if err != nil {
		return nil, err
	}
	m := &measurement{budgets: budgets, options: gate.Options{Machine: f.machine, CPU: names.CPU}, log: log}
	m.fail(brokenOf(budgets, names, f.machine))
	limits := collect.Limits{First: firstRounds, Most: f.maxRounds, Time: f.maxTime}
	failures, err := session.Measure(ctx, casesOf(budgets, names, f.machine), limits, log, func() ([]string, error) {
		if err := m.read(log); err != nil {
			return nil, err
		}
		return m.undecided(), nil
	})
	if err == nil {
		m.fail(failures)
		err = m.read(log)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, log.Abandon())
	}
	return m, nil
}

// read takes in all that was measured so far.
func (m *measurement) read(log *collect.Log) error {
	return withFiles([]string{log.Name()}, func(inputs []samples.Input) (err error) {
		inputs[0].Name = "raw output"
		m.base, m.head, err = samples.Sides(inputs...)
		if errors.Is(err, samples.ErrEmpty) {
			// Nothing was measured; the budgets will say that their benchmarks are missing.
			m.base, m.head, err = &samples.Set{}, &samples.Set{}, nil
		}
		return err
	})
}

func (m *measurement) verdicts() []gate.Verdict {
	return gate.JudgeAll(m.budgets, m.base, m.head, m.options)
}

// undecided leaves out counts of instructions, to which more rounds add nothing.
func (m *measurement) undecided() []string {
	return gate.Undecided(slices.DeleteFunc(m.verdicts(), func(v gate.Verdict) bool {
		return v.Budget.Unit == gate.UnitInstructions
	}))
}

func (m *measurement) fail(failures []collect.Failure) {
	m.failures = append(m.failures, failures...)
	for _, f := range failures {
		unit := ""
		if f.Instructions {
			unit = gate.UnitInstructions
		}
		m.options.Failures = append(m.options.Failures, gate.Failure{Benchmark: f.Name, Unit: unit, Base: f.Base, Cause: f.Error()})
	}
}
