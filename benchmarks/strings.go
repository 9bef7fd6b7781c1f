package benchmarks

import (
	"runtime"
	"strconv"

	"github.com/ephemera-go/ephemera/core"
)

// A StringEvent is 48 bytes with two strings, which the garbage collector has to look at.
type StringEvent struct {
	Source string
	Name   string
	Value  float64
	At     int64 // Unix nanoseconds
}

// texts are what the strings of events point to: making them is no part of an append.
var texts = func() (t [16]string) {
	for i := range t {
		t[i] = "sensor-" + strconv.Itoa(i)
	}
	return t
}()

// MakeString returns the event number x.
func MakeString(x uint64) StringEvent {
	return StringEvent{Source: texts[x&15], Name: texts[x>>4&15], Value: float64(x & 1023), At: int64(x)}
}

// StringEvents returns n events for a batch.
func StringEvents(n int) []StringEvent {
	events := make([]StringEvent, n)
	for i := range events {
		events[i] = MakeString(uint64(i))
	}
	return events
}

// OrderedStrings is Ordered with string events.
func OrderedStrings(capacity int) Design {
	return stringStore("core", open(core.Options[StringEvent]{Capacity: capacity}))
}

// LanesStrings is Lanes with string events.
func LanesStrings(capacity int) Design {
	return stringStore("lanes", open(core.Options[StringEvent]{Capacity: capacity, Lanes: runtime.GOMAXPROCS(0)}))
}

func stringStore(name string, s *core.Store[StringEvent]) Design {
	events := StringEvents(BatchSize)
	return Design{
		Name:     name,
		Append:   func(x uint64) { _, _ = s.Append(MakeString(x)) },
		Batch:    func(uint64) { _, _ = s.AppendBatch(events) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// ExclusiveStrings is Exclusive with string events.
func ExclusiveStrings(capacity int) Design {
	s := open(core.Options[StringEvent]{Capacity: capacity})
	p := NewProducer(s, 0)
	events := StringEvents(BatchSize)
	return Design{
		Name:     "producer",
		Append:   func(x uint64) { _, _ = p.Append(MakeString(x)) },
		Batch:    func(uint64) { _, _ = p.AppendBatch(events) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    func() { _ = p.Close(); _ = s.Close() },
	}
}

// MutexStrings is Mutex with string events, without a scan.
func MutexStrings(capacity int) Design {
	r := NewMutexRing[StringEvent](capacity)
	events := StringEvents(BatchSize)
	return Design{
		Name:     "mutex",
		Append:   func(x uint64) { r.Append(MakeString(x)) },
		Batch:    func(uint64) { r.AppendBatch(events) },
		Appended: r.Appended,
		Close:    func() {},
	}
}

// ChannelStrings is Channel with string events.
func ChannelStrings(capacity int) Design {
	c := NewDropOldest[StringEvent](capacity)
	return Design{Name: "channel", Append: func(x uint64) { c.Append(MakeString(x)) }, Close: func() {}}
}

// MPMCStrings is MPMC with string events.
func MPMCStrings(capacity int) Design {
	q := NewQueue[StringEvent](capacity)
	return Design{Name: "xsync", Append: func(x uint64) { q.Append(MakeString(x)) }, Close: func() {}}
}
