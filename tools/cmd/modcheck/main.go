// Modcheck holds the repository to its module rules: who may import whom, and what a go.mod may say. It reports every
// problem it finds, not only the first.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/tools/internal/cli"
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

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("modcheck", flag.ContinueOnError)
	root := flags.String("C", ".", "the `root` of the repository")
	if code, ok := cli.Parse(flags, usage, args, stderr); !ok {
		return code
	}
	c, err := inspect(ctx, *root, flags.Args())
	if err != nil {
		return cli.Report("modcheck", "problems", nil, err, stdout, stderr)
	}
	if len(c.problems) == 0 {
		fmt.Fprintf(stdout, "modcheck: %d modules, %d Go files: ok\n", len(c.set), len(c.tree.goFiles))
	}
	return cli.Report("modcheck", "problems", c.problems, nil, stdout, stderr)
}

func inspect(ctx context.Context, root string, args []string) (*checker, error) {
	if len(args) > 0 {
		return nil, cli.Usage(fmt.Errorf("unexpected argument %q; see modcheck -h", args[0]))
	}
	c, err := newChecker(root)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("%w; run it in the root of the repository or name that with -C", err))
	}
	c.checkAll(ctx)
	return c, ctx.Err() // what an interrupted command did not say is no problem of a module
}
