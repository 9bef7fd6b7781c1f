// Modcheck holds the repository to its module rules: who may import whom, and what a go.mod may say. It reports every
// problem it finds, not only the first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const usage = `usage: modcheck [-C dir]

Checks the modules listed in modules.txt:
  modules.txt  equals go.work and the go.mod files of the tree
  go.mod       one go line everywhere; no toolchain, replace or tool line; core and sinks require nothing;
               sibling versions that are required lead to the tree in go.work
  imports      only what the row of the module allows; never another module's internal packages
  LICENSE      a real copy of the one in the root, in every module
  size         Go files and scripts of at most 500 lines

Exit status: 0 all is well, 1 problems were found (all are listed), 2 wrong usage or an unreadable tree.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("modcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("C", ".", "the `root` of the repository")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "modcheck: unexpected argument %q; see modcheck -h\n", flags.Arg(0))
		return 2
	}
	c, err := newChecker(*root)
	if err != nil {
		fmt.Fprintf(stderr, "modcheck: %v; run it in the root of the repository or name that with -C\n", err)
		return 2
	}
	c.checkAll(ctx)
	if len(c.problems) == 0 {
		fmt.Fprintf(stdout, "modcheck: %d modules, %d Go files: ok\n", len(c.set), len(c.tree.goFiles))
		return 0
	}
	for _, p := range c.problems {
		fmt.Fprintln(stdout, p)
	}
	fmt.Fprintf(stderr, "modcheck: %d problems\n", len(c.problems))
	return 1
}
