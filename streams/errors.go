package streams

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ephemera-go/ephemera/core"
)

// What can go wrong, to be tested with errors.Is. With all but ErrUnknownOutcome nothing was changed, and no other of them
// stands beside ErrUnknownOutcome.
var (
	// ErrInvalid means that a name, pattern, event or number cannot be. Every method returns it; repeating is no use.
	ErrInvalid = errors.New("invalid")

	// ErrConflict means that Append.Expect or Append.Epoch does not hold. Only Append returns it, as a *ConflictError; read
	// what has changed, and decide again.
	ErrConflict = errors.New("the stream is at another version or epoch")

	// ErrKeyReused means that Append knows a key or an id with another payload. It is a *KeyError; repeating is no use.
	ErrKeyReused = errors.New("idempotency key with another payload")

	// ErrFull means that Append found no room within limits that RefuseNew. It can succeed when age or a deletion made some.
	ErrFull = errors.New("the limits of the stream have no room")

	// ErrTooManyStreams means that Append or SetLimits would be of one stream more than Options.MaxStreams. It can succeed
	// when another one was deleted.
	ErrTooManyStreams = errors.New("too many streams")

	// ErrTooLarge means that Append got more than MaxAppend, MaxDataBytes or a server's MaxBody allow, or that a Client got a
	// page that is too large to be taken in: use fewer or smaller events.
	ErrTooLarge = errors.New("too large")

	// ErrGap ends a subscription with EndOnGap, as a *GapError. Subscribe behind it to go on.
	ErrGap = errors.New("events are gone")

	// ErrUnknownOutcome means that Append, SetLimits or Delete of a Log at a distance was done, or was not, or will be yet.
	// Repeating an Append with its key or ids is safe; see what is there before anything else is repeated.
	ErrUnknownOutcome = errors.New("outcome unknown")

	// ErrUnavailable means that the server of a Client cannot be reached, is not ready, has too much to do, or failed. The
	// Client has tried for RetryTimeout where that makes sense; later it can succeed.
	ErrUnavailable = errors.New("not available now")

	// ErrDenied means that a server wants a token, or another one.
	ErrDenied = errors.New("access denied")

	// ErrClosed means that the Log was closed. A Client whose server's Log was closed says ErrUnavailable beside it.
	ErrClosed = errors.New("closed")

	// ErrOption means that options cannot be. Only New, Over, StoreOptions, NewHandler and NewClient return it.
	ErrOption = errors.New("bad option")
)

// An Error says what failed where. Every error of a Log, and of what makes one or serves it, is wrapped in exactly one; the
// errors of contexts too, which errors.Is finds in it.
type Error struct {
	Op     string // append, read, subscribe, info, list, limits, delete, aggregate; close, open, serve, load, encode, decode
	Stream string // or pattern; may be empty
	Err    error
}

// Error returns operation, stream and cause.
func (e *Error) Error() string {
	s := "streams: " + e.Op
	if e.Stream != "" {
		s += " " + fmt.Sprintf("%q", e.Stream)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrap(op, stream string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	return &Error{op, stream, err}
}

// bare leaves out the wrapper, for an operation that is a part of another one, or is named elsewhere.
func bare(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// A ConflictError says where the stream is. It is ErrConflict.
type ConflictError struct {
	Version uint64
	Epoch   core.Epoch
}

// Error names version and epoch.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: version %d, epoch %v", ErrConflict, e.Version, e.Epoch)
}

// Is reports that it is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// A KeyError names the keys or ids that are known with another payload, or only some of a batch. It is ErrKeyReused.
type KeyError struct {
	Keys    []string
	Partial bool // the payloads are the same, but not all ids of the batch are known, or not in this order
}

// Error names the keys.
func (e *KeyError) Error() string {
	if e.Partial {
		return fmt.Sprintf("%v: of the batch only %s are known, or in another order", ErrKeyReused, quoted(e.Keys))
	}
	return fmt.Sprintf("%v: %s", ErrKeyReused, quoted(e.Keys))
}

// Is reports that it is ErrKeyReused.
func (e *KeyError) Is(target error) bool { return target == ErrKeyReused }

func quoted(keys []string) string {
	const most = 10
	list := make([]string, 0, most)
	for _, k := range keys[:min(most, len(keys))] {
		list = append(list, fmt.Sprintf("%q", k))
	}
	if n := len(keys) - most; n > 0 {
		list = append(list, fmt.Sprintf("%d more", n))
	}
	return strings.Join(list, ", ")
}

// A GapError ends a subscription with EndOnGap. It is ErrGap.
type GapError struct{ Gap Gap }

// Error says what is gone.
func (e *GapError) Error() string {
	return fmt.Sprintf("%v: %q versions %d to %d, by %s", ErrGap, e.Gap.Stream, e.Gap.From, e.Gap.To, e.Gap.Cause)
}

// Is reports that it is ErrGap.
func (e *GapError) Is(target error) bool { return target == ErrGap }
