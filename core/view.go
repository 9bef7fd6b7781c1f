package core

import (
	"fmt"
	"iter"
	"time"
)

// A View selects events of a Cut. It is a small immutable value: each method returns a narrower view, and nothing is
// read before an iterator or a query runs. Pointers and slices that a view yields point into the store: read only, and
// valid until the cut is closed.
//
// A function given to a view runs on the caller's goroutine. If it panics inside an iterator the panic goes to the
// caller; inside a query it becomes a PanicError. The store is unharmed either way.
//
// A method that cannot narrow the view, as its comment says, makes the view an error: queries return it, Err tells it, and
// the iterators All and Runs yield nothing. So check Err where an empty loop would not tell.
type View[E any] struct {
	cut       *Cut[E]
	partition int // -1: all
	from      uint64
	times     span
	timed     bool // times restricts
	newest    int  // -1: all
	byTime    bool
	where     func(*E) bool
	inner     *View[E] // select from this view instead of the cut
	err       error
}

// narrow returns a view to which a restriction can be added: what follows Newest selects from the newest events.
func (v View[E]) narrow() View[E] {
	if v.newest < 0 {
		return v
	}
	return View[E]{cut: v.cut, partition: v.partition, newest: -1, inner: &v, err: v.err}
}

// View returns everything in the cut.
func (c *Cut[E]) View() View[E] { return View[E]{cut: c, partition: -1, newest: -1, err: c.err} }

// Err returns why the view cannot be answered, such as ErrNoTime or ErrNoPartition. Such a view is empty.
func (v View[E]) Err() error { return v.err }

func (v View[E]) fail(op string, err error) View[E] {
	if v.err == nil {
		v.err = wrap(err, "%s", op)
	}
	return v
}

// Partition narrows the view to one partition. One that the cut does not cover, or a second one, is ErrNoPartition.
func (v View[E]) Partition(i int) View[E] {
	v = v.narrow()
	if v.cut.section(i) == nil || v.partition >= 0 && v.partition != i {
		return v.fail(fmt.Sprintf("view of partition %d", i), ErrNoPartition)
	}
	v.partition = i
	return v
}

// From narrows the view to the position's partition, from its sequence on. A position that has left the window starts
// the view at the oldest event. ErrNoPartition as for Partition.
func (v View[E]) From(pos Position) View[E] {
	v = v.Partition(pos.Partition)
	if v.err == nil {
		c := v.cut.section(pos.Partition)
		q := pos.Sequence - c.p.start
		if q >= 1<<63 {
			q = 0 // before the first sequence of the partition
		}
		v.from = max(v.from, q)
	}
	return v
}

// Between narrows the view to event times in [from, to], both inclusive. A zero time leaves that end open; from after
// to is an empty range. A store without a time source is ErrNoTime.
func (v View[E]) Between(from, to time.Time) View[E] {
	times := span{minInstant, maxInstant}
	if !from.IsZero() {
		times.min = instantOf(from)
	}
	if !to.IsZero() {
		times.max = instantOf(to)
	}
	return v.during(times)
}

// during is Between for moments of which none is special.
func (v View[E]) during(times span) View[E] {
	if !v.cut.store.conf.timed() {
		return v.fail("time range", ErrNoTime)
	}
	if v = v.narrow(); !v.timed {
		v.timed, v.times = true, span{minInstant, maxInstant}
	}
	v.times = span{later(v.times.min, times.min), earlier(v.times.max, times.max)}
	return v
}

// Within narrows the view to the last d of the store's clock, which is read once per cut, when Within is first called. The
// future is not excluded. ErrNoTime as for Between; a negative d is ErrArgument.
func (v View[E]) Within(d time.Duration) View[E] {
	if d < 0 {
		return v.fail(fmt.Sprintf("last %v", d), ErrArgument)
	}
	return v.during(span{instantOf(v.cut.clock()).add(-d), maxInstant})
}

// Key narrows the view to events of the key, as Options.Key tells it. Without Options.Key it is ErrNoKey.
func (v View[E]) Key(key string) View[E] {
	s := v.cut.store
	if s.key == nil {
		return v.fail("key", ErrNoKey)
	}
	return v.Where(func(e *E) bool { return s.key(*e) == key })
}

// Where narrows the view to events for which f returns true. f must not change the event. A nil f is
// ErrArgument.
func (v View[E]) Where(f func(*E) bool) View[E] {
	if f == nil {
		return v.fail("nil filter", ErrArgument)
	}
	v = v.narrow()
	if g := v.where; g != nil {
		v.where = func(e *E) bool { return g(e) && f(e) }
	} else {
		v.where = f
	}
	return v
}

// ByTime orders a view of several partitions by event time, ties by partition, keeping the order inside each. It
// needs a time source, else it is ErrNoTime. A view of one partition is not reordered.
func (v View[E]) ByTime() View[E] {
	if !v.cut.store.conf.timed() && len(v.selected()) > 1 {
		return v.fail("order by time", ErrNoTime)
	}
	v.byTime = true
	return v
}

// Newest narrows the view to its last n events. Over several partitions those are the last n of ByTime, which takes a
// merge of the whole view; of one partition it reads no more than it has to. A negative n is
// ErrArgument, several partitions without a time source are ErrNoTime.
func (v View[E]) Newest(n int) View[E] {
	if n < 0 {
		return v.fail(fmt.Sprintf("newest %d", n), ErrArgument)
	}
	if len(v.selected()) > 1 {
		v = v.ByTime()
	}
	if v.newest < 0 || n < v.newest {
		v.newest = n
	}
	return v
}

// All yields every event with its position: oldest first within a partition, partition after partition. Of a view with
// an error it yields nothing: see Err.
func (v View[E]) All() iter.Seq2[Position, *E] {
	return func(yield func(Position, *E) bool) {
		for p := range v.pieces() {
			pos := p.position()
			for i := p.a; i < p.b; i++ {
				if !yield(pos, &p.s.ev[i]) {
					return
				}
				pos.Sequence++
			}
		}
	}
}

// Runs yields the same events as zero-copy slices of consecutive sequences, with the position of their first element.
// It is the fastest way to read. Of a view with an error it yields nothing: see Err.
func (v View[E]) Runs() iter.Seq2[Position, []E] {
	return func(yield func(Position, []E) bool) {
		for p := range v.pieces() {
			if !yield(p.position(), p.events()) {
				return
			}
		}
	}
}

// First returns the first event; not ok if there is none, or if the view has an error: see Err.
func (v View[E]) First() (Position, *E, bool) {
	for pos, e := range v.All() {
		return pos, e, true
	}
	return Position{}, nil, false
}

func earlier(a, b instant) instant {
	if b.before(a) {
		return b
	}
	return a
}

func later(a, b instant) instant {
	if b.after(a) {
		return b
	}
	return a
}
