package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// demo starts three hubs, kills one in the middle of its work, starts it again, and shows the view.
func demo(ctx context.Context, o options, out io.Writer) error {
	hubs, err := runHubs(ctx, o, out)
	for _, h := range hubs {
		err = errors.Join(err, h.end())
	}
	if err != nil {
		return err
	}
	return view(context.WithoutCancel(ctx), o, out)
}

// runHubs returns the hubs that are still at work. With an error these were interrupted.
func runHubs(ctx context.Context, o options, out io.Writer) (hubs []*process, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	endless := o
	endless.parcels = math.MaxInt // it must not be done before it is killed
	for _, h := range []struct {
		name string
		options
	}{{"west", endless}, {"north", o}, {"south", o}} {
		p, err := startHub(ctx, h.options, h.name, out)
		if err != nil {
			return hubs, err
		}
		hubs = append(hubs, p)
	}
	select {
	case <-ctx.Done():
		return hubs, nil
	case <-time.After(time.Duration(o.parcels) * o.every / 2):
	}
	if _, err := fmt.Fprintln(out, "kill -9 west"); err != nil {
		return hubs, err
	}
	west := hubs[0]
	if err := west.Process.Kill(); err != nil {
		return hubs, err
	}
	_ = west.Wait() // which says that it was killed
	hubs = hubs[1:]
	west, err = startHub(ctx, o, "west", out)
	if err != nil {
		return hubs, err
	}
	return append(hubs, west), nil
}

// A process is a hub that demo started.
type process struct{ *exec.Cmd }

// startHub starts this program as a hub, and returns when it is up. A context that ends interrupts the hub.
func startHub(ctx context.Context, o options, name string, out io.Writer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{exec.CommandContext(ctx, self, "--dir", o.dir, "--parcels", strconv.Itoa(o.parcels), "--every", o.every.String(), "hub", name)}
	p.Cmd.Cancel = func() error { return p.Process.Signal(os.Interrupt) }
	p.Stderr = os.Stderr
	said, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hub %s does not start", name), p.end())
	}
	_, err = io.WriteString(out, line)
	return p, err
}

// end waits for the hub. That it was interrupted is no error.
func (p *process) end() error {
	err := p.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
