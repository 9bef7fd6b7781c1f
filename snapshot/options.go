package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Defaults of Options.
const (
	DefaultName          = "store"
	DefaultInterval      = 5 * time.Minute
	DefaultEveryEvents   = 100_000
	DefaultKeep          = 3
	DefaultMaxConcurrent = 2
	DefaultMaxAttempts   = 5
	DefaultFinalTimeout  = 5 * time.Second
)

// Options configures a Saver. The zero value saves every five minutes and every 100,000 events, as JSON packed with S2.
// Bad values are refused together by Open; nothing is clamped.
type Options[E any] struct {
	Name        string      // of the snapshots in their place: one segment of a blob's name; empty means DefaultName
	Codec       Codec[E]    // nil means JSON
	Compression Compression // of what is written
	Schema      uint32      // version of E, for people to count up; a snapshot of another one is refused

	// What starts a snapshot: time, or so many events appended since the last one, whatever comes first; the events are looked
	// at 20 times a second, more rarely if there are very many partitions. 0 is off. If both are 0, both have their
	// defaults. Manual turns both off: there are snapshots by Save and at the end only. Nothing is written if nothing has
	// changed.
	Interval    time.Duration
	EveryEvents int
	Manual      bool

	Keep          int           // snapshots that are kept; 0 means DefaultKeep
	MaxConcurrent int           // objects encoded and written at once; 0 means DefaultMaxConcurrent
	MaxPartitions int           // partitions that one snapshot takes on; others wait for the next one, are counted, and then come first. 0: all
	MaxAttempts   int           // tries of each step of a snapshot; 0 means DefaultMaxAttempts
	Backoff       Backoff       // pauses between them, and behind a snapshot that failed
	NoFinal       bool          // take no snapshot at the end; then Close says nothing of events at risk
	FinalTimeout  time.Duration // limit of Close; 0 means DefaultFinalTimeout

	// A Saver holds the lease of its place, if the blob store has leases, or the one that is given here, which
	// several Savers of one place may share, each under a Name of its own, and the caller closes behind them. NoLease does
	// without; then two Savers of one Name notice each other (ErrConflict), but are not kept apart.
	Lease   *sinks.Lease
	Owner   string // in the lease, for people
	NoLease bool

	Restore RestoreOptions
	Forget  []string // sections of a restored snapshot that nobody needs any more; see Saver.Attach

	Observer Observer         // told of operations; nil: nobody
	Progress func(Progress)   // called now and then, one call at a time; it must not block, nor use the Saver
	Logger   *slog.Logger     // nil means silence
	Clock    func() time.Time // nil means time.Now
}

// RestoreOptions say which snapshot to restore. The zero value is the newest that is valid.
type RestoreOptions struct {
	Fresh   bool      // none: begin empty, although there may be some
	Ordinal uint64    // this one and no other
	At      time.Time // the newest that was taken at this time or before
}

// An Observer is told of each operation: snapshot.save, snapshot.prune, snapshot.restore. Start returns what is called
// at the end of it. Both come from the goroutine that does the work.
type Observer interface {
	Start(ctx context.Context, operation string) (context.Context, func(err error, attributes ...slog.Attr))
}

// Progress is how far an operation has come.
type Progress struct {
	Operation   string // "save", "restore", "verify", "copy"
	Done, Total int64  // events of a save, bytes of everything else; Total may grow
}

type problems []error

func (p *problems) add(bad bool, option, format string, args ...any) {
	if bad {
		*p = append(*p, fmt.Errorf("%w: %s: %s", ErrOption, option, fmt.Sprintf(format, args...)))
	}
}

func (o *Options[E]) setDefaults() {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Codec == nil {
		o.Codec = JSON[E]()
	}
	if o.Interval == 0 && o.EveryEvents == 0 && !o.Manual {
		o.Interval, o.EveryEvents = DefaultInterval, DefaultEveryEvents
	}
	for _, d := range []struct {
		value    *int
		standard int
	}{{&o.Keep, DefaultKeep}, {&o.MaxConcurrent, DefaultMaxConcurrent}, {&o.MaxAttempts, DefaultMaxAttempts}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if o.FinalTimeout == 0 {
		o.FinalTimeout = DefaultFinalTimeout
	}
	o.Backoff.setDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

// validate is called after setDefaults.
func (o *Options[E]) validate() error {
	var p problems
	p.add(checkName(o.Name) != nil, "Name", "%q is no segment of a blob's name", o.Name)
	p.add(o.Compression < S2 || o.Compression > NoCompression, "Compression", "%v", o.Compression)
	p.add(o.Interval < 0, "Interval", "%v is negative", o.Interval)
	p.add(o.EveryEvents < 0, "EveryEvents", "%d is negative", o.EveryEvents)
	p.add(o.Manual && (o.Interval > 0 || o.EveryEvents > 0), "Manual", "excludes Interval and EveryEvents")
	p.add(o.Keep < 0, "Keep", "%d is negative", o.Keep)
	p.add(o.MaxConcurrent < 0, "MaxConcurrent", "%d is negative", o.MaxConcurrent)
	p.add(o.MaxPartitions < 0, "MaxPartitions", "%d is negative", o.MaxPartitions)
	p.add(o.MaxAttempts < 0, "MaxAttempts", "%d is negative", o.MaxAttempts)
	p.add(o.FinalTimeout < 0, "FinalTimeout", "%v is negative", o.FinalTimeout)
	p.add(o.NoLease && o.Lease != nil, "NoLease", "excludes Lease")
	p.add(o.NoLease && o.Owner != "", "NoLease", "excludes Owner")
	o.Backoff.validate(&p)
	o.Restore.validate(&p)
	if c, ok := o.Codec.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			p = append(p, err)
		}
	} else if o.Codec.Name() == "" {
		p.add(true, "Codec", "has no name")
	}
	return errors.Join(p...)
}

func (o *RestoreOptions) validate(p *problems) {
	n := 0
	for _, set := range []bool{o.Fresh, o.Ordinal > 0, !o.At.IsZero()} {
		if set {
			n++
		}
	}
	p.add(n > 1, "Restore", "has more than one of Fresh, Ordinal and At")
}

// nobody is the Observer that is nobody.
type nobody struct{}

func (nobody) Start(ctx context.Context, _ string) (context.Context, func(error, ...slog.Attr)) {
	return ctx, func(error, ...slog.Attr) {}
}
