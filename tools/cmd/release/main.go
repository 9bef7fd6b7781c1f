// Release leads the modules of this repository from a commit to tags: it proves what users would get, writes what the
// release needs, and makes the tags. It never pushes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/ephemera-go/ephemera/tools/internal/cli"
)

const usage = `usage: release [-C dir] [status]
       release [-C dir] plan SET=VERSION ...
       release [-C dir] write SET=VERSION ...
       release [-C dir] tag SET=VERSION ...
       release [-C dir] api

  status  lists the sets of modules.txt, the last version of each, and which may follow
  plan    checks everything and prints what write would change and which tags tag would make; changes nothing
  write   the same, and then changes go.mod, go.sum, go.work and CHANGELOG.md in the checkout
  tag     the same on a commit that needs no more changes, and then makes one annotated tag for each module, all or none;
          prints the command that pushes them
  api     compares the API of every released module with its last tag; incompatible changes are listed, and fail where
          the module's changelog announces none

All modules of a set get the version. Before a tag exists, it must be true that:
  git        no file differs from the commit, the branch is main, no tag of that name exists
  version    it follows the last one of the set, without gaps: v0.1.0 at first, then vX.Y.Z+1 or vX.Y+1.0
  go.mod     siblings are required at their version in this release or at one that is tagged; no replace
  go.sum     complete, as go mod tidy writes it when it finds the siblings at those versions
  build      go build and go vet pass outside of the workspace with exactly those versions, and go test -short, too, where
             a sibling comes from an older tag than the rest of the commit
  API        nothing incompatible since the last tag, unless Y grows, the major version is 0, and the entry in the
             changelog has a line that begins with "- **Breaking:**"
  files      LICENSE in each module; an entry with a date in its CHANGELOG.md (write makes it of what is Unreleased)
  tags       what the go command fetches from the tags is byte for byte what the checks above were about (only tag)

Exit status: 0 all is well, 1 something is not (all of it is listed), 2 wrong usage or an unreadable tree.

Flags:
`

// errUsage marks errors that the caller can mend in the command line or the tree.
var errUsage = cli.Usage(errors.New("cannot release"))

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	root := flags.String("C", ".", "the `root` of the repository")
	if code, ok := cli.Parse(flags, usage, args, stderr); !ok {
		return code
	}
	verb, rest := "status", []string(nil)
	if flags.NArg() > 0 {
		verb, rest = flags.Arg(0), flags.Args()[1:]
	}
	problems, err := do(ctx, *root, verb, rest, stdout, stderr)
	return cli.Report("release", "problems; nothing was changed", problems, err, stdout, stderr)
}

func do(ctx context.Context, root, verb string, args []string, stdout, stderr io.Writer) ([]string, error) {
	r, err := newRelease(ctx, root, stdout, stderr)
	if err != nil {
		return nil, err
	}
	defer r.close()
	switch verb {
	case "status", "api":
		if len(args) > 0 {
			return nil, fmt.Errorf("%w: %s takes no %s", errUsage, verb, args[0])
		}
		if verb == "api" {
			err := r.checkAllAPI(ctx)
			return r.problems, err
		}
		return nil, r.status(ctx)
	case "plan", "write", "tag":
		if err := r.aim(args); err != nil {
			return nil, err
		}
		r.tagging = verb == "tag"
		r.today = time.Now().UTC().Format(time.DateOnly)
	default:
		return nil, fmt.Errorf("%w: no command %q; see release -h", errUsage, verb)
	}
	if err := r.checkAll(ctx); err != nil || len(r.problems) > 0 {
		return r.problems, err
	}
	switch verb {
	case "write":
		return nil, r.write()
	case "tag":
		err := r.tag(ctx)
		return r.problems, err
	}
	return nil, r.tell(ctx)
}
