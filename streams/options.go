package streams

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/core"
)

// Limits of what can be stored, and defaults.
const (
	MaxNameBytes  = 512     // of a stream's name
	MaxKeyBytes   = 256     // of an id or key
	MaxTypeBytes  = 256     // of a type
	MaxDataBytes  = 1 << 20 // of data and meta together, as given and as stored: \n in a string is stored as \u000a
	MaxAppend     = 1000    // events in one Append
	MaxPage       = 10_000  // events of a page
	DefaultPage   = 1000
	EventOverhead = 96 // bytes that an event takes beside its texts

	DefaultMaxStreams = 100_000
	DefaultEvents     = 10_000
	DefaultMaxKeys    = 10_000
	DefaultKeyAge     = time.Hour
	maxDepth          = 100 // of data
)

// Options configures a Local log. The zero value keeps the last 10,000 events of each of 100,000 streams, and 10,000
// idempotency keys of each, for an hour. Bad values are refused together.
type Options struct {
	Limits     Limits        // of streams that have none of their own
	MaxStreams int           // streams at once; 0 means DefaultMaxStreams
	MaxKeys    int           // idempotency keys remembered per stream; the oldest are forgotten. 0 means DefaultMaxKeys
	KeyAge     time.Duration // how long a key is remembered at most; 0 means DefaultKeyAge

	// Clock says when events are appended and how old they and keys are; nil means time.Now. Tests set it; it must be safe for
	// concurrent use.
	Clock func() time.Time
}

func (o *Options) setDefaults() {
	o.Limits = o.Limits.or(Limits{Events: DefaultEvents, Full: DiscardOldest})
	if o.MaxStreams == 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.KeyAge == 0 {
		o.KeyAge = DefaultKeyAge
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

func (o *Options) validate() error {
	var p []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			p = append(p, fmt.Errorf("%w: "+format, append([]any{ErrOption}, args...)...))
		}
	}
	add(o.MaxStreams < 0 || o.MaxStreams > core.MaxPartitions, "MaxStreams: %d; 1 to %d are allowed", o.MaxStreams, core.MaxPartitions)
	add(o.MaxKeys < 0, "MaxKeys: %d is negative", o.MaxKeys)
	add(o.KeyAge < 0, "KeyAge: %v is negative", o.KeyAge)
	if err := o.Limits.check(); err != nil {
		p = append(p, fmt.Errorf("%w: Limits: %w", ErrOption, err))
	}
	return errors.Join(p...)
}

func (l Limits) check() error {
	switch {
	case l.Events < 0 || int64(l.Events) > core.MaxCapacity:
		return fmt.Errorf("%w: %d events", ErrInvalid, l.Events)
	case l.Age < 0:
		return fmt.Errorf("%w: age %v", ErrInvalid, l.Age)
	case l.Bytes < 0:
		return fmt.Errorf("%w: %d bytes", ErrInvalid, l.Bytes)
	case l.Full < FullDefault || l.Full > RefuseNew:
		return fmt.Errorf("%w: policy %d", ErrInvalid, l.Full)
	}
	return nil
}

// or fills zero fields from the defaults.
func (l Limits) or(d Limits) Limits {
	if l.Events == 0 {
		l.Events = d.Events
	}
	if l.Age == 0 {
		l.Age = d.Age
	}
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.Full == FullDefault {
		l.Full = d.Full
	}
	return l
}

// CheckName returns an ErrInvalid that says why a text is no name of a stream, or nil: 1 to MaxNameBytes bytes of UTF-8 without
// control characters, '*', '?' and ',' (which patterns use), in segments divided by '/', none of them empty, "." or "..".
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("%w: a stream name of %d bytes; 1 to %d", ErrInvalid, len(name), MaxNameBytes)
	}
	if err := checkText("stream name", name); err != nil {
		return err
	}
	if strings.ContainsAny(name, "*?,") {
		return fmt.Errorf("%w: stream name %q holds '*', '?' or ','", ErrInvalid, name)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("%w: stream name %q has the segment %q", ErrInvalid, name, segment)
		}
	}
	return nil
}

func checkText(what, text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: %s holds the control character %U", ErrInvalid, what, r)
		}
	}
	return nil
}

// check refuses what cannot be stored.
func (a *Append) check() error {
	if err := CheckName(a.Stream); err != nil {
		return err
	}
	switch {
	case len(a.Events) == 0:
		return fmt.Errorf("%w: no event", ErrInvalid)
	case len(a.Events) > MaxAppend:
		return fmt.Errorf("%w: %d events; at most %d", ErrTooLarge, len(a.Events), MaxAppend)
	case len(a.Key) > MaxKeyBytes:
		return fmt.Errorf("%w: a key of %d bytes; at most %d", ErrInvalid, len(a.Key), MaxKeyBytes)
	}
	if err := checkText("key", a.Key); err != nil {
		return err
	}
	for i := range a.Events {
		if field, err := a.Events[i].check(); err != nil {
			return &placeError{Index: i, Field: field, Err: err}
		}
	}
	return nil
}

func (e *Event) check() (field string, err error) {
	switch {
	case len(e.ID) > MaxKeyBytes:
		return "id", fmt.Errorf("%w: an id of %d bytes; at most %d", ErrInvalid, len(e.ID), MaxKeyBytes)
	case len(e.Type) > MaxTypeBytes:
		return "type", fmt.Errorf("%w: a type of %d bytes; at most %d", ErrInvalid, len(e.Type), MaxTypeBytes)
	}
	if err := checkSize(e.Data, e.Meta); err != nil {
		return "data", err
	}
	if !e.Time.IsZero() {
		if year := e.Time.UTC().Year(); year < 1 || year > 9999 {
			return "time", fmt.Errorf("%w: a time in year %d", ErrInvalid, year)
		}
	}
	if err := checkText("id", e.ID); err != nil {
		return "id", err
	}
	return "type", checkText("type", e.Type)
}

func checkSize(data, meta []byte) error {
	if n := len(data) + len(meta); n > MaxDataBytes {
		return fmt.Errorf("%w: data and meta of %d bytes; at most %d", ErrTooLarge, n, MaxDataBytes)
	}
	return nil
}
