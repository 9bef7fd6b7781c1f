// Benchgate judges benchmarks by budgets: it measures a working tree and a base revision in turns, decides by confidence
// intervals, and fails only when a whole interval is over its budget.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/ephemera-go/ephemera/tools/internal/gate"
)

const usage = `Benchgate fails when a benchmark breaks its budget, and says so when the machine is too noisy to tell.

usage: benchgate run [flags]          measure and judge
       benchgate judge [flags] FILE   judge benchmark output that exists already
       benchgate help [run | judge]
       benchgate --version

Budgets stand in a file, one a line; # begins a comment:

  # benchmark          unit       op  limit
  BenchmarkEncode      ns/op      <=  +2%      # at most 2 % slower than the base revision
  BenchmarkEncode      instr/op   <=  +1%      # instructions, which benchgate run counts with valgrind
  BenchmarkDecode/*    allocs/op  ==  0
  BenchmarkQueue/mine  ns/op      <=  0.8x BenchmarkQueue/other
  BenchmarkEncode      p99-ns     <=  1.5µs  machine=*EPYC 7763*   # judged on such a machine only

A name is that of go test -bench without the number of processors; * stands for any run of characters, slashes too, and
? for one. A limit is a figure, a factor of another benchmark of the same run, or a change against the base revision.

Examples:

  benchgate run --base origin/main --package ./bench       your change against main; budgets are in bench/budgets.txt
  benchgate run --base v1.2.0 --markdown gate.md --out raw.txt
  go test -bench . -count 10 >new.txt
  benchgate judge --budgets bench/budgets.txt new.txt

Exit status: 0 in budget, 1 over budget, 2 cannot judge, which wrong usage and an interrupted run are too.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once, if tidying up takes too long for somebody.
	context.AfterFunc(ctx, stop)
	code := command(untilHangUp(ctx), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// untilHangUp returns a context that ends when the terminal goes away. That may be told several times, and to what is
// printed then nobody listens; neither may keep the program from tidying up. Programs that we start see none of this: a
// signal that is caught, not ignored, is as usual for them.
func untilHangUp(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGHUP {
				cancel()
			}
		}
	}()
	return ctx
}

// command runs the command that the arguments name and returns the exit status.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return gate.ExitCannot
	}
	switch args[0] {
	case "run":
		return run(ctx, args[1:], stdout, stderr)
	case "judge":
		return judge(ctx, args[1:], stdout, stderr)
	case "help":
		return help(ctx, args[1:], stdout, stderr)
	case "-h", "-help", "--help":
		return help(ctx, nil, stdout, stderr)
	case "-version", "--version", "version":
		info, ok := debug.ReadBuildInfo()
		fmt.Fprintln(stdout, versionOf(info, ok))
		return gate.ExitIn
	}
	fmt.Fprintf(stderr, "benchgate: read %q: expected run, judge, help or --version; see benchgate --help\n", args[0])
	return gate.ExitCannot
}

func help(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		fmt.Fprint(stdout, usage)
		return gate.ExitIn
	case len(args) == 1 && args[0] == "run":
		return run(ctx, []string{"--help"}, stderr, stdout)
	case len(args) == 1 && args[0] == "judge":
		return judge(ctx, []string{"--help"}, stderr, stdout)
	}
	fmt.Fprintf(stderr, "benchgate: read help %q: expected run or judge\n", args)
	return gate.ExitCannot
}

// versionOf returns one line: the version that go install recorded and the Go version that built the program.
func versionOf(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return "benchgate, version unknown"
	}
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	return fmt.Sprintf("benchgate %s %s", version, info.GoVersion)
}
