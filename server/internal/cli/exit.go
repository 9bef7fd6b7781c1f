package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ephemera-go/ephemera/server/internal/config"
	"github.com/ephemera-go/ephemera/server/internal/remote"
	"github.com/ephemera-go/ephemera/server/internal/serve"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/server/internal/web"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
)

// Exit codes; docs/server.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2  // command line, environment or config file
	exitStart       = 3  // address, data directory, its token or certificate cannot be used
	exitHeld        = 4  // another process uses the data directory
	exitDamaged     = 5  // what is stored is damaged
	exitUnsaved     = 6  // stopped, and not everything was saved
	exitUnreachable = 7  // no server, or not ready
	exitDenied      = 8  // the server wants another token
	exitConflict    = 9  // the stream is at another version, or the key was used for something else
	exitUnknown     = 10 // what was to be stored may be stored, or not
	exitInterrupted = 130
)

var errUsage = errors.New("wrong usage")

// codes are asked in this order.
var codes = []struct {
	err  error
	code int
}{
	{streams.ErrUnknownOutcome, exitUnknown}, // a refusal that stood beside it would let a script store twice
	{remote.ErrUnknownOutcome, exitUnknown},
	{state.ErrUnsaved, exitUnsaved},
	{state.ErrLost, exitUnsaved},
	{serve.ErrDrain, exitUnsaved},
	{serve.ErrToken, exitStart},
	{errUsage, exitUsage},
	{config.ErrConfig, exitUsage},
	{config.ErrEnvironment, exitUsage},
	{serve.ErrExposed, exitUsage},
	{serve.ErrOption, exitUsage},
	{web.ErrOption, exitUsage},
	{state.ErrHeld, exitHeld},
	{sinks.ErrLeased, exitHeld},
	{state.ErrDamaged, exitDamaged},
	{snapshot.ErrCorrupt, exitDamaged},
	{snapshot.ErrNoValid, exitDamaged},
	{state.ErrData, exitStart},
	{state.ErrForeign, exitStart},
	{serve.ErrListen, exitStart},
	{serve.ErrTLS, exitStart},
	{remote.ErrDenied, exitDenied},
	{streams.ErrDenied, exitDenied},
	{streams.ErrConflict, exitConflict},
	{streams.ErrKeyReused, exitConflict},
	{remote.ErrUnreachable, exitUnreachable},
	{streams.ErrUnavailable, exitUnreachable},
	{sinks.ErrInvalid, exitUsage}, // a URL
	{remote.ErrInvalid, exitUsage},
	{streams.ErrOption, exitUsage},
	{streams.ErrInvalid, exitUsage}, // a name, a pattern or an event
	{snapshot.ErrOption, exitUsage},
}

// failed tells what went wrong and returns the exit code.
func (w *world) failed(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	for _, c := range codes {
		if errors.Is(err, c.err) {
			code = c.code
			break
		}
	}
	if errors.Is(err, context.Canceled) && code != exitUnknown && code != exitUnsaved { // these are worth more than why
		_, _ = fmt.Fprintln(w.stderr, "ephemera: interrupted")
		return exitInterrupted
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintln(w.stderr, "ephemera: "+line)
	}
	if code == exitUsage {
		_, _ = fmt.Fprintln(w.stderr, "ephemera: --help shows how, for every command too")
	}
	return code
}
