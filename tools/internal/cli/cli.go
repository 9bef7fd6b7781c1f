// Package cli is what the programs that check this repository have in common at the command line: how they are
// interrupted, read their flags and say what they found. All use the same exit status.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit status of a program.
const (
	OK       = 0
	Problems = 1 // something was found, or went wrong while the program looked
	Misused  = 2 // wrong usage, or a tree that cannot be read
)

// Main runs a program and exits with the status that it returns. Its context ends on SIGINT and SIGTERM.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Parse reads the flags. If ok is false, all has been said, and the program ends with status code: help was wanted, or a
// flag is wrong.
func Parse(flags *flag.FlagSet, usage string, args []string, stderr io.Writer) (code int, ok bool) {
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case err == nil:
		return OK, true
	case errors.Is(err, flag.ErrHelp):
		return OK, false
	}
	return Misused, false
}

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks an error that the caller can mend in the command line or the tree. Its text stays the same.
func Usage(err error) error { return usageError{err} }

// Report prints the error, or else the problems and a line with their number, and returns the exit status. What was found
// before an error is not printed: it is not all, and may be wrong. Found is what the problems are called in the last line.
func Report(name, found string, problems []string, err error, stdout, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		if errors.As(err, new(usageError)) {
			return Misused
		}
		return Problems
	}
	if len(problems) == 0 {
		return OK
	}
	for _, p := range problems {
		fmt.Fprintln(stdout, p)
	}
	fmt.Fprintf(stderr, "%s: %d %s\n", name, len(problems), found)
	return Problems
}
