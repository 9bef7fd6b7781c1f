// Command client appends orders to a stream of a server from several goroutines, reads them back, and compares its own sums
// with the server's.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

const usage = `client appends orders to a stream of a running server from several goroutines at once, reads them back, adds them up, and
compares the result with what the server says (?aggregate=true).

usage: client [flags]

  --url URL        the server (default http://127.0.0.1:7070, or EPHEMERA_URL); a token comes from EPHEMERA_TOKEN
  --stream NAME    where to append (default gateway/orders)
  --orders N       orders to append (default 1000)
  --writers N      goroutines that append (default 8)
  --wait D         how long a call is repeated while the server cannot be reached (default 5s)

  ephemera serve &                     a server
  client                               a thousand orders
  client                               a thousand more; both runs have their own sums
  client --stream demo --orders 50 --writers 2

Every order carries the id of its run, so that runs do not get in each other's way, and an id of its own, so that an append whose
reply was lost is repeated without storing the order twice. Nothing is ever deleted: the stream is the server's.

Exit status: 0 the sums are equal, 1 they are not, or something else failed, 2 wrong usage, 7 no server there, 10 a server that
does not say whether it has stored an order, 130 interrupted.
`

// Exit codes of the command, a part of those that ephemera has.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 7
	exitUnknown     = 10
	exitInterrupted = 130
)

type options struct {
	url, stream     string
	orders, writers int
	wait            time.Duration
}

func parse(args []string) (o options, err error) {
	url := os.Getenv("EPHEMERA_URL")
	if url == "" {
		url = "http://127.0.0.1:7070"
	}
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.url, "url", url, "")
	flags.StringVar(&o.stream, "stream", "gateway/orders", "")
	flags.IntVar(&o.orders, "orders", 1000, "")
	flags.IntVar(&o.writers, "writers", 8, "")
	flags.DurationVar(&o.wait, "wait", 5*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.orders < 1 || o.orders > 1_000_000:
		err = errors.New("--orders: want 1 to 1000000")
	case o.writers < 1 || o.writers > 1000:
		err = errors.New("--writers: want 1 to 1000")
	case o.wait <= 0:
		err = errors.New("--wait must be above 0, such as 5s")
	}
	return o, errors.Join(err, streams.CheckName(o.stream))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	var log *streams.Client
	if err == nil {
		log, err = streams.NewClient(o.url, streams.ClientOptions{Token: os.Getenv("EPHEMERA_TOKEN"), RetryTimeout: o.wait})
	}
	if err != nil {
		fmt.Fprintf(stderr, "client: %v (--help shows how)\n", err)
		return exitUsage
	}
	defer func() { _ = log.Close() }()
	r := &runner{o: o, log: log, id: rand.Text()[:8], out: stdout}
	err = r.run(ctx)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "client: interrupted; at least %d orders of run %s are in the stream\n", r.appended.Load(), r.id)
		return exitInterrupted
	case errors.Is(err, streams.ErrUnknownOutcome):
		fmt.Fprintf(stderr, "client: at least %d orders of run %s are in the stream, others may be\nclient: %v\n", r.appended.Load(), r.id, err)
		return exitUnknown
	case errors.Is(err, streams.ErrUnavailable):
		fmt.Fprintf(stderr, "client: no answer from %s; is it there? `ephemera serve` starts a server\nclient: %v\n", o.url, err)
		return exitUnreachable
	}
	fmt.Fprintf(stderr, "client: %v\n", err)
	return exitFailed
}
