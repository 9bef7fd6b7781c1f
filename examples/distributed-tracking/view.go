package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// A sighting is a signal, and the hub that raised it.
type sighting struct {
	hub string
	window.Signal
}

// A summary is what the view says of one hub.
type summary struct {
	hub                    string
	scans, starts, crashes int
	up                     bool // started and not stopped: it runs, or has crashed since
	last                   window.Signal
}

// view reads the windows of all hubs, and writes to none of them.
func view(ctx context.Context, o options, out io.Writer) error {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return err
	}
	var all []sighting
	var hubs []summary
	for _, e := range entries {
		if !e.IsDir() || !hubName.MatchString(e.Name()) {
			continue
		}
		list, err := read(ctx, o.dir, e.Name())
		if err != nil {
			return fmt.Errorf("hub %s: %w", e.Name(), err)
		}
		hubs = append(hubs, summarize(e.Name(), list))
		for _, s := range list {
			all = append(all, sighting{e.Name(), s})
		}
	}
	if len(hubs) == 0 {
		return fmt.Errorf("no hub has been in %s yet", o.dir)
	}
	return show(out, o, hubs, inOrder(all))
}

// read restores the window of a hub, as the hub itself would.
func read(ctx context.Context, dir, hub string) (list []window.Signal, err error) {
	place, err := placeOf(dir, hub, "read_only=true")
	if err != nil {
		return nil, err
	}
	store, err := sinks.OpenSignals(ctx, place)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	w, err := window.New(ctx, window.Options{Store: store, MaxAge: window.Forever, Capacity: 1_000_000})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := w.Load(ctx, window.LoadOptions{}); err != nil {
		return nil, err
	}
	return w.Sense("")
}

// inOrder merges: by time, and what has the same time by hub. Each hub's own signals stay in the order of their sequences.
func inOrder(all []sighting) []sighting {
	slices.SortStableFunc(all, func(a, b sighting) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.hub, b.hub))
	})
	return all
}

func summarize(hub string, list []window.Signal) summary {
	x := summary{hub: hub}
	for _, s := range list {
		switch s.Name {
		case started:
			if x.up {
				x.crashes++
			}
			x.starts, x.up = x.starts+1, true
		case stopped:
			x.up = false
		case scanned:
			x.scans++
		}
		x.last = s
	}
	return x
}

func show(out io.Writer, o options, hubs []summary, all []sighting) error {
	fmt.Fprintf(out, "%-10s %6s %7s %8s  %s\n", "hub", "scans", "starts", "crashes", "last signal")
	for _, h := range hubs {
		state := "stopped"
		if h.up {
			state = "up, or crashed since"
		}
		fmt.Fprintf(out, "%-10s %6d %7d %8d  #%d %s, %s\n", h.hub, h.scans, h.starts, h.crashes, h.last.Sequence, clock(h.last.Time), state)
	}
	if o.parcel != "" {
		all = slices.DeleteFunc(all, func(s sighting) bool { return s.Key != o.parcel })
		fmt.Fprintf(out, "\nparcel %s, %d sightings\n", o.parcel, len(all))
	} else {
		all = all[max(0, len(all)-o.newest):]
		fmt.Fprintf(out, "\nthe newest %d of all hubs\n", len(all))
	}
	for _, s := range all {
		if _, err := fmt.Fprintf(out, "%s  %-10s #%-4d %s\n", clock(s.Time), s.hub, s.Sequence, strings.TrimSpace(s.Name+" "+s.Key)); err != nil {
			return err
		}
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
