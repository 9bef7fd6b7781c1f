// Command snapshot-sensors keeps made-up readings of sensors in memory, saves them now and then, and goes on with them when it is
// started again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

const usage = `snapshot-sensors makes up readings of temperature and humidity, keeps the newest of them in memory, saves snapshots of them, and
goes on where it was when it is started again.

usage: snapshot-sensors [flags]

  --snapshots URL        where snapshots are kept (default file:./data/sensors); sqlite:./sensors.db, s3://..., postgres://... work too
  --rate N               readings a second, of two events each (default 2000)
  --devices N            that send them (default 64)
  --capacity N           events that are kept in memory, split evenly over 8 partitions (default 100000)
  --snapshot-interval D  from one snapshot to the next (default 5s)
  --snapshot-events N    events after which there is a snapshot at once (default 100000)
  --every D              how often figures are printed (default 10s)
  --for D                how long it runs (default 0: until an interrupt)

  snapshot-sensors --for 12s
  snapshot-sensors --for 12s           begins with what the first one had
  snapshot-sensors --snapshots sqlite:./sensors.db --rate 50000 --every 1s

The figures: appended are events of this run, discarded are events that --capacity pushed out, at risk are events that a crash
would lose now because no snapshot has them.

An interrupt (Ctrl-C) or SIGTERM saves everything a last time; a second one ends at once, without.

Exit status: 0 done and saved, 1 something failed, 2 wrong usage, 4 another process uses the place of the snapshots, 6 not
everything was saved.
`

// Exit codes of the command, a part of those that ephemera has.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitHeld    = 4
	exitUnsaved = 6
)

type options struct {
	snapshots                               string
	rate, devices, capacity, snapshotEvents int
	interval, every, length                 time.Duration
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("snapshot-sensors", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.snapshots, "snapshots", "file:./data/sensors", "")
	flags.IntVar(&o.rate, "rate", 2000, "")
	flags.IntVar(&o.devices, "devices", 64, "")
	flags.IntVar(&o.capacity, "capacity", 100_000, "")
	flags.IntVar(&o.snapshotEvents, "snapshot-events", 100_000, "")
	flags.DurationVar(&o.interval, "snapshot-interval", 5*time.Second, "")
	flags.DurationVar(&o.every, "every", 10*time.Second, "")
	flags.DurationVar(&o.length, "for", 0, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.rate < 1 || o.rate > 1_000_000:
		err = errors.New("--rate: want 1 to 1000000")
	case o.devices < 1 || o.devices > 10_000:
		err = errors.New("--devices: want 1 to 10000")
	case o.capacity < partitions || o.capacity > 100_000_000:
		err = fmt.Errorf("--capacity: want %d to 100000000", partitions)
	case o.snapshotEvents < 1:
		err = errors.New("--snapshot-events must be at least 1")
	case o.interval <= 0 || o.every <= 0 || o.length < 0:
		err = errors.New("--snapshot-interval and --every must be above 0, such as 5s; --for must not be negative")
	}
	return o, err
}

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit code. Signals are up to snapshot.Host.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "snapshot-sensors: %v (--help shows how)\n", err)
		return exitUsage
	}
	err = sense(ctx, o, stdout)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "snapshot-sensors: %v\n", err)
	switch {
	case errors.Is(err, sinks.ErrLeased):
		return exitHeld
	case errors.Is(err, snapshot.ErrUnsaved):
		return exitUnsaved
	}
	return exitFailed
}
