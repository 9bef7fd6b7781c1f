package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// options is the command line, checked.
type options struct {
	once, json, byTime, version bool

	capacity int
	top      int
	topGiven bool
	speed    float64
	duration time.Duration // 0 = to the end of the feed
	file     string        // "" = the embedded feed, "-" = standard input
}

// Defaults and bounds of the flags.
const (
	defaultCapacity = 100_000
	maxCapacity     = 10_000_000
	defaultTop      = 10
	maxTop          = 1000
	defaultSpeed    = 10_000
	minSpeed        = 0.001
	maxSpeed        = 1e9
	maxDuration     = 30 * 24 * time.Hour
)

const usage = `earthquakes replays the USGS earthquake feed through an ephemera store and shows what the store knows.

usage: earthquakes [flags] [FILE]

FILE is a GeoJSON feed of https://earthquake.usgs.gov, "-" is standard input. Without it the embedded week of
2018-02-07 is replayed: 1,707 events, newest first. The events go into one ordered partition in file order, so that a
small capacity forgets the first of the file, which are the newest events; --by-time replays the oldest first.

  --once           replay at full speed, print the final report and exit
  --json           print the report as JSON (with --once)
  --capacity N     keep the last N events (default 100000)
  --by-time        replay by event time instead of file order
  --top N          list the N networks with most events (default 10; with --json all)
  --speed N        live: seconds of feed time per second (default 10000: a week in about a minute)
  --for DURATION   live: stop after this time and print the final report
  --version        print the version
  --help           print this text

examples:
  earthquakes                               watch the embedded week go by
  earthquakes --speed 50000 --for 10s       faster, and stop after ten seconds
  earthquakes --once --capacity 500         what is left of the week in 500 events
  earthquakes --once --json --by-time FILE  the report on another feed, for a program
  curl -s URL | earthquakes --once -        the same for a feed from the network

The windows are the hour, day and week before the newest event that the store still holds, both ends included. An event
without magnitude counts, but is no part of max, avg and p95. p95 of the final report is exact (nearest rank); p95 of
the live view comes from a rollup histogram and is close. An interrupt (Ctrl-C) ends the replay with the final report.

Exit status: 0 done, 1 the input was refused (with the index of the feature, from 0) or output failed, 2 wrong usage.
`

// parseFlags takes flags before and after FILE.
func parseFlags(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("earthquakes", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.once, "once", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	fs.BoolVar(&o.byTime, "by-time", false, "")
	fs.BoolVar(&o.version, "version", false, "")
	fs.IntVar(&o.capacity, "capacity", defaultCapacity, "")
	fs.IntVar(&o.top, "top", defaultTop, "")
	fs.Float64Var(&o.speed, "speed", defaultSpeed, "")
	fs.DurationVar(&o.duration, "for", 0, "")
	var files []string
	for rest := args; ; {
		if err := fs.Parse(rest); err != nil {
			return o, err
		}
		if fs.NArg() == 0 {
			break
		}
		files = append(files, fs.Arg(0))
		rest = fs.Args()[1:]
	}
	if len(files) > 1 {
		return o, fmt.Errorf("one FILE at most, got %d", len(files))
	}
	if len(files) == 1 {
		if o.file = files[0]; o.file == "" {
			return o, errors.New("FILE is empty")
		}
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.topGiven = given["top"]
	return o, o.check(given)
}

func (o options) check(given map[string]bool) error {
	// A comparison with NaN is false, so each range is checked from inside.
	inRange := []struct {
		name string
		ok   bool
		want string
	}{
		{"capacity", o.capacity >= 1 && o.capacity <= maxCapacity, fmt.Sprintf("1 to %d", maxCapacity)},
		{"top", o.top >= 1 && o.top <= maxTop, fmt.Sprintf("1 to %d", maxTop)},
		{"speed", o.speed >= minSpeed && o.speed <= maxSpeed, fmt.Sprintf("%v to %v", minSpeed, maxSpeed)},
		{"for", !given["for"] || o.duration > 0 && o.duration <= maxDuration, fmt.Sprintf("above 0 and at most %v", maxDuration)},
	}
	for _, r := range inRange {
		if !r.ok {
			return fmt.Errorf("--%s: want %s", r.name, r.want)
		}
	}
	if o.json && !o.once {
		return errors.New("--json needs --once")
	}
	for _, live := range []string{"speed", "for"} {
		if o.once && given[live] {
			return fmt.Errorf("--%s is for the live view: leave it out, or leave out --once", live)
		}
	}
	return nil
}
