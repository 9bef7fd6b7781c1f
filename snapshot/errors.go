package snapshot

import (
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

// What can go wrong, to be tested with errors.Is. Errors of the blob store keep theirs, such as sinks.ErrFenced.
var (
	// ErrOption: an option is wrong. Open joins one for each problem it finds.
	ErrOption = errors.New("bad option")
	// ErrCorrupt: an object or a manifest is damaged, absent, or not what a manifest says it is.
	ErrCorrupt = sinks.ErrCorrupt
	// ErrNoSnapshot: there is none, or none that satisfies the request.
	ErrNoSnapshot = errors.New("no snapshot")
	// ErrNoValid: there are snapshots, and none of them can be restored. Nothing was deleted.
	ErrNoValid = errors.New("no snapshot can be restored")
	// ErrTooNew: a newer version of this package wrote it.
	ErrTooNew = sinks.ErrTooNew
	// ErrSchema: it was written under another Options.Schema, or with a codec of another name; or it is whole, and the
	// codec cannot read it.
	ErrSchema = errors.New("other schema")
	// ErrPartitions: the store's partitions cannot take the events over.
	ErrPartitions = errors.New("other partitions")
	// ErrSection: a section that a snapshot holds is not attached or cannot be loaded, or a part cannot be attached or saved.
	ErrSection = errors.New("section")
	// ErrConflict: another writer has put something else in the same place.
	ErrConflict = sinks.ErrConflict
	// ErrClosed: the Saver is closed.
	ErrClosed = sinks.ErrClosed
	// ErrUnsaved: Close ended before everything was saved. errors.As finds an *UnsavedError, which says what was not.
	ErrUnsaved = errors.New("not saved")
)

// An Error says what failed where. Every error is wrapped in one, but those of codecs that are called directly, and of Host,
// which returns what its parts return.
type Error struct {
	Op     string // "open", "attach", "save", "restore", "prune", "list", "verify", "copy"
	Object string // name of the blob, or empty
	Err    error
}

// Error returns operation, object and cause.
func (e *Error) Error() string {
	s := "snapshot " + e.Op
	if e.Object != "" {
		s += " " + e.Object
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrap makes err an *Error unless it is one.
func wrap(op, object string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*Error); ok { //nolint:errorlint // one that is joined to others needs a name, too
		return err
	}
	return &Error{Op: op, Object: object, Err: err}
}

// also joins the error of giving something up to the one before it.
func also(err, closing error) error {
	if closing == nil {
		return err
	}
	return errors.Join(err, closing)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// An UnsavedError lists what was in no snapshot when Close ended.
type UnsavedError struct {
	Partitions []int  // with events that are in no snapshot
	Events     uint64 // in them
	Err        error  // why
}

// Error names the partitions, a few of many, and the cause.
func (e *UnsavedError) Error() string {
	const most = 10
	if len(e.Partitions) == 0 {
		return fmt.Sprintf("no event is unsaved, but there is no final snapshot: %v", e.Err)
	}
	list := fmt.Sprint(e.Partitions[:min(most, len(e.Partitions))])
	if n := len(e.Partitions) - most; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d events of partitions %s not saved: %v", e.Events, list, e.Err)
}

// Is reports that it is ErrUnsaved.
func (e *UnsavedError) Is(target error) bool { return target == ErrUnsaved }

// Unwrap returns the cause.
func (e *UnsavedError) Unwrap() error { return e.Err }

// permanent reports that trying again is useless.
func permanent(err error) bool {
	for _, known := range []error{
		sinks.ErrInvalid, sinks.ErrFenced, sinks.ErrLeased, sinks.ErrClosed, sinks.ErrReadOnly, sinks.ErrTooNew,
		sinks.ErrReplaced, sinks.ErrForeign, sinks.ErrConflict, sinks.ErrCorrupt, errors.ErrUnsupported, sinks.ErrDenied, ErrOption, ErrSection,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
