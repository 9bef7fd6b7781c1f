// Rehearse packs the modules of the tree into a module proxy of files and uses them from there as strangers will: without
// the workspace. It finds what a workspace hides before any tag exists, and it never changes the checkout.
package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"github.com/ephemera-go/ephemera/tools/internal/cli"
)

const usage = `usage: rehearse [-C dir] [-head] [-test] [-keep] [module ...]
       rehearse [-C dir] [-head] -consume [module ...]
       rehearse [-C dir] [-head] -install folder [-then command]
       rehearse [-C dir] [-head] -tidy dir

Copies the tracked files to a folder of its own (untracked files never count: git add them first), sets what the modules
require of each other to versions made from their content, and then, in dependency order and with GOWORK=off, for each
module: go mod tidy (which must change nothing else), go build and go vet; then it packs the module for those that follow.
With -test it also runs go test -short in the released modules, two at a time; nobody gets the others outside of the
workspace. Modules that the named ones need are rehearsed too; none named means all. The folder and the versions are the same
every time, so the go command does nothing again for a module that has not changed, nor has what it requires; its rules for
cached tests hold.

With -consume it makes, for each of the released modules, a module of a user that requires that one alone, builds and
runs the user's program, and compares the modules that the binary records with the list beside the program, below
tools/cmd/rehearse/testdata/consumers. A module that may use the standard library only must leave the user's module graph
alone too. With -install it installs the program in that folder by path and version, as go install does for users, and
runs the command of -then in the root, with the program in its PATH and the environment of a stranger. With -tidy it writes
the tidied go.mod and go.sum of each module below a folder, at the sibling versions they have now; 'make tidy' copies them
into the checkout.

  rehearse                 all modules, without their tests
  rehearse -test core      module core, with its tests
  rehearse -consume core   what a user of core gets
  rehearse -install tools/cmd/benchgate -then 'benchgate --version'

Exit status: 0 all is well, 1 a module failed (all failures are listed), 2 wrong usage or an unreadable tree.

Flags:
`

type config struct {
	root    string
	head    bool
	test    bool
	keep    bool
	consume bool
	install string
	then    string
	tidy    string
	modules []string
}

// errUsage marks errors that the caller can mend in the command line or the tree.
var errUsage = cli.Usage(errors.New("cannot rehearse"))

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	flags.StringVar(&c.root, "C", ".", "the `root` of the repository")
	flags.BoolVar(&c.head, "head", false, "rehearse the last commit, not the tracked files as they are now")
	flags.BoolVar(&c.test, "test", false, "also run go test -short in the released modules")
	flags.BoolVar(&c.keep, "keep", false, "keep the temporary folder and print its name")
	flags.BoolVar(&c.consume, "consume", false, "prove what a user of each module gets, and nothing else")
	flags.StringVar(&c.install, "install", "", "go install the program in this `folder`")
	flags.StringVar(&c.then, "then", "", "`command` that uses the installed program")
	flags.StringVar(&c.tidy, "tidy", "", "write tidied go.mod and go.sum files below this `folder`, check nothing")
	if code, ok := cli.Parse(flags, usage, args, stderr); !ok {
		return code
	}
	c.modules = flags.Args()
	problems, err := rehearse(ctx, c, stderr)
	return cli.Report("rehearse", "problems", problems, err, stdout, stderr)
}
