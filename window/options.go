package window

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Defaults of Options.
const (
	DefaultCapacity      = 10_000
	DefaultMaxAge        = 10 * time.Minute
	DefaultFlushInterval = 30 * time.Second
	DefaultMaxPerFlush   = 1000
	DefaultSampleEvery   = 10
	DefaultMaxNames      = 65_536
	DefaultMaxBlock      = 5 * time.Second
)

// Limits of Options.
const (
	MaxCapacity = 1 << 32 // signals
	mostNames   = 1 << 22 // of MaxNames
)

// Forever is a time that does not come: as MaxAge nothing expires, as FlushInterval nothing is written on its own.
const Forever time.Duration = math.MaxInt64

// A Policy says what happens to signals for which there is no room: MaxPending of them wait for the store, or a watcher
// is Buffer signals behind.
type Policy int

// The policies.
const (
	// DropOldest gives up the oldest waiting signal for each new one. Raise never waits.
	DropOldest Policy = iota
	// DropNewest keeps those that wait. Raise never waits; with the store behind, it returns ErrOverloaded.
	DropNewest
	// Block makes Raise wait until there is room, at most MaxBlock. Then, with the store behind, it returns
	// ErrOverloaded; with a watcher behind it succeeds. With the store behind, whoever came first goes first.
	Block
)

// Options configures a Window. The zero value is a window in memory with the defaults. Bad values are refused together
// by New; nothing is clamped.
type Options struct {
	Capacity int // signals in the window; 0 means DefaultCapacity
	MaxNames int // names that the window learns, at most 1 << 22; 0 means DefaultMaxNames

	// MaxAge is the age by a signal's own time beyond which it is not shown. 0 means DefaultMaxAge, and Forever no limit.
	// Elsewhere 0 is something else: no limit of its own in LoadOptions and no limit at all in core.Options, and SetMaxAge
	// refuses it.
	MaxAge time.Duration

	// Clock tells the time of signals raised without one, in the years 1 to 9999. It is called from many goroutines. With nil, signals get
	// the time of a clock that ticks every millisecond, which is much cheaper than time.Now.
	Clock func() time.Time

	Store         sinks.SignalStore // where signals are kept; nil: memory only. The caller closes it, after the window
	FlushInterval time.Duration     // how often pending signals are written; 0 means DefaultFlushInterval
	MaxPerFlush   int               // signals in one atomic write, fewer when they have more than 16 MiB; 0 means DefaultMaxPerFlush
	MaxPending    int               // signals that may wait for the store (*); 0 means Capacity, also when that changes
	HighWater     int               // pending signals that start a write at once; 0 means half of MaxPending, above it none do
	Overload      Policy            // what happens at MaxPending; the zero DropOldest gives up signals that were not stored: see Stats.Dropped
	MaxBlock      time.Duration     // how long a Raise may wait, for the store or for a watcher; 0 means DefaultMaxBlock
	RetainAge     time.Duration     // > 0: older signals are deleted from the store
	RetainCount   uint64            // > 0: beyond it the oldest signals are deleted from the store

	// (*) Under DropNewest and Block each raise that is running when MaxPending is reached may exceed it by its one
	// signal. Batches and raises that waited do not.

	// Restored is the section of an earlier window from a snapshot; nil: none. Sequences go on from it. Without a Store,
	// the signals that the window showed come back, marked as Restored.
	Restored []byte

	SampleEvery int // one window.raise in Diagnostics for so many signals, exactly; 0 means DefaultSampleEvery
}

func (o *Options) setDefaults() {
	set := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	wait := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	set(&o.Capacity, DefaultCapacity)
	set(&o.MaxNames, DefaultMaxNames)
	set(&o.MaxPerFlush, DefaultMaxPerFlush)
	set(&o.SampleEvery, DefaultSampleEvery)
	wait(&o.MaxAge, DefaultMaxAge)
	wait(&o.FlushInterval, DefaultFlushInterval)
	wait(&o.MaxBlock, DefaultMaxBlock)
}

// validate is called after setDefaults.
func (o *Options) validate() error {
	var all []error
	check := func(ok bool, option, problem string) {
		if !ok {
			all = append(all, fmt.Errorf("%w: %s %s", ErrOption, option, problem))
		}
	}
	check(o.Capacity > 0, "Capacity", "is negative")
	check(int64(o.Capacity) <= MaxCapacity, "Capacity", "is above MaxCapacity")
	check(o.MaxAge > 0, "MaxAge", "is negative")
	check(o.MaxNames > 0, "MaxNames", "is negative")
	check(o.MaxNames <= mostNames, "MaxNames", "is above 4194304")
	check(o.FlushInterval > 0, "FlushInterval", "is negative")
	check(o.MaxPerFlush > 0, "MaxPerFlush", "is negative")
	check(o.MaxPending >= 0, "MaxPending", "is negative")
	check(int64(o.MaxPending) <= MaxCapacity, "MaxPending", "is above MaxCapacity")
	check(o.HighWater >= 0, "HighWater", "is negative")
	check(o.Overload >= DropOldest && o.Overload <= Block, "Overload", "is none of the policies")
	check(o.MaxBlock > 0, "MaxBlock", "is negative")
	check(o.RetainAge >= 0, "RetainAge", "is negative")
	if o.Clock != nil {
		year := o.Clock().UTC().Year()
		check(year >= 1 && year <= 9999, "Clock", "is outside of the years 1 to 9999")
	}
	check(o.SampleEvery > 0, "SampleEvery", "is negative")
	check(o.Store != nil || o.MaxPending == 0 && o.HighWater == 0 && o.Overload == DropOldest &&
		o.RetainAge == 0 && o.RetainCount == 0, "MaxPending, HighWater, Overload, RetainAge or RetainCount", "needs a Store")
	return errors.Join(all...)
}
