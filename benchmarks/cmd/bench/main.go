// Command bench runs every benchmark once per round, so that each ratio compares measurements of the same moment, and
// judges the ratios.
//
//	go run ./benchmarks/cmd/bench [-rounds 9] [-run regexp] [-json | -markdown] [-quick] [-gate]
//
// It exits with 1 if -gate is given and a must is missed, with 2 if it could not measure.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// Exit codes.
const (
	exitOK     = 0
	exitMissed = 1
	exitFailed = 2
)

// quick is what a short run divides the operations by, and how many rounds it has.
const (
	quickDivisor = 4
	quickRounds  = 2
)

type options struct {
	rounds, divisor               int
	only                          *regexp.Regexp
	json, markdown, gate, verbose bool
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	progress := io.Discard
	if o.verbose {
		progress = stderr
	}
	r, err := measureAll(o, progress)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	write := r.writeText
	switch {
	case o.json:
		write = r.writeJSON
	case o.markdown:
		write = r.writeMarkdown
	}
	if err := write(stdout); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if missed := r.missed(); o.gate && len(missed) > 0 {
		fmt.Fprintf(stderr, "bench: missed: %s\n", strings.Join(missed, "; "))
		return exitMissed
	}
	return exitOK
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{divisor: 1}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 0, "how often everything is measured (default 9, quick 2)")
	only := f.String("run", "", "only rows whose measure matches this regular `expression`")
	f.BoolVar(&o.json, "json", false, "print JSON with all samples")
	f.BoolVar(&o.markdown, "markdown", false, "print a Markdown table")
	f.BoolVar(&o.gate, "gate", false, "exit with 1 if a must is missed")
	f.BoolVar(&o.verbose, "v", false, "tell each round on standard error")
	quick := f.Bool("quick", false, "two short rounds: shows that it works, not how fast")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	if *quick {
		o.divisor = quickDivisor
	}
	switch {
	case o.json && o.markdown:
		return o, errors.New("-json and -markdown exclude each other")
	case o.rounds < 0:
		return o, fmt.Errorf("%d rounds", o.rounds)
	case o.rounds == 0 && *quick:
		o.rounds = quickRounds
	case o.rounds == 0:
		o.rounds = 9
	}
	return o, nil
}
