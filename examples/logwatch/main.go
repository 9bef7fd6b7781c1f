// Command logwatch turns the lines of a log into signals of an ephemera window: named, with the log's own times, kept in
// SQLite and found again by the next run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Exit codes of the command.
const (
	exitOK     = 0
	exitFailed = 1 // the log could not be read, signals not be kept, or the output not be written
	exitUsage  = 2
)

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
		fmt.Fprintf(stderr, "logwatch: %v (--help shows how)\n", err)
		return exitUsage
	case o.version:
		return printed(stderr, writeString(stdout, version()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second interrupt ends the program although something is still to be written.
	context.AfterFunc(ctx, stop)
	return printed(stderr, watch(ctx, o, stdin, stdout))
}

// printed turns the error of the last step into an exit code.
func printed(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintf(stderr, "logwatch: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// watch turns the log into signals and prints the report, also when something failed on the way.
func watch(ctx context.Context, o options, stdin io.Reader, stdout io.Writer) error {
	src, err := openSource(o, stdin)
	if err != nil {
		return err
	}
	var screen *live
	if !o.once && !o.json {
		screen = newLive(stdout)
	}
	l, err := newLookout(ctx, o, newParser(o, src.written), screen)
	if err != nil {
		return errors.Join(err, src.close())
	}
	err = l.watch(ctx, src)
	err = errors.Join(err, src.close(), screen.flush(), l.shutdown())
	r, failed := l.report()
	if failed == nil {
		failed = r.write(o, stdout)
	}
	return errors.Join(err, failed, l.close())
}

func openSource(o options, stdin io.Reader) (source, error) {
	if o.follow {
		return openFollower(o.file)
	}
	return openReader(o.file, stdin)
}

func (r *report) write(o options, stdout io.Writer) error {
	if o.json {
		return r.writeJSON(stdout)
	}
	return r.writeText(stdout)
}

func writeString(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// version says which build this is.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "logwatch, built without module information\n"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return fmt.Sprintf("logwatch %s %s\n", v, info.GoVersion)
}
