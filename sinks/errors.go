package sinks

import "errors"

// What can go wrong, to be tested with errors.Is. Besides these, stores return errors that are errors.ErrUnsupported
// for what a driver cannot do, and the errors of contexts.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrConflict means that the log holds something else at that sequence, or has passed it.
	ErrConflict = errors.New("conflict with what is stored")
	// ErrCorrupt means that what is stored is damaged. Nothing is repaired or deleted by itself.
	ErrCorrupt = errors.New("corrupt")
	ErrClosed  = errors.New("closed")
	// ErrInvalid means that an argument breaks a rule; trying again is useless.
	ErrInvalid = errors.New("invalid")
	// ErrLeased means that somebody else holds the lease.
	ErrLeased = errors.New("leased to another writer")
	// ErrFenced means that somebody else has taken over the lease of this handle.
	ErrFenced = errors.New("fenced: another writer took over")
	// ErrFull means that there is no room: the disk, here or on the server, is full, or a quota or limit is reached.
	// Nothing was written, unless the error is ErrUnknownOutcome too. It can succeed when somebody has made room.
	ErrFull = errors.New("full")
	// ErrReplaced means that the file or directory of the store was removed, renamed or replaced since it was opened.
	// It stays so until the store is opened anew: what was written would be where nobody finds it.
	ErrReplaced = errors.New("removed or replaced since it was opened")
	ErrReadOnly = errors.New("read-only")
	// ErrDenied means that the credentials are missing, wrong, or not allowed to do this.
	ErrDenied = errors.New("access denied")
	// ErrTooNew means that a newer version of the driver wrote this.
	ErrTooNew = errors.New("written by a newer version")
	// ErrForeign means that what is there was not made by the driver; it is left alone.
	ErrForeign = errors.New("made by something else")
	// ErrUnknownOutcome means that the write may or may not have happened. Repeating it is safe.
	ErrUnknownOutcome = errors.New("outcome unknown")
)

// An Error says what failed where. Every error of a store and of this package is wrapped in exactly one.
type Error struct {
	Op     string // "append", "put", …
	Driver string // the scheme of the driver: "file", "sqlite", …; or "sinks", if no driver was asked
	Object string // a blob's name, "signals@17" for a batch whose first sequence is 17, "signals", or a URL without secrets
	Err    error
}

// Error returns driver, operation, object and cause.
func (e *Error) Error() string {
	s := e.Driver + " " + e.Op
	if e.Object != "" {
		s += " " + e.Object
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// self stands for the driver where none was asked.
const self = "sinks"

// wrap makes err an *Error unless a store beneath has done so.
func wrap(driver, op, object string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	return &Error{Op: op, Driver: driver, Object: object, Err: err}
}
