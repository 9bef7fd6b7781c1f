// Command graceful-shutdown is a small order service that ends in the right order: it stops taking orders, finishes those that
// it has taken, writes its signals and its store, and says with its exit code how that went.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
	"github.com/ephemera-go/ephemera/snapshot"
)

const usage = `graceful-shutdown takes orders over HTTP, keeps them in memory, and charges them one after the other. What it does at its end:

  first SIGTERM or SIGINT    1 stop taking: the port is closed, requests under way are answered
                             2 drain: every order that was taken is charged
                             3 flush: pending signals are written
                             4 save: the final snapshot of the store
  second one, or --drain     hurry: skip the rest of 1 and 2; what is not charged yet is saved, and charged by the next run
  third one                  end at once, with what the last snapshot holds

usage: graceful-shutdown [flags]

  --listen ADDRESS  where to listen (default 127.0.0.1:7075; port 0 is a free one)
  --data FOLDER     where signals and snapshots are kept (default ./data/orders)
  --charge D        how long it takes to charge an order (default 100ms)
  --drain D         how long step 2 may take (default 10s)

  curl -d '{"order":"a-1","cents":1250}' 127.0.0.1:7075/orders     202 means taken: it survives every end but a crash
  curl 127.0.0.1:7075/orders                                       all orders, and whether they are charged

Behind Docker or Kubernetes give the process more time than --drain and 5 seconds for the snapshot before it is killed.

Exit status: 0 everything is charged and saved, 1 something is not saved, 2 wrong usage, 3 everything is saved and not
everything charged.
`

type options struct {
	listen, data  string
	charge, drain time.Duration
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("graceful-shutdown", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7075", "")
	flags.StringVar(&o.data, "data", "./data/orders", "")
	flags.DurationVar(&o.charge, "charge", 100*time.Millisecond, "")
	flags.DurationVar(&o.drain, "drain", 10*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.data == "":
		err = errors.New("--data is empty")
	case o.charge < 0 || o.drain < 0:
		err = errors.New("--charge and --drain must be at least 0, such as 100ms")
	}
	return o, err
}

// errLeft says that not all orders are charged.
var errLeft = errors.New("orders are left for the next run")

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole command, and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "graceful-shutdown: %v (--help shows how)\n", err)
		return 2
	}
	left, err := host(context.Background(), o, stdout)
	if err == nil && left > 0 {
		err = errLeft
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errLeft):
		fmt.Fprintf(stderr, "graceful-shutdown: %d %v\n", left, err)
		return 3
	}
	fmt.Fprintf(stderr, "graceful-shutdown: %v\n", err)
	return 1
}

// host opens everything, runs the service until it is told to end, and closes everything in the opposite order.
func host(ctx context.Context, o options, out io.Writer) (left int, err error) {
	signals := make(chan os.Signal, 2) // Host heeds the first one; the service the second
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen) // first of all: a port in use costs nothing
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	path, err := filepath.Abs(o.data)
	if err != nil {
		return 0, err
	}
	place := "file://" + filepath.ToSlash(path)
	blobs, err := sinks.OpenBlobs(ctx, place)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	saver, err := snapshot.Open(ctx, blobs, storeOptions(), snapshot.Options[event]{Interval: 10 * time.Second})
	if err != nil {
		return 0, err
	}
	s, err := newService(ctx, o, place, saver.Store(), out)
	if err != nil {
		return 0, errors.Join(err, saver.Close())
	}
	defer func() { err = errors.Join(err, s.close()) }()
	err = snapshot.Host(ctx, saver, func(ctx context.Context) error {
		defer signal.Stop(signals) // the next one ends the process
		return s.serve(ctx, listener, signals)
	})
	if err == nil {
		fmt.Fprintf(out, "4 saved: %d events are in the final snapshot\n", saver.Store().Len())
	}
	return s.left, err
}
