// Docscheck holds the Markdown files of the repository to its code: links lead somewhere, Go compiles, commands and flags
// exist, tests and variables that are named are there. It reports every problem it finds, not only the first.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/tools/internal/cli"
)

const usage = `usage: docscheck [-C dir]

Checks every Markdown file outside of testdata, out and hidden folders:
  links        relative ones lead to a file of the tree and to a heading of it; others are absolute URLs
  go           a block that begins with "package" is a file and compiles; "go from=PATH" stands in that file of the
               repository, indentation aside; every other block is declarations or statements and compiles with the
               imports and declarations of the comment <!-- go ... --> above it; "go ignore=REASON" is left alone
  commands     in blocks of sh, in blocks without a language and in code spans: make targets and variables, packages and
               tests of go, and programs of this repository with their commands and flags
  json, yaml   blocks, and files below docs, can be read
  names        core.New and the like, tests, flags and EPHEMERA_ variables in code spans exist; a test that a page says is in a folder is there
  guarantees   every promise in docs/guarantees.md names a test or a command
  figures      docs/operations.md describes every metric of the server and no other; the Grafana dashboard uses no other
  urls         docs/urls.md explains every key that a driver reads, and no other
  examples     examples/README.md has a heading for every folder beside it that has a README or a program
  size         README files have at most 150 lines; docs/README.md links every page in its folder

Exit status: 0 all is well, 1 problems were found (all are listed), 2 wrong usage or an unreadable tree.

Flags:
`

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("docscheck", flag.ContinueOnError)
	root := flags.String("C", ".", "the `root` of the repository")
	if code, ok := cli.Parse(flags, usage, args, stderr); !ok {
		return code
	}
	c, err := inspect(ctx, *root, flags.Args())
	if err != nil {
		return cli.Report("docscheck", "problems", nil, err, stdout, stderr)
	}
	if len(c.problems) == 0 {
		fmt.Fprintf(stdout, "docscheck: %d pages, %d Go blocks, %d commands: ok\n", len(c.pages), c.goBlocks, c.commands)
	}
	return cli.Report("docscheck", "problems", c.problems, nil, stdout, stderr)
}

func inspect(ctx context.Context, root string, args []string) (*checker, error) {
	if len(args) > 0 {
		return nil, cli.Usage(fmt.Errorf("unexpected argument %q; see docscheck -h", args[0]))
	}
	c, err := newChecker(root)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("%w; run it in the root of the repository or name that with -C", err))
	}
	if err := c.checkAll(ctx); err != nil {
		return nil, cli.Usage(err)
	}
	return c, ctx.Err() // what an interrupted command did not say is no problem of a page
}
