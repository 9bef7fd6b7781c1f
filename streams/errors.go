package streams

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ephemera-go/ephemera/core"
)

// What can go wrong, to be tested with errors.Is.
var (
	ErrInvalid        = errors.New("invalid")
	ErrConflict       = errors.New("the stream is at another version or epoch")
	ErrKeyReused      = errors.New("idempotency key with another payload")
	ErrFull           = errors.New("the limits of the stream have no room")
	ErrTooManyStreams = errors.New("too many streams")
	ErrTooLarge       = errors.New("too large")
	ErrGap            = errors.New("events are gone")
	ErrUnknownOutcome = errors.New("outcome unknown")
	ErrUnavailable    = errors.New("not available now")
	ErrDenied         = errors.New("access denied")
	ErrClosed         = errors.New("closed")
	ErrOption         = errors.New("bad option")
)

// An Error says what failed where. Every error of a Log but those of contexts is wrapped in exactly one.
type Error struct {
	Op     string // "append", "read", …
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
