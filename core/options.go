package core

import (
	"errors"
	"math"
	"reflect"
	"time"
)

// Defaults and limits of Options.
const (
	DefaultCapacity     = 100_000
	MaxCapacity         = 1 << 36 // events per partition
	MaxPartitions       = 1 << 20 // made by New
	MaxPartitionNumbers = 1 << 21 // numbers of partitions, those that were removed included
)

// Options configures a store. The zero value keeps the last DefaultCapacity events in one partition, in one total
// order. Bad values are refused together by New; nothing is clamped.
//
// Placement follows from three fields. Zero: Ordered, one partition. Key: an event goes to the partition that its key
// hashes to, so events of one key keep their order. Lanes: each appending goroutine borrows a partition of its own, so
// that appends scale with cores; order and capacity are then per lane. With fewer lanes than processors or appending
// goroutines, those share them, and an overflow partition.
type Options[E any] struct {
	Capacity   int            // events kept, split evenly over the partitions; 0 means DefaultCapacity
	Partitions int            // 0 means 1
	Key        func(E) string // by value, so that Append need not allocate
	MaxKeys    int            // > 0: Append interns every key, at most this many; then ErrKeysFull
	KeyNames   []string       // keys interned from the start
	Lanes      int            // > 0: this many lanes and one overflow partition; excludes Key and Partitions

	// Functions of an event must give the same answer every time and must not call the store.
	Time    func(*E) time.Time // the event's own time
	Arrival bool               // record when each event arrived, 8 bytes more; excludes Time
	MaxAge  time.Duration      // > 0: older events are invisible; without Time it implies Arrival
	Clock   func() time.Time   // nil: time.Now, and for arrival times a clock that ticks every millisecond

	MaxBytes int64        // > 0: bytes kept by Size, split over the partitions
	Size     func(*E) int // bytes of an event; negative counts as 0, more than 8 TiB as 8 TiB

	// OnDiscard is told each event that Capacity or MaxBytes pushed out, in order per partition; the pointer is good for
	// the call. It runs on the store's background goroutine, about 10 ms after the event left, or in a call of Settle or
	// Close; never in an append. One call runs at a time, so a slow one delays the others: see MaxPending. It may use
	// the store, Close included, but must not call Settle. Panics are contained and counted in Stats.Panics.
	OnDiscard func(Position, *E)

	// OnFull is called once each time the store becomes full: as OnDiscard is, though up to about 100 ms later in a store
	// that was idle, or by the caller of Clear, Purge, SetCapacity or SetLimits, which look first whether the state that
	// they may end was reached. So it may run beside OnDiscard. It may do what OnDiscard may do; panics are contained.
	OnFull func()

	// OnStats is called when the events appended cross a multiple of StatsInterval, by the appender itself, before its
	// append returns: such an append takes the locks of Stats and waits for the callback, and calls of several appenders
	// may overlap. It may use the store; an append in it may call it again. Panics are contained. What a Producer from
	// Store.Producer appends is counted too.
	OnStats       func(Stats)
	StatsInterval int // events; 0 means 1

	// MaxPending is how many events of a partition may wait for OnDiscard or rollups. 0 means four times its capacity, at
	// least 65,536 and at most 1,048,576.
	MaxPending int

	Epoch   Epoch      // zero: a random one
	StartAt []uint64   // first sequence of each partition; nil: all 0
	Restore Restore[E] // what an earlier incarnation of the store held
}

// PartitionOptions configures a partition added at run time.
type PartitionOptions struct {
	Capacity int           // events; required
	MaxAge   time.Duration // as Options.MaxAge; needs a time source
	MaxBytes int64         // as Options.MaxBytes; needs Options.Size
	StartAt  uint64        // first sequence
}

type problems []error

func (p *problems) add(bad bool, option, problem string) {
	if bad {
		*p = append(*p, &OptionError{option, problem})
	}
}

func (o *Options[E]) setDefaults() {
	if o.Capacity == 0 {
		o.Capacity = DefaultCapacity
	}
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.StatsInterval == 0 {
		o.StatsInterval = 1
	}
	if o.MaxAge > 0 && o.Time == nil {
		o.Arrival = true
	}
}

// count returns the number of partitions that New makes.
func (o *Options[E]) count() int {
	if o.Lanes > 0 {
		return o.Lanes + 1
	}
	return o.Partitions
}

