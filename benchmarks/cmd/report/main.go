// Command report measures core beside its references and peers, and writes docs/benchmarks.md: tables, plots, and the raw
// results that they come from. Run it from the root of the repository, on a machine that has nothing else to do.
//
//	go run ./benchmarks/cmd/report [-rounds 9] [-out docs]
//	go run ./benchmarks/cmd/report -quick       # under a minute, into out/report: shows that it works
//	go run ./benchmarks/cmd/report -from FILE   # renders raw results again, without measuring
//
// The old report stays until the new one is whole. It exits with 2 if there is no new report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 2
)

const (
	defaultRounds = 9
	quickRounds   = 1
	defaultOut    = "docs"
	quickOut      = "out/report"
)

type options struct {
	schedule
	from, out string
	command   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], newRunner, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// A starter prepares a runner; the function that it returns cleans up.
type starter func(context.Context) (runner, func(), error)

func run(ctx context.Context, args []string, start starter, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err == nil {
		err = o.report(ctx, start, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

var errFlags = errors.New("bad flags")

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 0, fmt.Sprintf("how often everything is measured (default %d, quick %d)", defaultRounds, quickRounds))
	f.StringVar(&o.from, "from", "", "render the raw results in this `file` instead of measuring")
	f.StringVar(&o.out, "out", "", "`folder` of the report (default "+defaultOut+", quick "+quickOut+")")
	quick := f.Bool("quick", false, "one short round: shows that it works, not how fast")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("report: %w: unexpected argument %q", errFlags, f.Arg(0))
	case given["rounds"] && o.rounds < 1:
		return o, fmt.Errorf("report: %w: -rounds %d, want at least 1", errFlags, o.rounds)
	case given["from"] && (*quick || given["rounds"]):
		return o, fmt.Errorf("report: %w: -from measures nothing, so -quick and -rounds have no meaning", errFlags)
	case given["from"] && o.from == "", given["out"] && o.out == "":
		return o, fmt.Errorf("report: %w: an empty name", errFlags)
	}
	o.mode, o.command = modeFull, strings.Join(append([]string{"go run ./benchmarks/cmd/report"}, args...), " ")
	rounds, out := defaultRounds, defaultOut
	if *quick {
		o.mode, rounds, out = modeQuick, quickRounds, quickOut
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.out == "" {
		o.out = out
	}
	return o, nil
}

func (o options) report(ctx context.Context, start starter, stdout, progress io.Writer) error {
	file, raw, err := o.rawResults(ctx, start, progress)
	if err != nil {
		return err
	}
	b, err := whole().render(file, raw)
	if err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := b.publish(o.out); err != nil {
		return err
	}
	fmt.Fprintln(stdout, filepath.Join(o.out, reportFile))
	return nil
}

// rawResults reads the given file or measures.
func (o options) rawResults(ctx context.Context, start starter, progress io.Writer) (file string, raw []byte, err error) {
	if o.from != "" {
		if raw, err = os.ReadFile(o.from); err != nil {
			return "", nil, fmt.Errorf("report: %w", err)
		}
		return o.from, raw, nil
	}
	bench, stop, err := start(ctx)
	if err != nil {
		return "", nil, err
	}
	defer stop()
	raw, err = o.collect(ctx, bench, progress)
	return "the new results", raw, err
}

// collect measures everything that the report needs and returns raw results with their header.
func (o options) collect(ctx context.Context, bench runner, progress io.Writer) ([]byte, error) {
	header := machineHeader(ctx, o.schedule, o.command, time.Now())
	lines, printed, err := o.measureAll(ctx, whole().needed(), bench, progress)
	if err != nil {
		return nil, err
	}
	header[keyLoadAfter] = measure.LoadAverage()
	var raw strings.Builder
	for l := range strings.Lines(printed) {
		key, text, ok := strings.Cut(strings.TrimSpace(l), ": ")
		if _, known := header[key]; ok && known {
			header[key] = text
		} else {
			raw.WriteString(l)
		}
	}
	units := raw.String()
	raw.Reset()
	writeHeader(&raw, header)
	raw.WriteString(units + lines)
	return []byte(raw.String()), nil
}
