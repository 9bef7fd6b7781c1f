// Command ephemera is the event store as a server, and the tools around it. Without arguments it explains itself.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ephemera-go/ephemera/server/internal/cli"
)

func main() {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, signals))
}
