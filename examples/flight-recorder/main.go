// Command flight-recorder shows a log handler that keeps the last minutes of debug records in memory, and writes them only when
// errors come in a burst: everything that led to it is there, and nothing was written before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
)

const usage = `flight-recorder keeps the last records of a program's log in memory, debug records too, and writes them to a recording when
errors come in a burst.

usage: flight-recorder [flags] run         a program that logs, and fails for a while
       flight-recorder [flags] list        which recordings there are
       flight-recorder [flags] read [N]    the records of a recording, or of the newest one: JSON, a line each

  --recordings URL   where recordings are kept, the newest ten (default file:./data/recordings)
  --keep D           run: age up to which records are kept in memory (default 5m)
  --most N           run: records that are kept in memory (default 100000)
  --errors N         run: so many errors within --span are a burst (default 5)
  --span D           run: see --errors (default 10s)
  --requests N       run: requests that are served (default 1000); each logs two records
  --failing N        run: requests in the middle that fail (default 8)
  --last D           read: only what was logged in the last D before the recording (default: all)

  flight-recorder run && flight-recorder list
  flight-recorder --last 1s read | grep '"request":503'
  flight-recorder --failing 4 run            below the burst nothing is written

Exit status: 0 done, also after an interrupt, 1 something failed, 2 wrong usage.
`

type options struct {
	recorderOptions
	requests, failing int
	last              time.Duration
	command           string
	ordinal           uint64
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("flight-recorder", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.place, "recordings", "file:./data/recordings", "")
	flags.DurationVar(&o.keep, "keep", 5*time.Minute, "")
	flags.IntVar(&o.most, "most", 100_000, "")
	flags.IntVar(&o.errors, "errors", 5, "")
	flags.DurationVar(&o.span, "span", 10*time.Second, "")
	flags.IntVar(&o.requests, "requests", 1000, "")
	flags.IntVar(&o.failing, "failing", 8, "")
	flags.DurationVar(&o.last, "last", math.MaxInt64, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if slices.ContainsFunc(flags.Args(), func(word string) bool { return word == "-h" || word == "-help" || word == "--help" }) {
		return o, flag.ErrHelp
	}
	o.command = flags.Arg(0)
	words := flags.NArg()
	if o.command == "read" && words == 2 {
		words = 1
		if o.ordinal, err = strconv.ParseUint(flags.Arg(1), 10, 64); err != nil || o.ordinal == 0 {
			return o, fmt.Errorf("read: %q is no number of a recording", flags.Arg(1))
		}
	}
	switch {
	case o.command != "run" && o.command != "list" && o.command != "read":
		err = fmt.Errorf("want run, list or read, got %q", o.command)
	case words > 1:
		err = fmt.Errorf("%s takes no %q; flags come first", o.command, flags.Arg(1))
	case o.keep <= 0 || o.span <= 0 || o.last <= 0:
		err = errors.New("--keep, --span and --last must be above 0, such as 5m")
	case o.most < 1 || o.errors < 1 || o.requests < 0 || o.failing < 0:
		err = errors.New("--most and --errors must be at least 1, --requests and --failing at least 0")
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
		fmt.Fprintf(stderr, "flight-recorder: %v (--help shows how)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	switch o.command {
	case "list":
		err = list(ctx, o.place, stdout)
	case "read":
		err = read(ctx, o.place, o.ordinal, o.last, stdout)
	default:
		err = record(ctx, o, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "flight-recorder: %v\n", err)
		return 1
	}
	return 0
}

// record runs the application with a recorder behind its log.
func record(ctx context.Context, o options, out io.Writer) error {
	r, err := openRecorder(ctx, o.recorderOptions)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "records of the last %v are kept in memory; %d errors within %v write them to %s\n", o.keep, o.errors, o.span, sinks.Redact(o.place))
	log := slog.New(newHandler(r, slog.NewTextHandler(out, nil)))
	serve(ctx, log, o.requests, o.failing)
	err = r.close()
	st := r.saver.Stats()
	fmt.Fprintf(out, "%d records, %d recordings, %d bytes written\n", r.store.Ledger().Appended, st.Snapshots, st.Bytes)
	return err
}
