package snapshot

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A Runner is what Host runs and closes; every *Saver is one.
type Runner interface {
	Run(ctx context.Context) error
	Close() error
}

// Host is a program's main part around a Saver: it runs the Saver beside work until work returns. The context of work ends
// with the given one, when the process gets SIGINT or SIGTERM, and when Run fails, because another Saver has taken over.
// Then it closes the Saver, which takes the final snapshot, and returns the errors of all three; that the context of work has
// ended is none. A second signal ends the process at once, as it would without Host.
func Host(ctx context.Context, saver Runner, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	defer close(over)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals) // the next one is not caught
			cancel()
		case <-over:
		}
	}()
	running := make(chan error, 1)
	go func() {
		err := saver.Run(ctx)
		if err != nil {
			cancel()
		}
		running <- err
	}()
	err := work(ctx)
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		err = nil
	}
	return errors.Join(err, saver.Close(), last(running))
}

// last waits for Run, but not for ever: when Close has given up waiting for a blob store that hangs, Run waits for it
// still.
func last(running <-chan error) error {
	const grace = time.Second
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-running:
		return err
	case <-t.C:
		return nil
	}
}
