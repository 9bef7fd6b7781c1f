// Command load appends single events to servers in processes of their own and says how long each append took: to ephemera,
// to the streams of Redis and to NATS JetStream, each through its usual client, on this machine and in memory.
//
//	go run ./benchmarks/cmd/load -h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitOK      = 0
	exitWrong   = 1 // appends failed, or a server does not have what it acknowledged
	exitFailed  = 2
	exitMissing = 3
)

const usage = `usage: load [flags]

Starts one server after the other as a process of its own on a free port of 127.0.0.1, appends single events of about
100 bytes to a stream that keeps 10,000 of them, and reports latencies, processor time and memory. Run it from the root of
the repository, on a Linux machine that has nothing else to do: generator and server share its processors.

  go run ./benchmarks/cmd/load                                all targets, three rounds: about 4 minutes
  go run ./benchmarks/cmd/load -targets ephemera -rounds 1    one of them
  go run ./benchmarks/cmd/load -targets ephemera-saved -rounds 1 -duration 0 -closed 3m     memory under full load
  go run ./benchmarks/cmd/load -targets ephemera-http -serve '--pprof-listen 127.0.0.1:7071'    and look at a profile

Each round runs every target once, every other round in reverse order, each time with a fresh server whose stream was filled before:
  open    appends are due at a fixed rate, whatever the server does, and go out on whichever connection is free. A latency
          counts from the moment at which the append was due: waiting behind a slow one counts, too
  closed  every connection appends again as soon as it has its reply: the greatest rate, with nothing held back
An append counts when its reply says that it is in memory. After each target the server is asked how many events it got:
one more or less than was acknowledged is an error.

Targets:
`

const usageEnd = `
Exit status: 0 all appends succeeded and are accounted for, 1 some did not, 2 nothing could be measured, 3 a server is
missing.

Flags:
`

type options struct {
	targets     []target
	rounds      int
	rate        int // appends a second, open
	open        time.Duration
	closed      time.Duration
	connections int
	binary      string   // of ephemera; empty: it is built
	serve       []string // more flags for it
	out         string
	command     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err == nil {
		err = o.measure(ctx, stdout, stderr)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "load:", err)
	switch {
	case errors.Is(err, errWrong):
		return exitWrong
	case errors.Is(err, errMissing):
		return exitMissing
	}
	return exitFailed
}

// measure does everything and tells the results.
func (o *options) measure(ctx context.Context, stdout, progress io.Writer) error {
	debug.SetGCPercent(400) // what clients leave behind would be collected ten times a second, and count for servers
	w, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer w.clean()
	r := newReport(o, w)
	if err := r.measure(ctx, o, w, progress); err != nil {
		return err
	}
	if err := r.save(o.out); err != nil {
		return err
	}
	r.write(stdout)
	fmt.Fprintf(progress, "load: every run is in %s\n", o.out)
	return r.wrong()
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{command: strings.Join(append([]string{"go run ./benchmarks/cmd/load"}, args...), " ")}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		for _, t := range targets {
			fmt.Fprintf(stderr, "  %-15s %s\n", t.name, t.what)
		}
		fmt.Fprint(stderr, usageEnd)
		f.PrintDefaults()
	}
	names := f.String("targets", "all", "comma-separated `names`")
	f.IntVar(&o.rounds, "rounds", 3, "how often every target is measured")
	f.IntVar(&o.rate, "rate", 5000, "appends a second of open runs")
	f.DurationVar(&o.open, "duration", 10*time.Second, "of an open run; 0: none")
	f.DurationVar(&o.closed, "closed", 3*time.Second, "duration of a closed run; 0: none")
	f.IntVar(&o.connections, "connections", 16, "of the generator to the server")
	f.StringVar(&o.binary, "ephemera", "", "`file` of our server (default: it is built)")
	serve := f.String("serve", "", "more `flags` for ephemera serve, divided by blanks")
	f.StringVar(&o.out, "out", "out/load.json", "`file` for the results of every run")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.serve = strings.Fields(*serve)
	var bad []error
	if f.NArg() > 0 {
		bad = append(bad, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	for _, x := range []struct {
		bad  bool
		text string
	}{
		{o.rounds < 1, "-rounds: at least 1"},
		{o.rate < 1 || o.rate > 1_000_000, "-rate: 1 to 1000000"},
		{o.open < 0 || o.closed < 0, "-duration, -closed: not negative"},
		{o.open == 0 && o.closed == 0, "-duration and -closed are both 0: nothing to measure"},
		{o.connections < 1 || o.connections > 1000, "-connections: 1 to 1000"},
		{o.out == "", "-out: empty"},
	} {
		if x.bad {
			bad = append(bad, errors.New(x.text))
		}
	}
	var err error
	o.targets, err = choose(*names)
	return o, errors.Join(append(bad, err)...)
}

// choose returns the targets of a list of names, in the order of the table.
func choose(names string) ([]target, error) {
	if names == "all" {
		return targets, nil
	}
	wanted := strings.Split(names, ",")
	var known []string
	var chosen []target
	for _, t := range targets {
		known = append(known, t.name)
		if slices.Contains(wanted, t.name) {
			chosen = append(chosen, t)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("-targets: %q is none; all, or some of %s", name, strings.Join(known, ","))
		}
	}
	return chosen, nil
}
