package core

import (
	"time"
)

// Copy returns the selected events as a slice of their own, in the order of All.
func (v View[E]) Copy() ([]E, error) {
	if v.err != nil {
		return nil, v.err
	}
	var out []E
	err := v.guard(func() {
		for p := range v.pieces() {
			out = append(out, p.events()...)
		}
	})
	v.copied(len(out))
	return out, err
}

// CopyTo copies the first events that fit into dst and returns how many.
func (v View[E]) CopyTo(dst []E) (int, error) {
	n := 0
	err := v.guard(func() {
		for p := range v.pieces() {
			if n += copy(dst[n:], p.events()); n == len(dst) {
				return
			}
		}
	})
	v.copied(n)
	return n, err
}

// EachChunk calls f with copies of n events each, the last one perhaps shorter, until f returns false. The slice is
// used again for the next chunk.
func (v View[E]) EachChunk(n int, f func(chunk []E) bool) error {
	if n <= 0 || f == nil {
		return wrap(ErrArgument, "chunks of %d", n)
	}
	chunk := make([]E, 0, min(n, maxSegment))
	return v.guard(func() {
		for p := range v.pieces() {
			for r := p.events(); len(r) > 0; {
				k := min(len(r), n-len(chunk))
				chunk, r = append(chunk, r[:k]...), r[k:]
				if len(chunk) == n {
					if v.copied(n); !f(chunk) {
						return
					}
					chunk = chunk[:0]
				}
			}
		}
		if len(chunk) > 0 {
			v.copied(len(chunk))
			f(chunk)
		}
	})
}

func (v View[E]) copied(n int) {
	c := v.cut.store.conf
	c.copied.Add(uint64(n) * c.eventBytes)
}

// Count returns how many events the view selects.
func (v View[E]) Count() (int, error) {
	n := uint64(0)
	err := v.guard(func() {
		for p := range v.pieces() {
			n += p.b - p.a
		}
	})
	return int(n), err
}

// Span returns the earliest and the latest event time; not ok without events, without a time source, or when a user
// function panicked.
func (v View[E]) Span() (from, to time.Time, ok bool) {
	if v.err != nil || !v.cut.store.conf.timed() {
		return time.Time{}, time.Time{}, false
	}
	w := emptySpan
	err := v.guard(func() {
		for p := range v.pieces() {
			for i := p.a; i < p.b; i++ {
				w.add(p.c.p.conf.timeOf(p.s, i))
			}
		}
	})
	if err != nil || w == emptySpan {
		return time.Time{}, time.Time{}, false
	}
	return w.min.toTime(), w.max.toTime(), true
}

// guard runs a query: the view's own error comes first, and a panic of a user function becomes a PanicError.
func (v View[E]) guard(f func()) (err error) {
	if v.err != nil {
		return v.err
	}
	defer func() {
		if r := recover(); r != nil {
			v.cut.store.conf.panics.Add(1)
			err = &PanicError{r}
		}
	}()
	f()
	return nil
}
