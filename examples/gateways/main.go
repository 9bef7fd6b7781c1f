// Command gateways is a gateway that takes orders over HTTP and appends them to a stream of a server. Several of them stand
// behind a balancer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

const usage = `gateways takes orders over HTTP and appends them to a stream of a server. Run several of them behind a balancer: nginx.conf and
compose.yaml in this folder do, and so does the program scenario, without containers.

usage: gateways [flags]

  --listen ADDRESS  where to listen (default :8080)
  --id NAME         of this gateway (default a random one, or GATEWAY_ID)
  --server URL      the server (default http://127.0.0.1:7070, or EPHEMERA_URL); a token comes from EPHEMERA_TOKEN
  --stream NAME     where orders go (default gateway/orders)
  --wait D          how long an append is repeated while the server cannot be reached (default 3s)
  --health          ask the gateway that listens there whether it is well, and end

  GET  /health            200 as long as the gateway runs
  POST /orders            one order, {"valor":12}, or without a body: 201 with the order, 200 if it was there already
  POST /orders/bulk?n=50  up to 1000 orders: all of them or none
  GET  /stats/local       what this gateway has sent
  GET  /stats/global      what the server has of all gateways; 503 if it cannot be reached

The header Idempotency-Key is the id of the order. A request may be repeated with it, at any gateway: the order is stored once.

  ephemera serve &
  gateways --listen 127.0.0.1:8080 --id g1 &
  curl -X POST -d '{"valor":12}' -H 'Idempotency-Key: o-1' localhost:8080/orders

SIGTERM or an interrupt (Ctrl-C) takes no new orders and finishes those that were begun.

Exit status: 0 stopped, or well, 1 something failed, or not well, 2 wrong usage, 3 the address cannot be used.
`

// Exit codes of the command, a part of those that ephemera has.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitListen = 3
)

type options struct {
	listen, id, server, stream string
	wait                       time.Duration
	health                     bool
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("gateways", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.listen, "listen", ":8080", "")
	flags.StringVar(&o.id, "id", or("GATEWAY_ID", "gateway-"+randomText(6)), "")
	flags.StringVar(&o.server, "server", or("EPHEMERA_URL", "http://127.0.0.1:7070"), "")
	flags.StringVar(&o.stream, "stream", "gateway/orders", "")
	flags.DurationVar(&o.wait, "wait", 3*time.Second, "")
	flags.BoolVar(&o.health, "health", false, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.id == "":
		err = errors.New("--id is empty")
	case o.wait <= 0:
		err = errors.New("--wait must be above 0, such as 3s")
	}
	return o, errors.Join(err, streams.CheckName(o.stream))
}

// or returns a variable of the environment, or something else if it is empty.
func or(variable, otherwise string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return otherwise
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
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
		log, err = streams.NewClient(o.server, streams.ClientOptions{Token: os.Getenv("EPHEMERA_TOKEN"), RetryTimeout: o.wait})
	}
	if err != nil {
		fmt.Fprintf(stderr, "gateways: %v (--help shows how)\n", err)
		return exitUsage
	}
	defer func() { _ = log.Close() }()
	if o.health {
		if err := askHealth(ctx, o); err != nil {
			fmt.Fprintf(stderr, "gateways: %v\n", err)
			return exitFailed
		}
		return exitOK
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		fmt.Fprintf(stderr, "gateways: %v; choose another address with --listen\n", err)
		return exitListen
	}
	fmt.Fprintf(stdout, "ready: http://%s, gateway %s of %s\n", l.Addr(), o.id, o.server)
	if err := serve(ctx, l, newGateway(o, log), o.wait); err != nil {
		fmt.Fprintf(stderr, "gateways: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, "stopped")
	return exitOK
}

// serve answers until the context ends, and then finishes what was begun, which takes little longer than a request may.
func serve(ctx context.Context, l net.Listener, h http.Handler, wait time.Duration) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*wait+5*time.Second)
	defer cancel()
	return s.Shutdown(last)
}

// askHealth is for the health checks of containers that hold nothing but this program.
func askHealth(ctx context.Context, o options) error {
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway says %s", resp.Status)
	}
	return nil
}
