package state

import (
	"errors"
	"fmt"
)

// What can go wrong, to be tested with errors.Is. Errors of stores and snapshots keep theirs, such as sinks.ErrLeased and
// snapshot.ErrCorrupt.
var (
	// ErrData: the data directory cannot be used: not writable, or no directory.
	ErrData = errors.New("data directory cannot be used")
	// ErrForeign: the data directory holds what this program did not put there.
	ErrForeign = errors.New("not a data directory of ephemera")
	// ErrHeld: another process uses the data directory, the snapshots or the signals.
	ErrHeld = errors.New("in use by another process")
	// ErrDamaged: the newest snapshot cannot be restored.
	ErrDamaged = errors.New("the newest snapshot cannot be restored")
	// ErrUnsaved: something was not saved when the server stopped.
	ErrUnsaved = errors.New("not everything was saved")
	// ErrLost: another process took a lease over; nothing is saved any more.
	ErrLost = errors.New("another process took over")
)

// An Error says what failed. Every error of this package is wrapped in exactly one.
type Error struct {
	Op     string // "open", "save", "verify", "close", …
	Object string // a directory, "snapshots", "signals", …
	Err    error
}

// Error returns operation, object and cause.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Object, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrap(op, object string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{op, object, err}
}
