package window

import (
	"errors"

	"github.com/ephemera-go/ephemera/core"
)

// Errors of the window. Raise returns them bare, so that refusing a signal allocates nothing.
var (
	// ErrClosed: the window was closed.
	ErrClosed = errors.New("window: closed")
	// ErrInvalid: a signal breaks a limit of package sinks, such as an empty name. It was not raised.
	ErrInvalid = errors.New("window: invalid signal")
	// ErrNamesFull: the name is new and MaxNames names are known. The signal was not raised.
	ErrNamesFull = errors.New("window: too many names")
	// ErrOverloaded: MaxPending signals wait for the store and the Overload policy refuses more. The signal was not raised.
	ErrOverloaded = errors.New("window: too many signals wait for the store")
	// ErrDropped: signals that were raised were given up before the store had them, as the Overload policy says.
	ErrDropped = errors.New("window: signals were given up unwritten")
	// ErrPattern: a pattern is too long, no valid UTF-8, or has nothing between its commas.
	ErrPattern = errors.New("window: bad pattern")
	// ErrNoStore: the operation needs Options.Store.
	ErrNoStore = errors.New("window: no store")
	// ErrOption: an option or argument is out of its range.
	ErrOption = errors.New("window: bad option")
	// ErrDepth: a causal path would become longer than its limit.
	ErrDepth = errors.New("window: causal path is too deep")
	// ErrCycle: a causal path would hold a name twice.
	ErrCycle = errors.New("window: causal path has a cycle")
	// ErrTerminal: the causal path ends in a terminal signal, which causes nothing.
	ErrTerminal = errors.New("window: terminal signal causes nothing")
)

// A PanicError reports that a function given by the caller panicked inside a query. The window is unharmed. It is that of
// package core, so that one errors.As finds both.
type PanicError = core.PanicError

// contain runs f and turns its panic into an error.
func contain(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r}
		}
	}()
	f()
	return nil
}
