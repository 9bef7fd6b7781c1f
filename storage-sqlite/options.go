package sqlitestore

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Synchronous says what a confirmed write survives.
type Synchronous int

// The levels of Synchronous.
const (
	Full   Synchronous = iota // the end of the process and a power cut; one flush of the disk per write
	Normal                    // the end of the process; a power cut may undo the last writes, in order, never in part
)

// String returns the value of the query key synchronous.
func (s Synchronous) String() string {
	switch s {
	case Full:
		return "full"
	case Normal:
		return "normal"
	default:
		return fmt.Sprintf("Synchronous(%d)", int(s))
	}
}

// Options of a database. The zero value is ready for use, and so is nil.
type Options struct {
	// BusyTimeout is how long to wait for a lock that another process or store holds: at least a millisecond, at most
	// an hour. 0 means DefaultBusyTimeout.
	BusyTimeout time.Duration
	// Synchronous is Full unless set.
	Synchronous Synchronous
	// MaxBytes limits the file: a write that would need more fails with ErrFull, while pruning still works. At least
	// 64 KiB; 0 means no limit. The write-ahead log beside the file is not counted.
	MaxBytes int64
	// ReadOnly refuses writes with sinks.ErrReadOnly, makes no database and migrates nothing. SQLite still makes its
	// index and an empty log beside the file if they are not there: where it cannot, opening is sinks.ErrReadOnly.
	ReadOnly bool
	// Logger is told about migrations and about a write-ahead log that cannot shrink. nil means silence.
	Logger *slog.Logger
}

// DefaultBusyTimeout stands for a BusyTimeout of 0.
const DefaultBusyTimeout = 5 * time.Second

const (
	minBusyTimeout = time.Millisecond
	maxBusyTimeout = time.Hour
	minMaxBytes    = 64 << 10
	maxMaxBytes    = 1 << 44
)

func (given *Options) check() (Options, error) {
	var o Options
	if given != nil {
		o = *given
	}
	var problems []error
	reject := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%w: option "+format, append([]any{sinks.ErrInvalid}, args...)...))
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = DefaultBusyTimeout
	}
	if o.BusyTimeout < minBusyTimeout || o.BusyTimeout > maxBusyTimeout {
		reject("BusyTimeout %v; %v to %v are allowed", o.BusyTimeout, minBusyTimeout, maxBusyTimeout)
	}
	if o.Synchronous != Full && o.Synchronous != Normal {
		reject("Synchronous %v", o.Synchronous)
	}
	if o.MaxBytes != 0 && (o.MaxBytes < minMaxBytes || o.MaxBytes > maxMaxBytes) {
		reject("MaxBytes %d; %d to %d are allowed", o.MaxBytes, int64(minMaxBytes), int64(maxMaxBytes))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(problems...)
}

// parse reads path and options from a URL; o holds the defaults.
func parse(u *url.URL, o Options) (path string, _ Options, err error) {
	p := sinks.NewParams(u)
	if o.BusyTimeout == 0 {
		o.BusyTimeout = DefaultBusyTimeout
	}
	o.BusyTimeout = p.Duration("busy_timeout", o.BusyTimeout, minBusyTimeout, maxBusyTimeout)
	if p.Choice("synchronous", o.Synchronous.String(), Full.String(), Normal.String()) == Normal.String() {
		o.Synchronous = Normal
	} else {
		o.Synchronous = Full
	}
	o.MaxBytes = p.Size("max_size", o.MaxBytes, minMaxBytes, maxMaxBytes)
	o.ReadOnly = p.Bool("read_only", o.ReadOnly)
	path, problem := parsePath(u)
	return path, o, errors.Join(problem, p.Err())
}

func parsePath(u *url.URL) (string, error) {
	if u.Host != "" || u.User != nil || u.Fragment != "" {
		return "", fmt.Errorf("%w: only sqlite:///absolute/path and sqlite:./relative/path are allowed", sinks.ErrInvalid)
	}
	if u.Opaque == "" {
		return u.Path, nil
	}
	path, err := url.PathUnescape(u.Opaque)
	if err != nil {
		return "", fmt.Errorf("%w: malformed path", sinks.ErrInvalid)
	}
	return path, nil
}
