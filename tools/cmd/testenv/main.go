// Testenv runs a command with real servers beside it: a PostgreSQL and an S3 server, private, fresh, and gone afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: testenv [-need list] [-s3 server] [-install] -- command [argument ...]
       testenv -restart socket

Starts a PostgreSQL and an S3 server, runs the command, stops the servers and removes what they stored. The command finds
them in its environment:
  EPHEMERA_TEST_POSTGRES          postgres:// URL of an empty database; its user owns it and may do nothing else, user
                                  postgres at the same place may do everything
  EPHEMERA_TEST_POSTGRES_RESTART  shell command that crashes the server and returns when it has recovered
  EPHEMERA_TEST_S3                s3:// URL of a prefix in an empty bucket
  EPHEMERA_TEST_S3_RESTART        the same for the S3 server
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY   its credentials

  testenv -- go test ./storage-postgres/...   tests of one driver
  testenv -s3 minio -- go test ./storage-s3/...
  EPHEMERA_TEST_S3=s3://mine/tests testenv -- go test ./storage-s3/...   tests against a server of yours

PostgreSQL is looked for in PATH and /usr/lib/postgresql; with -install it comes from apt-get, as root or by sudo without a
password. S3 servers are built at the version in tools/versions.txt below ~/.cache/ephemera/tools. A server that is not there
leaves its variables unset, and testenv says how to get it; it is an error if -need names it or EPHEMERA_CI is set. A variable
that is set already means a server of the caller, which testenv leaves alone.

The command reads an empty standard input. SIGINT, SIGTERM and SIGHUP are passed on to it and its children; after 5 seconds
they are killed. Files lie in TMPDIR.

Exit status: that of the command, 128+N if signal N ended it or testenv, 125 testenv failed or was used wrongly, 126 the
command cannot be run, 127 it is not found. (go run turns all but 0 into 1.)

Flags:
`

const (
	exitFailed   = 125
	exitNoRun    = 126
	exitNotFound = 127
)

type config struct {
	need    []string // servers without which the command makes no sense
	s3      string
	install bool
	command []string
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

func (i interrupted) Error() string { return "interrupted: " + i.signal.String() }

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s, ok := (<-signals).(syscall.Signal)
		if !ok {
			s = syscall.SIGINT
		}
		cancel(interrupted{s})
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("testenv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	need := flags.String("need", "", "fail without these `servers` and start no others: postgres, s3 or both, with a comma")
	flags.StringVar(&c.s3, "s3", "versitygw", "S3 `server`: versitygw or minio")
	flags.BoolVar(&c.install, "install", false, "install servers that are not there")
	restart := flags.String("restart", "", "restart the server of this `socket`; what the _RESTART variables use")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitFailed
	}
	if *need != "" {
		c.need = strings.Split(*need, ",")
	}
	c.command = flags.Args()
	var code int
	var err error
	if *restart != "" {
		err = askRestart(ctx, *restart)
	} else if err = c.check(); err == nil {
		code, err = newSession(c, thisHost(), stdout, stderr).run(ctx)
	}
	var stop interrupted
	if errors.As(context.Cause(ctx), &stop) {
		return 128 + int(stop.signal)
	}
	if err != nil {
		fmt.Fprintf(stderr, "testenv: %v\n", err)
		return max(code, exitFailed)
	}
	return code
}

func (c config) check() error {
	var problems []error
	if len(c.command) == 0 {
		problems = append(problems, errors.New("want a command; see testenv -h"))
	}
	for _, name := range c.need {
		if !slices.Contains(serverNames, name) {
			problems = append(problems, fmt.Errorf("-need: unknown server %q; known are %s", name, strings.Join(serverNames, ", ")))
		}
	}
	if c.s3 != "versitygw" && c.s3 != "minio" {
		problems = append(problems, fmt.Errorf("-s3: unknown server %q; known are versitygw, minio", c.s3))
	}
	return errors.Join(problems...)
}