// validate is called after setDefaults.
func (o *Options[E]) validate() error {
	var p problems
	p.add(o.Partitions < 0, "Partitions", "is negative")
	p.add(o.Partitions > MaxPartitions, "Partitions", "is above MaxPartitions")
	p.add(o.Lanes < 0, "Lanes", "is negative")
	p.add(o.Lanes >= MaxPartitions, "Lanes", "is above MaxPartitions")
	p.add(o.Lanes > 0 && o.Key != nil, "Lanes", "excludes Key")
	p.add(o.Lanes > 0 && o.Partitions > 1, "Lanes", "excludes Partitions")
	p.add(o.Capacity < 0, "Capacity", "is negative")
	if n := o.count(); n > 0 && o.Capacity > 0 {
		p.add(o.Capacity < n, "Capacity", "is below one event per partition")
		p.add(int64(o.Capacity/n) > MaxCapacity, "Capacity", "is above MaxCapacity per partition")
		p.add(o.StartAt != nil && len(o.StartAt) != n, "StartAt", "has not one sequence per partition")
	}
	p.add(o.Size == nil && o.MaxBytes > 0, "MaxBytes", "needs Size")
	p.add(o.MaxBytes < 0, "MaxBytes", "is negative")
	p.add(o.MaxBytes > 0 && o.MaxBytes < int64(o.count()), "MaxBytes", "is below one byte per partition")
	p.add(o.MaxAge < 0, "MaxAge", "is negative")
	p.add(o.Arrival && o.Time != nil, "Arrival", "excludes Time")
	if o.Arrival && o.Clock != nil {
		year := o.Clock().Year()
		p.add(year < 1679 || year > 2261, "Clock", "is outside of 1679 to 2261, which arrival times need")
	}
	o.validateRest(&p)
	return errors.Join(p...)
}

func (o *Options[E]) validateRest(p *problems) {
	p.add(o.MaxKeys < 0, "MaxKeys", "is negative")
	p.add(o.MaxKeys > 0 && o.Key == nil, "MaxKeys", "needs Key")
	p.add(o.MaxKeys > math.MaxInt32, "MaxKeys", "is above 2147483647")
	p.add(o.MaxKeys > 0 && len(o.KeyNames) > o.MaxKeys, "KeyNames", "has more names than MaxKeys")
	seen := make(map[string]bool, len(o.KeyNames))
	for _, k := range o.KeyNames {
		p.add(seen[k], "KeyNames", "names a key twice: "+k)
		seen[k] = true
	}
	p.add(o.OnStats == nil && o.StatsInterval != 1, "StatsInterval", "has no use without OnStats")
	p.add(o.StatsInterval < 0, "StatsInterval", "is negative")
	o.validateRestore(p)
	p.add(o.MaxPending < 0, "MaxPending", "is negative")
}

// MemoryEstimate returns about how many bytes a full store of these options takes at most, without what the events point
// to: the events, an eighth more for segments that cuts may hold back, a few in reserve per partition, and fixed costs.
// Events that wait for OnDiscard or rollups (MaxPending) come on top, and so does the room that large batches leave
// unused. Bad options count as the zero Options; what does not fit an int64 is the largest one.
func (o Options[E]) MemoryEstimate() int64 {
	o.setDefaults()
	if o.validate() != nil {
		o = Options[E]{}
		o.setDefaults()
	}
	slot := float64(reflect.TypeFor[E]().Size())
	if o.Arrival {
		slot += 8
	}
	n := o.count()
	capacity := share(o.Capacity, n, 0)
	unit := unitFor(capacity)
	segments := float64(capacity/unit + 1 + reserveSegments + retiredLimit(capacity, unit))
	total := float64(n) * (segments*(float64(unit)*slot+segmentBytes) + partitionBytes)
	if total >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(total)
}

const (
	reserveSegments = 3 // newest, successor, one being cleaned
	segmentBytes    = 320
	partitionBytes  = 448
)

// share splits total exactly over n parts; the first ones get the remainder.
func share(total, n, i int) int {
	if i < total%n {
		return total/n + 1
	}
	return total / n
}

// holdsPointers reports whether values of type t keep other memory alive.
func holdsPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && holdsPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	}
	return true
}

// checkPartition refuses wrong options of an added partition.
func (s *Store[E]) checkPartition(o PartitionOptions) error {
	var p problems
	p.add(o.Capacity <= 0, "Capacity", "must be positive")
	p.add(int64(o.Capacity) > MaxCapacity, "Capacity", "is above MaxCapacity")
	p.add(o.MaxAge < 0, "MaxAge", "is negative")
	p.add(o.MaxAge > 0 && !s.conf.timed(), "MaxAge", "needs a time source of the store")
	p.add(o.MaxBytes < 0, "MaxBytes", "is negative")
	p.add(o.MaxBytes > 0 && s.conf.size == nil, "MaxBytes", "needs the store's Size")
	return errors.Join(p...)
}
