package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

// The formats; none given means openssh or apache, whichever knows a line first.
const (
	formatOpenSSH = "openssh"
	formatApache  = "apache"
	formatRegexp  = "regexp"
)

// Defaults and bounds of the flags.
const (
	defaultSignals  = "sqlite:./data/logwatch.db"
	defaultCapacity = 100_000
	maxCapacity     = 100_000_000
	maxBurst        = 1_000_000
	maxBurstSpan    = 24 * time.Hour
)

// options is the command line, checked.
type options struct {
	follow, once, json, version bool

	format     string
	pattern    *regexp.Regexp
	timeLayout string
	year       int
	signals    string
	sense      string
	burst      burstRule
	capacity   int
	file       string // "-" = standard input
}

// burstRule says how many signals of a name in how long are a burst.
type burstRule struct {
	least int
	span  time.Duration
}

func (b *burstRule) String() string { return fmt.Sprintf("%d/%v", b.least, b.span) }

// Set reads "5/10s".
func (b *burstRule) Set(text string) error {
	count, span, ok := strings.Cut(text, "/")
	if !ok {
		return errors.New("want COUNT/DURATION, such as 5/10s")
	}
	var err error
	if b.least, err = strconv.Atoi(count); err != nil || b.least < 2 || b.least > maxBurst {
		return fmt.Errorf("count: want 2 to %d", maxBurst)
	}
	if b.span, err = time.ParseDuration(span); err != nil || b.span < time.Second || b.span > maxBurstSpan {
		return fmt.Errorf("duration: want 1s to %v", maxBurstSpan)
	}
	return nil
}

// parseFlags takes flags before and after FILE.
func parseFlags(args []string) (options, error) {
	o := options{burst: burstRule{5, 10 * time.Second}}
	var expression string
	fs := flag.NewFlagSet("logwatch", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.follow, "follow", false, "")
	fs.BoolVar(&o.once, "once", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	fs.BoolVar(&o.version, "version", false, "")
	fs.StringVar(&o.format, "format", "", "")
	fs.StringVar(&expression, "pattern", "", "")
	fs.StringVar(&o.timeLayout, "time-layout", "", "")
	fs.IntVar(&o.year, "year", 0, "")
	fs.StringVar(&o.signals, "signals", defaultSignals, "")
	fs.StringVar(&o.sense, "sense", "", "")
	fs.Var(&o.burst, "burst", "")
	fs.IntVar(&o.capacity, "capacity", defaultCapacity, "")
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
	if o.version {
		return o, nil
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["pattern"] && !given["format"] {
		o.format = formatRegexp
	}
	return o, errors.Join(o.setFile(files), o.check(given), o.setPattern(expression, given["pattern"]))
}

func (o *options) setFile(files []string) error {
	switch {
	case len(files) == 0:
		return errors.New("FILE is missing, - is standard input")
	case len(files) > 1:
		return fmt.Errorf("one FILE, got %d", len(files))
	case files[0] == "":
		return errors.New("FILE is empty")
	}
	o.file = files[0]
	return nil
}

// check reports all that is wrong, not only the first.
func (o *options) check(given map[string]bool) error {
	var all []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	switch o.format {
	case formatOpenSSH, formatApache, formatRegexp:
	default:
		refuse(given["format"], "--format: want openssh, apache or regexp, got %q", o.format)
	}
	refuse(o.follow && o.once, "--follow and --once: take one of them")
	refuse(o.follow && o.file == "-", "--follow needs a FILE: standard input is read until it ends anyway")
	refuse(given["year"] && (o.year < 1 || o.year > 9999), "--year: want 1 to 9999")
	refuse(o.capacity < 1 || o.capacity > maxCapacity, "--capacity: want 1 to %d", maxCapacity)
	refuse(o.once && given["capacity"], "--capacity: --once keeps the whole file")
	refuse(o.signals == "", "--signals is empty; mem:// keeps nothing")
	if given["time-layout"] {
		refuse(o.format != formatRegexp, "--time-layout is for --format regexp")
		err := checkLayout(o.timeLayout)
		refuse(err != nil, "--time-layout: %w", err)
	}
	err := checkSense(o.sense)
	refuse(err != nil, "--sense: %w", err)
	return errors.Join(all...)
}

func (o *options) setPattern(expression string, given bool) error {
	switch {
	case given && o.format != formatRegexp:
		return errors.New("--pattern is for --format regexp")
	case !given && o.format == formatRegexp:
		return errors.New("--format regexp needs --pattern")
	case !given:
		return nil
	}
	var err error
	if o.pattern, err = compilePattern(expression); err != nil {
		return fmt.Errorf("--pattern: %w", err)
	}
	return nil
}

// checkSense asks a window, before anything is opened.
func checkSense(glob string) error {
	w, err := window.New(context.Background(), window.Options{})
	if err != nil {
		return err
	}
	return errors.Join(w.Find(glob).Err(), w.Close())
}
