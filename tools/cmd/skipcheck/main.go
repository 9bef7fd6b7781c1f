// Skipcheck runs go test -json, prints what plain go test would print, lists every skipped test, and fails on a skip that
// nobody expected: a test that never runs proves nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/ephemera-go/ephemera/tools/internal/cli"
)

const usage = `usage: skipcheck [-expected file] [-results file] -- go test -json ...
       skipcheck -sum file

Runs the command, prints its package lines, the output of tests that failed, and one line for each skip. A command that
ran no test at all fails. With -sum it prints the totals of a results file; a test that ran more than once counts once.

Rows of the file of expected skips: package folder, test name (* is a wildcard), condition:
  always                 the skip is fine everywhere
  if-unset NAME ...      it is fine while none of these environment variables is set
  if-env NAME=VALUE      it is fine while the environment variable has this value
  if-flag -short         it is fine while the command has this argument

Exit status: 0 all is well, 1 a test failed or was skipped unexpectedly, 2 wrong usage.

Flags:
`

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("skipcheck", flag.ContinueOnError)
	expected := flags.String("expected", "", "`file` of expected skips; none means no skip is expected")
	results := flags.String("results", "", "append the outcome of every test to this `file`")
	sum := flags.String("sum", "", "print the totals of this results `file` and do nothing else")
	if code, ok := cli.Parse(flags, usage, args, stderr); !ok {
		return code
	}
	var err error
	ok := true
	switch {
	case *sum != "" && flags.NArg() == 0:
		err = printTotals(*sum, stdout)
	case *sum == "" && flags.NArg() > 0:
		ok, err = check(ctx, *expected, *results, flags.Args(), stdout, stderr)
	default:
		err = errors.New("want a command, or -sum alone; see skipcheck -h")
	}
	if err != nil {
		fmt.Fprintf(stderr, "skipcheck: %v\n", err)
		return 2
	}
	if !ok {
		return 1
	}
	return 0
}

// check runs the command and reports whether it and its skips are fine.
func check(ctx context.Context, expected, results string, command []string, stdout, stderr io.Writer) (bool, error) {
	rules, err := loadRules(expected)
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	r := newReport(stdout)
	readErr := r.read(pipe)
	exit := cmd.Wait()
	if readErr != nil {
		return false, readErr
	}
	ok := r.finish(exit)
	for _, s := range r.skips {
		rule, fine := rules.allows(s, command, os.LookupEnv)
		if fine {
			fmt.Fprintf(stdout, "SKIP %s: %s (expected: %s)\n", s.id, s.reason, rule)
			continue
		}
		ok = false
		r.outcomes = append(r.outcomes, "fail "+s.id.String())
		fmt.Fprintf(stdout, "UNEXPECTED SKIP %s: %s\n", s.id, s.reason)
	}
	if results == "" {
		return ok, nil
	}
	return ok, appendLines(results, r.outcomes)
}
