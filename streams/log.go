package streams

import (
	"context"
	"iter"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A Log holds streams. All methods are safe for concurrent use. After Close they return ErrClosed. Every error is an *Error.
type Log interface {
	// Append stores events at the end of a stream, which begins to exist with its first event.
	//
	// Data and Meta are copied before it returns.
	//
	// Errors: ErrConflict (a *ConflictError) when Expect or Epoch does not hold; ErrKeyReused (a *KeyError) when a key or
	// an id is known with another payload, or a batch is known in part; ErrFull when the limits refuse; ErrTooManyStreams;
	// ErrTooLarge; ErrInvalid; ErrClosed; from a Log at a distance ErrUnavailable and ErrDenied; and the error of the
	// context. With any of these, and without ErrUnknownOutcome, nothing is stored. ErrUnknownOutcome, from a Log at a
	// distance, means that the append may or may not have happened, also if the error of the context is beside it; with a
	// key or ids, repeating it is safe.
	Append(ctx context.Context, a Append) (Result, error)

	// Read returns a page of a stream. A stream that does not exist is empty.
	Read(ctx context.Context, r Read) (Page, error)

	// Subscribe yields what happens in the streams that the subscription names: what is there, then CaughtUp, then what
	// comes. It ends with the context, whose error is the last thing it yields, or with the Log (ErrClosed). Breaking out
	// of the loop ends it too.
	Subscribe(ctx context.Context, s Subscription) iter.Seq2[Message, error]

	// Info returns what is known of one stream. One that does not exist has version 0, or the last version of the one
	// that was deleted.
	Info(ctx context.Context, stream string) (Info, error)

	// List returns the streams whose names a pattern covers, by name, after the given one, at most limit (0: all).
	List(ctx context.Context, pattern, after string, limit int) ([]Info, error)

	// SetLimits changes the limits of a stream from now on; a stream that does not exist gets them when it begins.
	SetLimits(ctx context.Context, stream string, l Limits) error

	// Delete forgets the events of a stream, its limits and its keys. Its version is remembered, so that versions go on
	// if it begins again.
	Delete(ctx context.Context, stream string) error

	// Aggregate summarises a number in the data of the events of a stream that are there.
	Aggregate(ctx context.Context, a Aggregate) (Summary, error)

	// Close refuses everything from now on, and ends subscriptions. What was stored through a Log at a distance stays with
	// the server. Close may be repeated.
	Close() error
}

// An Event is something that happened. Data is JSON, unless its Type says otherwise to those who read it. Strings are UTF-8
// without control characters.
type Event struct {
	ID   string    // idempotency key of this event; may be empty. At most MaxKeyBytes
	Type string    // may be empty. At most MaxTypeBytes
	Time time.Time // when it happened; zero: when it was appended
	Data []byte    // a JSON text; read only in what a Log returns
	Meta []byte    // a JSON object with whatever else belongs to the event, or nil; the same

	// Set in what a Log returns.
	Stream  string
	Version uint64
}

// An Append is a request to store events.
type Append struct {
	Stream string
	Expect Expect
	Epoch  core.Epoch // not zero: the epoch must be this one
	Key    string     // idempotency key of the whole request; with one, the ids of events are only data
	Events []Event    // at least one
}

// An Expect is what an append wants of the version of its stream. The zero value is ExpectAny.
type Expect struct {
	kind    expectKind
	version uint64
}

type expectKind int

const (
	kindAny expectKind = iota
	kindNoStream
	kindExists
	kindVersion
)

// What an append may expect, beside a version.
var (
	ExpectAny      = Expect{}                   // nothing
	ExpectNoStream = Expect{kind: kindNoStream} // version 0, or deleted and not begun again
	ExpectExists   = Expect{kind: kindExists}   // at least one event since it began
)

// ExpectVersion wants the stream to have exactly this version; ExpectVersion(0) is that nothing was ever appended.
func ExpectVersion(v uint64) Expect { return Expect{kindVersion, v} }

// A Result says where events were stored.
type Result struct {
	Stream      string
	First, Last uint64 // versions
	Epoch       core.Epoch
	Duplicate   bool // the key was known: this is the first result, and nothing was stored now
}

// A Read asks for a page of a stream.
type Read struct {
	Stream   string
	From     uint64 // version to begin with; 0: the oldest that is there, or backward the newest
	Backward bool   // descending versions
	Limit    int    // events at most; 0 means DefaultPage. At most MaxPage
}

// A Page is a part of a stream as of one moment.
type Page struct {
	Stream  string
	Events  []Event
	Version uint64 // of the stream
	Oldest  uint64 // version of the oldest event that is there; Version+1 if there is none
	Epoch   core.Epoch
	Gap     *Gap // events that the page should begin with and that are gone
	More    bool // there are more events in this direction
}

// A Cause says why events are gone.
type Cause string

// The causes of a Gap.
const (
	CauseLimit   Cause = "limit"   // pushed out by number or bytes
	CauseAge     Cause = "age"     // too old; so nothing of the stream was ever pushed out
	CauseDeleted Cause = "deleted" // the stream was deleted, or its events cleared
	CauseEpoch   Cause = "epoch"   // the checkpoint is of another epoch: what it named may be lost or different
)

// A Gap is a run of versions that a reader missed. To may be below From only for CauseEpoch, when the stream is shorter than
// the checkpoint that the reader had.
type Gap struct {
	Stream   string
	From, To uint64 // both inclusive
	Cause    Cause
}

// A Subscription says what to deliver.
type Subscription struct {
	Pattern  string                // of names: * and ?, comma lists; a name without these is one stream
	After    map[string]Checkpoint // where to go on, by stream: behind these versions
	Start    Start                 // where to begin with all other streams
	EndOnGap bool                  // a Gap ends the subscription, as a GapError, instead of being yielded
}

// A Checkpoint is how far a reader has come in a stream: the version of the last event that it has.
type Checkpoint struct {
	Epoch   core.Epoch // zero: whatever it is
	Version uint64
}

// A Start is where a subscription begins.
type Start int

// The starts.
const (
	FromOldest Start = iota // with what is there
	FromNow                 // with what is appended from now on
)

// A Message is one of: an event (Kind MessageEvent), a Gap, or a note.
type Message struct {
	Kind   Kind
	Stream string // empty for notes of the whole subscription
	Event  Event  // of MessageEvent
	Gap    Gap    // of MessageGap
	Epoch  core.Epoch
}

// A Kind tells messages apart.
type Kind int

// The kinds of Message.
const (
	MessageEvent      Kind = iota
	MessageGap             // what is in Gap is gone; the next message of the stream comes behind it
	MessageCaughtUp        // everything that was there when the subscription looked last has been delivered
	MessageFellBehind      // after CaughtUp, FellBehindAt events or more wait; another CaughtUp will follow
)

// FellBehindAt is how many events must wait for a live subscription to say that it fell behind.
const FellBehindAt = 1000

// An Info is what is known of a stream.
type Info struct {
	Stream  string
	Version uint64
	Oldest  uint64 // of the oldest event that is there; Version+1 if there is none
	Events  int    // that are there
	Bytes   int64  // of them, as Limits.Bytes counts
	Exists  bool   // it has begun and was not deleted since
	Limits  Limits
	Epoch   core.Epoch
	Keys    int // idempotency keys that are remembered

	KeysForgotten uint64 // because of their number or age, since the log was opened
}

// Limits bound a stream. Zero fields mean the Options' default.
type Limits struct {
	Events int           // kept
	Age    time.Duration // since they were appended
	Bytes  int64         // of ids, types and data, and EventOverhead for each event
	Full   FullPolicy
}

// A FullPolicy says what happens to an append that the limits of number and bytes have no room for.
type FullPolicy int

// The policies.
const (
	FullDefault FullPolicy = iota // as the Options say; there it is DiscardOldest
	DiscardOldest
	RefuseNew // ErrFull
)

// An Aggregate asks for a summary.
type Aggregate struct {
	Stream string
	Field  string // top-level member of the data with the number; empty: only count
	By     string // top-level member to group by; empty: no groups
}

// A Summary is what Aggregate found. Events whose field is no number count in Events and in NotNumbers.
type Summary struct {
	Stream     string
	Version    uint64
	Epoch      core.Epoch
	Events     uint64
	NotNumbers uint64
	Numbers    core.Summary
	Percentile map[int]float64 // of 50, 90, 95 and 99, to core.HistogramPrecision; nil without numbers
	Groups     map[string]Group
}

// A Group is a part of a Summary.
type Group struct {
	Events  uint64
	Numbers core.Summary
}
