// Command metrics-dashboard posts made-up metrics to a server and shows what the server makes of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const usage = `metrics-dashboard posts made-up metrics to a running server, and shows what the server makes of them: per label the values of the
last minutes, their sum, minimum, maximum and average, and the labels with the greatest sums.

usage: metrics-dashboard [flags]

  --url URL      the server (default http://127.0.0.1:7070, or EPHEMERA_URL); a token comes from EPHEMERA_TOKEN
  --rate N       metrics a second to post; 0 only looks (default 100)
  --labels LIST  their labels (default cpu,mem,disk,latency)
  --minutes N    how far the figures look back (default 5)
  --top K        how many labels are ranked (default 3)
  --every D      time from one picture to the next (default 1s)
  --rounds N     how many pictures there are (default 0: until an interrupt)

  ephemera serve &
  metrics-dashboard
  metrics-dashboard --rate 0 --labels cpu          look only
  metrics-dashboard --rounds 1 | cat               plain text

On a terminal each picture replaces the one before, elsewhere it follows it. A post whose reply is lost is not repeated, for it has
no key that would keep it from counting twice; such posts are counted as unknown. When the server goes away the dashboard says so,
and goes on when it is back.

An interrupt (Ctrl-C) or SIGTERM ends it with a last picture.

Exit status: 0 done, also after an interrupt, 1 something failed, 2 wrong usage, 7 no server there to begin with.
`

// Exit codes of the command, a part of those that ephemera has.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 7
)

type options struct {
	url                        string
	labels                     []string
	rate, minutes, top, rounds int
	every                      time.Duration
}

func parse(args []string) (o options, err error) {
	server := os.Getenv("EPHEMERA_URL")
	if server == "" {
		server = "http://127.0.0.1:7070"
	}
	var labels string
	flags := flag.NewFlagSet("metrics-dashboard", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.url, "url", server, "")
	flags.StringVar(&labels, "labels", "cpu,mem,disk,latency", "")
	flags.IntVar(&o.rate, "rate", 100, "")
	flags.IntVar(&o.minutes, "minutes", 5, "")
	flags.IntVar(&o.top, "top", 3, "")
	flags.IntVar(&o.rounds, "rounds", 0, "")
	flags.DurationVar(&o.every, "every", time.Second, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.labels = strings.Split(labels, ",")
	u, failed := url.Parse(o.url)
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	case failed != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "":
		err = errors.New("--url: http or https, a host, perhaps a path, and nothing else")
	case o.rate < 0 || o.rate > 10_000:
		err = errors.New("--rate: want 0 to 10000")
	case len(o.labels) > 20 || strings.Contains(","+labels+",", ",,"):
		err = errors.New("--labels: want 1 to 20 names with commas between them")
	case o.minutes < 1 || o.top < 1 || o.top > 20 || o.rounds < 0 || o.every < 10*time.Millisecond:
		err = errors.New("--minutes must be at least 1, --top 1 to 20, --rounds at least 0, --every at least 10ms")
	}
	return o, err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "metrics-dashboard: %v (--help shows how)\n", err)
		return exitUsage
	}
	d := &dashboard{o: o, server: &server{o.url, os.Getenv("EPHEMERA_TOKEN")}, out: stdout}
	err = d.run(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnreachable):
		fmt.Fprintf(stderr, "metrics-dashboard: no answer from %s; is it there? `ephemera serve` starts a server\nmetrics-dashboard: %v\n", o.url, err)
		return exitUnreachable
	}
	fmt.Fprintf(stderr, "metrics-dashboard: %v\n", err)
	return exitFailed
}
