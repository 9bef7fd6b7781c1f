package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/gate"
	"github.com/ephemera-go/ephemera/tools/internal/gatereport"
	"github.com/ephemera-go/ephemera/tools/internal/outfile"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

const judgeUsage = `usage: benchgate judge --budgets FILE [--base FILE] [flags] FILE...

Judges benchmark output that exists already: that of go test -bench, or the raw output of benchgate run. Several files
count as one run. Budgets against a base revision (<= +2%) need --base, or lines "side: base" and "side: head" in the files.

Exit status: 0 in budget, 1 over budget, 2 cannot judge, which wrong usage and unreadable files are too; for these nothing
is printed but the error, also with --json.

Flags:
`

// reportFlags are those of every command that ends with a report.
type reportFlags struct {
	json     bool
	markdown string
	machine  string
	noise    string
}

func (f *reportFlags) register(flags *flag.FlagSet) {
	flags.BoolVar(&f.json, "json", false, "print JSON instead of plain text")
	flags.StringVar(&f.markdown, "markdown", "", "also write a markdown table to this `file`")
	flags.StringVar(&f.machine, "machine", "", "a `name` of this machine, for budgets with machine=, beside that in the cpu line")
	flags.StringVar(&f.noise, "noise", "fail", "whether verdicts that only noise prevented end with status 2: `fail|pass`")
}

func (f *reportFlags) check() error {
	if f.noise != "fail" && f.noise != "pass" {
		return fmt.Errorf("read --noise %q: expected fail or pass", f.noise)
	}
	if f.markdown != "" {
		if err := outfile.Check(f.markdown); err != nil {
			return fmt.Errorf("read --markdown: %w", err)
		}
	}
	return nil
}

// report writes the verdicts where the flags say, standard output first, and returns the exit status. With an error that is
// never 0, but what is over budget stays so.
func (f *reportFlags) report(verdicts []gate.Verdict, head *samples.Set, stdout io.Writer) (int, error) {
	r := gatereport.Report{Verdicts: verdicts, Exit: gate.Exit(verdicts, f.noise == "pass"), Machines: head.Machines()}
	write := gatereport.Text
	if f.json {
		write = gatereport.JSON
	}
	err := write(stdout, r)
	if f.markdown != "" {
		err = errors.Join(err, outfile.Write(f.markdown, func(w io.Writer) error { return gatereport.Markdown(w, r) }))
	}
	return exitWith(r.Exit, err), err
}

// exitWith returns the exit status of a run that also met an error.
func exitWith(code int, err error) int {
	if err != nil && code == gate.ExitIn {
		return gate.ExitCannot
	}
	return code
}

func judge(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	budgets := flags.String("budgets", "", "`file` of budgets; required")
	base := flags.String("base", "", "output of the base revision, in a `file` of its own")
	var out reportFlags
	out.register(flags)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), judgeUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return gate.ExitIn
		}
		return gate.ExitCannot
	}
	code, err := judgeFiles(ctx, *budgets, *base, flags.Args(), out, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "benchgate: %v\n", err)
	}
	return code
}

func judgeFiles(ctx context.Context, budgets, base string, files []string, out reportFlags, stdout io.Writer) (int, error) {
	var wrong []error
	if budgets == "" {
		wrong = append(wrong, errors.New("want --budgets FILE; see benchgate help judge"))
	}
	if len(files) == 0 {
		wrong = append(wrong, errors.New("want a file of benchmark output; see benchgate help judge"))
	}
	wrong = append(wrong, givenTwice(append(slices.Clone(files), base)))
	if err := errors.Join(append(wrong, out.check())...); err != nil {
		return gate.ExitCannot, err
	}
	list, budgetErr := readBudgets(budgets)
	baseSet, head, outputErr := readOutput(base, files)
	if err := errors.Join(budgetErr, outputErr, ctx.Err()); err != nil {
		return gate.ExitCannot, err
	}
	return out.report(gate.JudgeAll(list, baseSet, head, gate.Options{Machine: out.machine}), head, stdout)
}

// givenTwice refuses a file that would count double, or as its own base. Paths that cannot be read are left to who reads them.
func givenTwice(paths []string) error {
	var errs []error
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		same := func(other string) bool {
			earlier, err := os.Stat(other)
			return err == nil && os.SameFile(info, earlier)
		}
		if slices.ContainsFunc(paths[:i], same) {
			errs = append(errs, fmt.Errorf("read %s: the same file is given twice", path))
		}
	}
	return errors.Join(errs...)
}

func readBudgets(path string) ([]budget.Budget, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return budget.Parse(path, bytes.NewReader(data))
}

// readOutput reads both sides from the files, or one from each argument if there is a file of the base.
func readOutput(base string, files []string) (baseSet, head *samples.Set, err error) {
	if base == "" {
		err = withFiles(files, func(inputs []samples.Input) (err error) {
			baseSet, head, err = samples.Sides(inputs...)
			return err
		})
		return baseSet, head, err
	}
	read := func(into **samples.Set) func([]samples.Input) error {
		return func(inputs []samples.Input) (err error) {
			*into, err = samples.ReadAll(inputs...)
			return err
		}
	}
	err = errors.Join(withFiles([]string{base}, read(&baseSet)), withFiles(files, read(&head)))
	return baseSet, head, err
}

func withFiles(paths []string, read func([]samples.Input) error) error {
	var inputs []samples.Input
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		inputs = append(inputs, samples.Input{Name: path, Reader: bytes.NewReader(data)})
	}
	return read(inputs)
}
