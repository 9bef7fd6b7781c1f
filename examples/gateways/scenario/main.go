// Command scenario runs what compose.yaml describes without containers: a server, three gateways, nginx before them. Then it
// sends orders, kills a gateway in the middle, and checks that every order is counted once.
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
)

const usage = `scenario starts a server, three gateways and nginx with nginx.conf of the folder above, as processes on free ports of this machine.
Then it sends orders through nginx, kills a gateway in the middle, and checks that every order is counted once: by whoever
sent it, by the gateways, and by the server. It needs the go command, the whole repository and nginx (Debian: nginx-light).

usage: scenario [flags]

  --orders N     orders in each half of it (default 400)
  --customers N  that send them at the same time (default 8)
  --keep         leave everything running until an interrupt (Ctrl-C)

  go run ./examples/gateways/scenario
  go run ./examples/gateways/scenario --keep     # and then, with the address that it prints:
  curl -X POST localhost:.../orders/bulk?n=5
  curl localhost:.../stats/global

Exit status: 0 all sums agree, 1 they do not, or something else failed, 2 wrong usage, 130 interrupted.
`

// Exit codes of the command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

type options struct {
	orders, customers int
	keep              bool
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("scenario", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&o.orders, "orders", 400, "")
	flags.IntVar(&o.customers, "customers", 8, "")
	flags.BoolVar(&o.keep, "keep", false, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.customers < 1 || o.customers > 100:
		err = errors.New("--customers: want 1 to 100")
	case o.orders < 10 || o.orders > 100_000:
		err = errors.New("--orders: want 10 to 100000")
	}
	return o, err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once, and leaves the others behind
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "scenario: %v (--help shows how)\n", err)
		return exitUsage
	}
	err = play(ctx, o, stdout)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "scenario: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "scenario: %v\n", err)
	return exitFailed
}

// play is the scenario.
func play(ctx context.Context, o options, out io.Writer) (err error) {
	t, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	fmt.Fprintf(out, "server %s; gateways %s %s %s; nginx %s\n",
		t.server.url, t.gateways[0].url, t.gateways[1].url, t.gateways[2].url, t.nginx.url)

	book := &book{out: out, t: t, by: map[string]group{}}
	for _, step := range []func() error{
		func() error { return book.refusals(ctx) },
		func() error { return book.sell(ctx, o, nil) },
		func() error { return book.bulk(ctx, 50) },
		func() error { return book.check(ctx, 3) },
		func() error { return book.sell(ctx, o, t.gateways[1].kill) },
		func() error { return book.check(ctx, 2) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "every order is counted once")
	if o.keep {
		fmt.Fprintf(out, "all but the killed gateway go on at %s until an interrupt\n", t.nginx.url)
		<-ctx.Done()
	}
	return nil
}
