package snapshot

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// A Runner is what Host runs and closes; every *Saver is one.
type Runner interface {
	Run(ctx context.Context) error
	Close() error
}

// Host is a program's main part around a Saver: it runs the Saver beside work until work returns, the context ends, or the
// process gets SIGINT or SIGTERM, which end the context of work. Then it waits for work to return, closes the Saver, which
// takes the final snapshot, and returns the errors of all three. A second signal ends the process at once, as it would
// without Host.
func Host(ctx context.Context, saver Runner, work func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	running := make(chan error, 1)
	go func() { running <- saver.Run(ctx) }()
	worked := make(chan error, 1)
	go func() { worked <- work(ctx) }()
	var err error
	select {
	case err = <-worked:
	case <-ctx.Done():
		stop() // the next signal is not caught
		err = <-worked
		if errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	stop()
	closed := saver.Close()
	return errors.Join(err, <-running, closed)
}
