// Package cli is the command ephemera: its grammar, its subcommands and its exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/ephemera-go/ephemera/server/internal/config"
)

// grammar is the command line.
type grammar struct {
	ConfigFile string `name:"config" help:"File with values of flags; docs/server.md describes it." placeholder:"FILE" env:"EPHEMERA_CONFIG"`
	JSON       bool   `name:"json" help:"Write results as JSON, one value a line."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`

	Serve      serveCmd      `cmd:"" help:"Run the server."`
	Demo       demoCmd       `cmd:"" help:"Run a server that fills itself with earthquakes."`
	Append     appendCmd     `cmd:"" help:"Store events in a stream."`
	Read       readCmd       `cmd:"" help:"Show events of a stream."`
	Tail       tailCmd       `cmd:"" help:"Show events of streams as they come."`
	Raise      raiseCmd      `cmd:"" help:"Raise a signal."`
	Sense      senseCmd      `cmd:"" help:"Show signals."`
	Health     healthCmd     `cmd:"" help:"Ask whether a server is ready."`
	Stats      statsCmd      `cmd:"" help:"Show what a server keeps, has saved and would lose."`
	Ingest     ingestCmd     `cmd:"" help:"Store the records of a file in a stream."`
	Snapshot   snapshotCmd   `cmd:"" help:"Look at snapshots, check them, go back to one."`
	Copy       copyCmd       `cmd:"" help:"Copy snapshots or signals from one place to another."`
	Config     configCmd     `cmd:"" help:"Look at the configuration."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

// A world is what commands have around them.
type world struct {
	ctx      context.Context
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	signals  <-chan os.Signal
	json     bool
	file     *config.File
	terminal bool // stderr is one
}

func (w *world) say(format string, args ...any) { _, _ = fmt.Fprintf(w.stdout, format+"\n", args...) }

// exit is how kong's help leaves.
type exit int

// Main runs the command and returns its exit code. signals are those that ask a server to stop; other commands end with the
// first one.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, signals <-chan os.Signal) (code int) {
	if len(args) == 0 {
		_, _ = io.WriteString(stdout, lesson)
		return exitOK
	}
	w := &world{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, signals: signals, terminal: isTerminal(stderr)}
	for _, arg := range args {
		if !utf8.ValidString(arg) { // the parser would put another text there
			return w.failed(fmt.Errorf("%w: %q is not UTF-8", errUsage, arg))
		}
	}
	defer func() {
		switch left := recover().(type) {
		case nil:
		case exit:
			code = int(left)
		default:
			panic(left)
		}
	}()
	var g grammar
	parser, err := newParser(&g, w)
	if err != nil {
		return w.failed(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return w.failed(usage(err))
	}
	w.json = g.JSON
	return w.failed(parsed.Run(w))
}

func newParser(g *grammar, w *world) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("ephemera"),
		kong.Description("An event store and signal window in memory that forgets on purpose."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 120}),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Bind(w),
		kong.Vars{"version": versionLine()},
		kong.WithBeforeReset(checkEnvironment),
		kong.WithBeforeResolve(func(c *kong.Context) error { return w.loadConfig(c) }),
	)
}

// checkEnvironment finds all bad variables of the command at once. Help and version need none.
func checkEnvironment(c *kong.Context) error {
	for _, p := range c.Path {
		if p.Flag != nil && (p.Flag.Name == "help" || p.Flag.Name == "version") {
			return nil
		}
	}
	return config.CheckEnvironment(c.Flags())
}

// loadConfig puts the config file, if there is one, behind command line and environment.
func (w *world) loadConfig(c *kong.Context) error {
	name := os.Getenv("EPHEMERA_CONFIG")
	for _, flag := range c.Model.Flags {
		if flag.Name == "config" {
			if text, ok := c.FlagValue(flag).(string); ok && text != "" {
				name = text
			}
		}
	}
	if name == "" {
		return nil
	}
	file, err := config.Load(name)
	if err == nil {
		err = file.Validate(c.Model)
	}
	if err != nil {
		return err
	}
	w.file = file
	c.AddResolver(file)
	return nil
}

// usage marks what is wrong with the command line.
func usage(err error) error {
	if errors.Is(err, config.ErrConfig) || errors.Is(err, config.ErrEnvironment) {
		return err
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
