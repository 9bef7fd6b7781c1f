package sqlitestore

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"

	"github.com/ephemera-go/ephemera/sinks"
)

// ErrLocked means that another connection kept the database locked for the whole busy timeout. Nothing was written.
var ErrLocked = errors.New("database is locked")

// These are those of package sinks, under the names that this package had for them first.
var (
	// ErrFull means that the disk is full, or the database has reached Options.MaxBytes.
	ErrFull = sinks.ErrFull
	// ErrReplaced means that the file, or its write-ahead log, was removed, renamed or replaced since it was opened.
	// Writes stay refused until the store is opened anew: they would go where nobody finds them.
	ErrReplaced = sinks.ErrReplaced
)

// Primary result codes of SQLite, https://sqlite.org/rescode.html.
const (
	codeError     = 1
	codePerm      = 3
	codeBusy      = 5
	codeLocked    = 6
	codeReadOnly  = 8
	codeInterrupt = 9
	codeIO        = 10
	codeCorrupt   = 11
	codeFull      = 13
	codeCantOpen  = 14
	codeTooBig    = 18
	codeNotADB    = 26
)

var kinds = map[int]error{
	codePerm:     sinks.ErrDenied,
	codeBusy:     ErrLocked,
	codeLocked:   ErrLocked,
	codeReadOnly: sinks.ErrReadOnly,
	codeCorrupt:  sinks.ErrCorrupt,
	codeFull:     ErrFull,
	codeTooBig:   sinks.ErrInvalid,
}

// sqlError replaces the text of a SQLite error, which may quote statements and values, by that of its code. The whole
// chain stays reachable with errors.Is and errors.As.
type sqlError struct {
	code  int
	kind  error // may be nil
	cause error
}

func (e *sqlError) Error() string {
	text := sqlite.ErrorCodeString[e.code]
	if text == "" {
		text = sqlite.ErrorCodeString[e.code&0xff]
	}
	if e.kind == nil {
		return fmt.Sprintf("%s [%d]", text, e.code)
	}
	return fmt.Sprintf("%v: %s [%d]", e.kind, text, e.code)
}

func (e *sqlError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// translate hides the text of SQLite errors and gives them the sentinels of this package and of sinks.
func translate(err error) error {
	var known *sqlError
	if err == nil || errors.As(err, &known) {
		return err
	}
	var raw *sqlite.Error
	if !errors.As(err, &raw) {
		return err
	}
	kind := kinds[raw.Code()&0xff]
	if raw.Code()&0xff == codeNotADB {
		// Whether the header of ours was damaged or somebody else's file stands there cannot be told.
		kind = errors.Join(sinks.ErrForeign, sinks.ErrCorrupt)
		return &sqlError{code: raw.Code(), kind: oneLine{kind}, cause: err}
	}
	return &sqlError{code: raw.Code(), kind: kind, cause: err}
}

// oneLine shows joined sentinels in one line.
type oneLine struct{ error }

func (oneLine) Error() string   { return "made by something else, or corrupt" }
func (o oneLine) Unwrap() error { return o.error }

// primary returns the primary SQLite result code of err, 0 if it is none of SQLite's.
func primary(err error) int {
	var raw *sqlite.Error
	if errors.As(err, &raw) {
		return raw.Code() & 0xff
	}
	return 0
}

// A commit that fails with these codes may have reached the disk: the log may hold the whole transaction, and the next
// recovery may find it.
func unknownAfterCommit(err error) error {
	if code := primary(err); code == codeIO || code == codeInterrupt {
		return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, translate(err))
	}
	return translate(err)
}

// ofOurSchema is for statements of this package: they are right, so the schema that they do not fit is damaged.
func ofOurSchema(err error) error {
	if primary(err) == codeError && !errors.Is(err, sinks.ErrCorrupt) {
		return fmt.Errorf("%w: %w", sinks.ErrCorrupt, translate(err))
	}
	return err
}
