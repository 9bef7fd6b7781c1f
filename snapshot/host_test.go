//go:build unix

package snapshot

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// runner is a Saver of which nothing but its ends is seen.
type runner struct {
	fail   error // of Run, at once
	hangs  bool  // in Run, whatever the context
	closed chan struct{}
	err    error // of Close
}

func (r *runner) Run(ctx context.Context) error {
	if r.fail != nil {
		return r.fail
	}
	if r.hangs {
		select {}
	}
	select {
	case <-ctx.Done():
	case <-r.closed:
	}
	return nil
}

func (r *runner) Close() error {
	close(r.closed)
	return r.err
}

func TestHost(t *testing.T) {
	boom, late := errors.New("boom"), errors.New("late")
	ended := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for what, c := range map[string]struct {
		r    runner
		work func(context.Context) error
		want []error
	}{
		"work returns":                   {runner{}, func(context.Context) error { return nil }, nil},
		"work fails":                     {runner{}, func(context.Context) error { return boom }, []error{boom}},
		"work and Close fail":            {runner{err: late}, func(context.Context) error { return boom }, []error{boom, late}},
		"Run fails, which ends the work": {runner{fail: sinks.ErrFenced}, ended, []error{sinks.ErrFenced}},
		"work is cancelled by itself":    {runner{}, func(context.Context) error { return context.Canceled }, []error{context.Canceled}},
		"Run hangs":                      {runner{hangs: true, err: late}, func(context.Context) error { return nil }, []error{late}},
	} {
		t.Run(what, func(t *testing.T) {
			c.r.closed = make(chan struct{})
			err := Host(t.Context(), &c.r, c.work)
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v; want %v", err, want)
				}
			}
			if len(c.want) == 0 && err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, Host(ctx, &runner{closed: make(chan struct{})}, ended))
	ctx, cancel = context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	must(t, Host(ctx, &runner{closed: make(chan struct{})}, ended))
}

// TestHostAndSignals: the first signal ends the work, and the final snapshot is taken; a Saver's events are all there.
func TestHostAndSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		var p place
		s := open(t, p.handle(t), one(), manual())
		must(t, Host(t.Context(), s, func(ctx context.Context) error {
			fill(t, s.Store(), 0, 10)
			must(t, syscall.Kill(os.Getpid(), sig)) // is caught: Host has begun
			<-ctx.Done()
			fill(t, s.Store(), 10, 12) // the store is open until the work has returned
			return ctx.Err()
		}))
		m := p.newest(t)
		same(t, "final", m.Final, true)
		same(t, "events", m.Events(), 12)
	}
}

// TestHostAndTwoSignals: the second signal ends the process, in which the work does not listen.
func TestHostAndTwoSignals(t *testing.T) {
	if os.Getenv("EPHEMERA_TEST_HOST") != "" {
		_ = Host(t.Context(), &runner{closed: make(chan struct{})}, func(ctx context.Context) error {
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			<-ctx.Done()
			for { // until the signal is not caught any more
				_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
				time.Sleep(time.Millisecond)
			}
		})
		return
	}
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestHostAndTwoSignals$")
	cmd.Env = append(os.Environ(), "EPHEMERA_TEST_HOST=1")
	err = cmd.Run()
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Fatalf("it ended with %v", err)
	}
}
