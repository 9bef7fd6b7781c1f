// Command error-monitoring is a small shop that raises its errors into a window, sees when they come in bursts, and knows
// after a restart what had happened before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `error-monitoring is a shop whose payments break down for a while. It raises a signal for every order, watches the errors
among them, sounds an alarm when they come in a burst, and keeps all signals, so that the next run knows of them.

usage: error-monitoring [flags]

  --signals URL    where signals are kept (default sqlite:./data/errors.db); file:./folder works too, mem:// keeps nothing
  --orders N       orders to take (default 100); payments are down for the 61st to the 80th of every hundred
  --every D        time from one order to the next (default 50ms)
  --watch PATTERN  what is an error: * is any text, ? one character, commas separate alternatives (default error.*)
  --burst N        so many errors within --span are a burst (default 10)
  --span D         see --burst (default 1s)

  error-monitoring                                  a breakdown
  error-monitoring --orders 10                      what is known of it afterwards
  error-monitoring --watch 'error.stock.*' --burst 2 --orders 150

An interrupt (Ctrl-C) or SIGTERM ends it well: what is pending is written. So does an alarm, in case the worst follows.

Exit status: 0 done, also after an interrupt, 1 signals could not be kept, 2 wrong usage.
`

type options struct {
	signals, watch string
	orders, burst  int
	every, span    time.Duration
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("error-monitoring", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.signals, "signals", "sqlite:./data/errors.db", "")
	flags.StringVar(&o.watch, "watch", "error.*", "")
	flags.IntVar(&o.orders, "orders", 100, "")
	flags.IntVar(&o.burst, "burst", 10, "")
	flags.DurationVar(&o.every, "every", 50*time.Millisecond, "")
	flags.DurationVar(&o.span, "span", time.Second, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.orders < 0 || o.burst < 1:
		err = errors.New("--orders must be at least 0, --burst at least 1")
	case o.every <= 0 || o.span <= 0:
		err = errors.New("--every and --span must be above 0, such as 20ms")
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
		fmt.Fprintf(stderr, "error-monitoring: %v (--help shows how)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := watch(ctx, o, stdout); err != nil {
		fmt.Fprintf(stderr, "error-monitoring: %v\n", err)
		return 1
	}
	return 0
}

// watch runs the shop with a window on the place that the URL names.
func watch(ctx context.Context, o options, out io.Writer) (err error) {
	m := newMonitor(o, out)
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return err
	}
	if err := m.recall(ctx); err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	taken, err := takeOrders(ctx, o, m)
	if err != nil {
		return err
	}
	return m.finish(taken)
}
