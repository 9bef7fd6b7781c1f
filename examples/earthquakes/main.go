// Command earthquakes replays the USGS earthquake feed through an ephemera store: one ordered partition, grouped by
// network, valued by magnitude, with the events' own out-of-order times.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// Exit codes of the command.
const (
	exitOK     = 0
	exitFailed = 1 // the input was refused, or the output could not be written
	exitUsage  = 2
)

//go:embed feed/earthquakes.json
var embeddedFeed []byte

const embeddedName = "USGS all earthquakes, past week, 2018-02-07 (U.S. public domain)"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command, and returns its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseFlags(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return printed(stderr, writeString(stdout, usage))
	case err != nil:
		fmt.Fprintf(stderr, "earthquakes: %v (--help shows how)\n", err)
		return exitUsage
	case o.version:
		return printed(stderr, writeString(stdout, version()))
	}
	quakes, err := loadFeed(o.file, stdin)
	if err != nil {
		fmt.Fprintf(stderr, "earthquakes: %v\n", err)
		return exitFailed
	}
	// Only now: until the input is read, an interrupt should simply end the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return printed(stderr, replay(ctx, o, quakes, stdout))
}

// printed turns the error of the last step into an exit code.
func printed(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintf(stderr, "earthquakes: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// replay sends the quakes through a store, live or at once, and prints the final report.
func replay(ctx context.Context, o options, quakes []quake, stdout io.Writer) error {
	if o.byTime {
		sortByTime(quakes)
	}
	p, err := newPlayer(quakes, o.capacity)
	if err != nil {
		return err
	}
	defer p.close()
	if o.once {
		err = p.atOnce(ctx)
	} else {
		err = playLive(ctx, o, p, stdout)
	}
	if err != nil {
		return err
	}
	r, err := newReport(p, o)
	if err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(stdout)
	}
	return r.writeText(stdout)
}

func playLive(ctx context.Context, o options, p *player, stdout io.Writer) error {
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	s, err := newScreen(p, stdout, o)
	if err != nil {
		return err
	}
	return errors.Join(p.paced(ctx, o.speed, s.every, s.draw), s.close())
}

// loadFeed reads the file, standard input for "-", or the embedded copy for "".
func loadFeed(file string, stdin io.Reader) ([]quake, error) {
	var name string
	var in io.Reader
	switch file {
	case "":
		name, in = "embedded feed", bytes.NewReader(embeddedFeed)
	case "-":
		name, in = "standard input", stdin
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		name, in = file, f
	}
	quakes, err := parseFeed(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return quakes, nil
}

func writeString(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// version says which build this is.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "earthquakes, built without module information\n"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return fmt.Sprintf("earthquakes %s %s\n", v, info.GoVersion)
}

// feedTime prints event times the same way everywhere.
func feedTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
