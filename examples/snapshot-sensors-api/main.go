// Command snapshot-sensors-api takes readings of sensors over HTTP, keeps them in memory, answers questions about them, and comes back
// with them after a restart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

const usage = `snapshot-sensors-api takes readings of sensors over HTTP, keeps the newest of them in memory, saves snapshots of them, and comes
back with them when it is started again.

usage: snapshot-sensors-api [flags]

  --listen ADDRESS       where to listen (default 127.0.0.1:5000; :5000 is everywhere)
  --snapshots URL        where snapshots are kept (default file:./data/sensors-api); sqlite:./sensors.db, s3://..., postgres://... work too
  --capacity N           events that are kept in memory, split evenly over 8 partitions (default 800000)
  --snapshot-interval D  from one snapshot to the next (default 10s)
  --snapshot-events N    events after which there is a snapshot at once (default 50000)
  --every D              how often figures are printed (default 10s)

  POST /sensor        {"deviceId":"d1","temperature":21.5,"humidity":45,"timestampUtc":"2026-01-01T12:00:00Z"}: 201, two events;
                      without timestampUtc it is now
  GET  /sensor/d1     the newest events of a device, and the partition that all of them are in
  GET  /state         count, min, max and avg of temperature and humidity
  GET  /metrics       figures for Prometheus
  GET  /health        200 as long as it runs

  snapshot-sensors-api &
  curl -i -d '{"deviceId":"d1","temperature":21.5,"humidity":45}' localhost:5000/sensor
  curl localhost:5000/state

SIGTERM or an interrupt (Ctrl-C) takes no new readings, answers those that were begun, and saves everything; a second one ends at
once, without. A reading is in memory when the reply comes, and safe with the next snapshot.

Exit status: 0 stopped and saved, 1 something failed, 2 wrong usage, 3 the address cannot be used, 4 another process uses the place
of the snapshots, 6 not everything was saved.
`

// Exit codes of the command, a part of those that ephemera has.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitListen  = 3
	exitHeld    = 4
	exitUnsaved = 6
)

var errListen = errors.New("choose another address with --listen")

type options struct {
	listen, snapshots        string
	capacity, snapshotEvents int
	interval, every          time.Duration
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("snapshot-sensors-api", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:5000", "")
	flags.StringVar(&o.snapshots, "snapshots", "file:./data/sensors-api", "")
	flags.IntVar(&o.capacity, "capacity", 800_000, "")
	flags.IntVar(&o.snapshotEvents, "snapshot-events", 50_000, "")
	flags.DurationVar(&o.interval, "snapshot-interval", 10*time.Second, "")
	flags.DurationVar(&o.every, "every", 10*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.capacity < partitions || o.capacity > 100_000_000:
		err = fmt.Errorf("--capacity: want %d to 100000000", partitions)
	case o.snapshotEvents < 1:
		err = errors.New("--snapshot-events must be at least 1")
	case o.interval <= 0 || o.every <= 0:
		err = errors.New("--snapshot-interval and --every must be above 0, such as 10s")
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
		fmt.Fprintf(stderr, "snapshot-sensors-api: %v (--help shows how)\n", err)
		return exitUsage
	}
	if err = serve(ctx, o, stdout); err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "snapshot-sensors-api: %v\n", err)
	switch {
	case errors.Is(err, errListen):
		return exitListen
	case errors.Is(err, sinks.ErrLeased):
		return exitHeld
	case errors.Is(err, snapshot.ErrUnsaved):
		return exitUnsaved
	}
	return exitFailed
}

// serve takes the address, restores the store, answers until it is told to stop, and saves.
func serve(ctx context.Context, o options, out io.Writer) (err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w; %w", err, errListen)
	}
	defer func() { _ = l.Close() }()
	blobs, err := sinks.OpenBlobs(ctx, o.snapshots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	s, err := open(ctx, o, blobs)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "restored %d events from %s\n%v\n", s.store.Len(), sinks.Redact(o.snapshots), s.saver.Report())
	fmt.Fprintf(out, "ready: http://%s\n", l.Addr())
	// Host runs the saver beside the work, ends the work at an interrupt, and takes the final snapshot.
	err = snapshot.Host(ctx, s.saver, func(ctx context.Context) error { return s.answer(ctx, l, o.every, out) })
	s.report(out)
	if err == nil {
		fmt.Fprintf(out, "saved %d events in snapshot %d\n", s.store.Len(), s.saver.Stats().Ordinal)
	}
	return err
}
