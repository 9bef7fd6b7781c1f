// Command distributed-tracking follows parcels through hubs. Each hub is a process with a window of its own; a view reads
// all their windows and shows them as one, in the order of time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"
)

const usage = `distributed-tracking follows parcels through hubs. Each hub is a process that raises a signal for every parcel that it
scans, into a window of its own. The view reads the windows of all hubs and merges them by time.

One process per hub, and not one window for all: hubs share no memory, so one that crashes takes nothing from the others, and
what it wrote is there when it starts again. The view needs nothing but the folder, so it works while hubs run or are down.

usage: distributed-tracking [flags] demo             start three hubs, kill one, start it again, and show the view
       distributed-tracking [flags] hub NAME         be a hub
       distributed-tracking [flags] view             show what all hubs of the folder have seen

  --dir FOLDER     where hubs keep their signals, each in a folder of its name (default ./data/tracking)
  --parcels N      hub, demo: parcels to scan (default 20)
  --every D        hub, demo: time from one scan to the next (default 20ms)
  --parcel NAME    view: the way of one parcel, such as P-0007
  --newest N       view: show the last N signals of all hubs (default 10)

Terminal 1: distributed-tracking --parcels 100000 hub north     Terminal 2: the same with south
Terminal 3: distributed-tracking view, then kill -9 a hub, start it again, and look once more

An interrupt (Ctrl-C) or SIGTERM ends a hub well: it writes what is pending. A hub that is killed loses what it raised in the last
100 ms; the view says that it was.

Exit status: 0 done, also after an interrupt, 1 something failed, such as two hubs of one name, 2 wrong usage.
`

type options struct {
	dir, parcel     string
	parcels, newest int
	every           time.Duration
	command, hub    string
}

// hubName keeps names within the folder.
var hubName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("distributed-tracking", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.dir, "dir", "./data/tracking", "")
	flags.StringVar(&o.parcel, "parcel", "", "")
	flags.IntVar(&o.parcels, "parcels", 20, "")
	flags.IntVar(&o.newest, "newest", 10, "")
	flags.DurationVar(&o.every, "every", 20*time.Millisecond, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.command, o.hub = flags.Arg(0), flags.Arg(1)
	if slices.ContainsFunc(flags.Args(), func(word string) bool { return word == "-h" || word == "-help" || word == "--help" }) {
		return o, flag.ErrHelp
	}
	words := 1
	if o.command == "hub" {
		words = 2
	}
	switch {
	case o.command != "demo" && o.command != "hub" && o.command != "view":
		err = fmt.Errorf("want demo, hub NAME or view, got %q", o.command)
	case flags.NArg() != words:
		err = fmt.Errorf("%s takes %d words, got %d; flags come first", o.command, words-1, flags.NArg()-1)
	case o.command == "hub" && !hubName.MatchString(o.hub):
		err = fmt.Errorf("hub %q: a name is 1 to 40 of a-z, 0-9 and -, and does not begin with -", o.hub)
	case o.dir == "":
		err = errors.New("--dir is empty")
	case o.parcels < 0 || o.newest < 0 || o.every <= 0:
		err = errors.New("--parcels and --newest must be at least 0, --every above 0, such as 20ms")
	}
	return o, err
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole command, and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "distributed-tracking: %v (--help shows how)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	commands := map[string]func(context.Context, options, io.Writer) error{"demo": demo, "hub": beHub, "view": view}
	if err := commands[o.command](ctx, o, stdout); err != nil {
		fmt.Fprintf(stderr, "distributed-tracking: %v\n", err)
		return 1
	}
	return 0
}
