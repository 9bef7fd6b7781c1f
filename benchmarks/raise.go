package benchmarks

import (
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/window"
)

const raisedName = "order.completed"

// Raised is a window whose signals are raised through a Name.
func Raised(capacity int) Design {
	w := newWindow(window.Options{Capacity: capacity})
	name := must(w.Intern(raisedName))
	return raising(w, func(x uint64) { _, _ = name.Raise(texts[x&15]) })
}

// RaisedByString is a window that looks the name of each signal up.
func RaisedByString(capacity int) Design {
	w := newWindow(window.Options{Capacity: capacity})
	return raising(w, func(x uint64) { _, _ = w.Raise(raisedName, texts[x&15]) })
}

func raising(w *window.Window, raise Op) Design {
	batch := make([]window.Signal, BatchSize)
	for i := range batch {
		batch[i] = window.Signal{Name: raisedName, Key: texts[i&15]}
	}
	return Design{
		Name:     "window",
		Append:   raise,
		Batch:    func(uint64) { _, _ = w.RaiseBatch(batch) },
		Appended: func() uint64 { return w.Stats().Raised },
		Close:    func() { _ = w.Close() },
	}
}

// A record is as large as what a window keeps of a signal.
type record struct {
	sec  int64
	nsec uint32
	name uint32
	_    uint64
	key  string
	_    *int
}

// Stamped is a core store of such records, with the time of a clock as cheap as that of a window: what a Raise cannot do
// without.
func Stamped(capacity int) Design {
	s := open(core.Options[record]{Capacity: capacity})
	c := startClock()
	batch := make([]record, BatchSize)
	return Design{
		Name: "stamped",
		Append: func(x uint64) {
			sec, nsec := c.now()
			_, _ = s.Append(record{sec: sec, nsec: nsec, name: 1, key: texts[x&15]})
		},
		Batch: func(uint64) {
			for i := range batch {
				sec, nsec := c.now()
				batch[i] = record{sec: sec, nsec: nsec, name: 1, key: texts[i&15]}
			}
			_, _ = s.AppendBatch(batch)
		},
		Appended: func() uint64 { return s.Ledger().Appended },
		Close: func() {
			c.stop()
			_ = s.Close()
		},
	}
}

// A clock ticks every millisecond and is read by one atomic load, like that of a window.
type clock struct {
	word atomic.Uint64 // seconds in the upper 34 bits, nanoseconds below
	quit chan struct{}
}

func startClock() *clock {
	c := &clock{quit: make(chan struct{})}
	set := func() {
		t := time.Now()
		c.word.Store(uint64(t.Unix())<<30 | uint64(t.Nanosecond()))
	}
	set()
	go func() {
		t := time.NewTicker(time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-c.quit:
				return
			case <-t.C:
				set()
			}
		}
	}()
	return c
}

func (c *clock) now() (sec int64, nsec uint32) {
	v := c.word.Load()
	return int64(v >> 30), uint32(v & (1<<30 - 1))
}

func (c *clock) stop() { close(c.quit) }
