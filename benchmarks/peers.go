package benchmarks

import (
	"code.cloudfoundry.org/go-diodes"
	"github.com/Workiva/go-datastructures/queue"
	"github.com/puzpuzpuz/xsync/v4"
)

// A DropOldest is a buffered channel from which a writer that finds it full takes one event away.
type DropOldest[E any] struct{ events chan E }

// NewDropOldest makes a channel of the given capacity.
func NewDropOldest[E any](capacity int) *DropOldest[E] { return &DropOldest[E]{make(chan E, capacity)} }

// Append sends e.
func (d *DropOldest[E]) Append(e E) {
	for {
		select {
		case d.events <- e:
			return
		default:
		}
		select {
		case <-d.events:
		default:
		}
	}
}

// Len returns how many events it holds.
func (d *DropOldest[E]) Len() int { return len(d.events) }

// A Queue is the bounded queue of xsync, which drops its oldest event when it is full.
type Queue[E any] struct{ q *xsync.MPMCQueue[E] }

// NewQueue makes a queue of the given capacity.
func NewQueue[E any](capacity int) *Queue[E] { return &Queue[E]{xsync.NewMPMCQueue[E](capacity)} }

// Append stores e.
func (q *Queue[E]) Append(e E) {
	for !q.q.TryEnqueue(e) {
		q.q.TryDequeue()
	}
}

// Len empties the queue and returns how many events it held.
func (q *Queue[E]) Len() (n int) {
	for {
		if _, ok := q.q.TryDequeue(); !ok {
			return n
		}
		n++
	}
}

// A Diode is a ring of go-diodes. It overwrites the oldest event by itself and takes pointers only, so that every event
// escapes to the heap. Many writers may share one; there is one reader at most.
type Diode struct{ d *diodes.ManyToOne }

// NewDiode makes a diode for many writers.
func NewDiode(capacity int) *Diode { return &Diode{diodes.NewManyToOne(capacity, nil)} }

// Append stores e. A writer that meets another one on a slot tries again and logs that with package log.
func (d *Diode) Append(e Event) { d.d.Set(diodes.GenericDataType(&e)) }

// Next takes the oldest event that is left.
func (d *Diode) Next() (Event, bool) { return taken(d.d.TryNext()) }

// A SingleDiode is a Diode for one writer.
type SingleDiode struct{ d *diodes.OneToOne }

// NewSingleDiode makes a diode for one writer.
func NewSingleDiode(capacity int) *SingleDiode {
	return &SingleDiode{diodes.NewOneToOne(capacity, nil)}
}

// Append stores e.
func (d *SingleDiode) Append(e Event) { d.d.Set(diodes.GenericDataType(&e)) }

// Next takes the oldest event that is left.
func (d *SingleDiode) Next() (Event, bool) { return taken(d.d.TryNext()) }

func taken(p diodes.GenericDataType, ok bool) (Event, bool) {
	if !ok {
		return Event{}, false
	}
	return *(*Event)(p), true
}

// A WorkivaRing is the ring buffer of Workiva, which holds interfaces. A writer that finds it full takes the oldest event
// away.
type WorkivaRing struct{ r *queue.RingBuffer }

// NewWorkivaRing makes a ring; the capacity is a power of two.
func NewWorkivaRing(capacity int) *WorkivaRing {
	return &WorkivaRing{queue.NewRingBuffer(uint64(capacity))}
}

// Append stores e.
func (w *WorkivaRing) Append(e Event) {
	var item any = e
	for {
		if ok, err := w.r.Offer(item); ok || err != nil {
			return // an error says that the ring was disposed, which nobody does
		}
		// An offer also fails when another writer was faster; that is no reason to drop anything.
		if w.r.Len() >= w.r.Cap() {
			_, _ = w.r.Get()
		}
	}
}

// Len returns how many events it holds.
func (w *WorkivaRing) Len() int { return int(w.r.Len()) }

// Next takes the oldest event; it waits for one if there is none.
func (w *WorkivaRing) Next() (Event, error) {
	item, err := w.r.Get()
	if err != nil {
		return Event{}, err
	}
	return item.(Event), nil
}
