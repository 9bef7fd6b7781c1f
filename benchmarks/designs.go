package benchmarks

import "github.com/ephemera-go/ephemera/core"

// A Design is one way to keep the newest events, with the operations that it has. The operations drop the errors of
// core: Appended tells afterwards whether every event was stored.
type Design struct {
	Name     string
	Append   Op
	Batch    Op            // BatchSize events; nil if there is none
	Scan     func() int    // reads everything, returns how many; nil if there is none
	Appended func() uint64 // nil if it is not counted
	Close    func()
}

// Ordered is a core store of one partition.
func Ordered(capacity int) Design {
	s := NewOrdered(capacity)
	events := Events(BatchSize)
	return Design{
		Name:     "core",
		Append:   func(x uint64) { _, _ = s.Append(Make(x)) },
		Batch:    func(uint64) { _, _ = s.AppendBatch(events) },
		Scan:     func() int { _, n := Scan(s); return n },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// Timed is Ordered with event times and, if asked, a registered rollup that nobody queries.
func Timed(capacity int, rollup bool) Design {
	s := NewTimed(capacity)
	if rollup {
		NewRollup(s)
	}
	return Design{
		Name:     "timed",
		Append:   func(x uint64) { _, _ = s.Append(Make(x)) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// Lanes is a core store of one lane per processor.
func Lanes(capacity int) Design {
	s := NewLanes(capacity)
	events := Events(BatchSize)
	return Design{
		Name:     "lanes",
		Append:   func(x uint64) { _, _ = s.Append(Make(x)) },
		Batch:    func(uint64) { _, _ = s.AppendBatch(events) },
		Scan:     func() int { _, n := Scan(s); return n },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// Exclusive is the Producer of a core store's only partition. It is for one writer.
func Exclusive(capacity int) Design {
	s := NewOrdered(capacity)
	p := NewProducer(s, 0)
	events := Events(BatchSize)
	return Design{
		Name:     "producer",
		Append:   func(x uint64) { _, _ = p.Append(Make(x)) },
		Batch:    func(uint64) { _, _ = p.AppendBatch(events) },
		Scan:     func() int { _, n := Scan(s); return n },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    func() { _ = p.Close(); _ = s.Close() },
	}
}

// Partitions is a core store of n partitions; choose picks one of n for an event.
func Partitions(n, capacity int, choose func(x uint64, n int) int) Design {
	s := NewPartitions(n, capacity)
	return Design{
		Name:     "core",
		Append:   func(x uint64) { _, _ = s.AppendTo(choose(x, n), Make(x)) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// Keyed is a core store of n partitions chosen by the event's key.
func Keyed(n, capacity int) Design {
	s := NewByKey(n, capacity)
	return Design{
		Name:     "keyed",
		Append:   func(x uint64) { _, _ = s.Append(Make(x)) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// Mutex is the mutex ring. Its scan copies under the lock and reads the copy.
func Mutex(capacity int) Design {
	r := NewMutexRing[Event](capacity)
	events := Events(BatchSize)
	var dst []Event
	var sum float64
	return Design{
		Name:   "mutex",
		Append: func(x uint64) { r.Append(Make(x)) },
		Batch:  func(uint64) { r.AppendBatch(events) },
		Scan: func() int {
			dst = r.Copy(dst)
			sum += Total(dst)
			return len(dst)
		},
		Appended: r.Appended,
		Close:    func() {},
	}
}

// MutexRings is n mutex rings; choose picks one of n for an event.
func MutexRings(n, capacity int, choose func(x uint64, n int) int) Design {
	rings := NewMutexRings(n, capacity)
	return Design{
		Name:   "mutex",
		Append: func(x uint64) { rings[choose(x, n)].Append(Make(x)) },
		Appended: func() (n uint64) {
			for _, r := range rings {
				n += r.Appended()
			}
			return n
		},
		Close: func() {},
	}
}

// Sharded is the eight-way sharded mutex ring.
func Sharded(capacity int) Design {
	r := NewShardedRing(capacity)
	return Design{Name: "sharded", Append: func(x uint64) { r.Append(Make(x)) }, Appended: r.Appended, Close: func() {}}
}

// Atomic is a bare atomic add.
func Atomic() Design {
	c := new(Counter)
	return Design{Name: "atomic", Append: func(x uint64) { c.Append(Make(x)) }, Appended: c.Appended, Close: func() {}}
}

// Floor is atomic add, store, atomic exchange.
func Floor(capacity int) Design {
	s := NewSlots(capacity)
	return Design{Name: "floor", Append: func(x uint64) { s.Append(Make(x)) }, Appended: s.Appended, Close: func() {}}
}

// ByWriter chooses the partition with the writer's number.
func ByWriter(x uint64, n int) int { return int(x>>WriterShift) & (n - 1) }

// AtRandom chooses any partition; n is a power of two.
func AtRandom(x uint64, n int) int { return spread(x, n) }

func closing[E any](s *core.Store[E]) func() { return func() { _ = s.Close() } }
