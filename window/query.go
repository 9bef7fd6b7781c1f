package window

import (
	"fmt"
	"iter"
	"time"
)

// A Query selects signals of a window. It is a small immutable value: each method returns a narrower query, and nothing
// is read before one of the methods that answer. Each answer is of the window as it is then.
type Query struct {
	w         *Window
	selector  *selector
	name      *string // exactly this one
	id        uint32  // its number, when an answer is sought; 0 is any
	none      bool    // it is unknown: nothing
	key       *string
	operation *uint64
	within    time.Duration // of the time of the answer
	since     moment
	until     moment
	after     uint64
	newest    int // < 0: all
	where     func(*Signal) bool
	err       error
}

// Find selects the signals whose name a pattern covers. A bad pattern is an error of the answer, and of Err.
func (w *Window) Find(pattern string) Query {
	q := Query{w: w, within: Forever, since: earliest, until: latest, newest: -1}
	q.selector, q.err = w.compile(pattern)
	return q
}

// FindName selects the signals of exactly this name, which may hold the characters that mean something in a pattern.
func (w *Window) FindName(name string) Query {
	q := w.Find("")
	q.name = &name
	return q
}

// at returns the query with what depends on the moment of the answer: which names are known, and what time it is.
func (q Query) at(f *frame) Query {
	if q.name != nil {
		id, ok := q.w.names.ID(*q.name)
		q.id, q.none = uint32(id), !ok
	}
	for _, m := range []moment{f.age, ago(f.now, q.within)} {
		if q.since.before(m) {
			q.since = m
		}
	}
	return q
}

// Err returns why the query cannot be answered, if it cannot.
func (q Query) Err() error { return q.err }

// Key narrows the query to signals with this key.
func (q Query) Key(key string) Query {
	q.key = &key
	return q
}

// Operation narrows the query to the signals of one operation.
func (q Query) Operation(id uint64) Query {
	q.operation = &id
	return q
}

// Since narrows the query to signals with a time of t or later.
func (q Query) Since(t time.Time) Query {
	if m := momentOf(t); q.since.before(m) {
		q.since = m
	}
	return q
}

// Until narrows the query to signals with a time of t or earlier.
func (q Query) Until(t time.Time) Query {
	if m := momentOf(t); m.before(q.until) {
		q.until = m
	}
	return q
}

// Within narrows the query to the last d of the window's clock before the answer; the future is not excluded.
func (q Query) Within(d time.Duration) Query {
	if d < 0 {
		q.err = fmt.Errorf("%w: span %v", ErrOption, d)
		return q
	}
	q.within = min(q.within, d)
	return q
}

// After narrows the query to signals with a greater sequence.
func (q Query) After(sequence uint64) Query {
	q.after = max(q.after, sequence)
	return q
}

// Newest narrows the query to the last n signals of those that everything else in it selects.
func (q Query) Newest(n int) Query {
	if n < 0 {
		q.err = fmt.Errorf("%w: newest %d", ErrOption, n)
		return q
	}
	if q.newest < 0 || n < q.newest {
		q.newest = n
	}
	return q
}

// Where narrows the query to signals for which f returns true. f runs on the caller's goroutine, on one snapshot; the
// signal that it gets is good until it returns. If f panics, All passes that on and the other answers are a PanicError.
func (q Query) Where(f func(*Signal) bool) Query {
	if f == nil {
		q.err = fmt.Errorf("%w: nil predicate", ErrOption)
		return q
	}
	if g := q.where; g != nil {
		q.where = func(s *Signal) bool { return g(s) && f(s) }
	} else {
		q.where = f
	}
	return q
}

// Signals returns the selected signals, oldest first. They are the caller's, but for Path and Data, which are shared.
func (q Query) Signals() (list []Signal, err error) {
	err = q.run(func(found *findings, n int) {
		if n > 0 {
			list = make([]Signal, n)
			found.signals(list)
		}
	})
	return list, err
}

// All yields the selected signals, oldest first, without copying them together. A query with an error yields nothing:
// see Err. The signals are the caller's, but for Path and Data, which are shared: read only. While the loop runs it pins
// a cut of the window: what leaves the window meanwhile stays in memory until the loop ends, so a slow loop had better
// run over Signals.
func (q Query) All() iter.Seq[Signal] {
	return func(yield func(Signal) bool) {
		if q.err != nil {
			return
		}
		f := q.w.open()
		defer f.cut.Close()
		found := borrow()
		defer found.giveBack()
		q.search(&f, found)
		for i := range found.list {
			x := &found.list[i]
			if !x.each(func(k int) bool { return yield(q.w.signal(x.sequence(k), &x.records[k])) }) {
				return
			}
		}
	}
}

// Count returns how many signals the query selects.
func (q Query) Count() (n int, err error) {
	if q.err != nil {
		return 0, q.err
	}
	f := q.w.open()
	defer f.cut.Close()
	err = q.guard(func() { n = q.count(&f) })
	return n, err
}

// Any reports whether the query selects a signal.
func (q Query) Any() (bool, error) {
	_, ok, err := q.Last()
	return ok, err
}

// First returns the oldest selected signal; not ok if there is none.
func (q Query) First() (s Signal, ok bool, err error) {
	err = q.run(func(found *findings, _ int) {
		for i := range found.list {
			x := &found.list[i]
			x.each(func(k int) bool {
				s, ok = q.w.signal(x.sequence(k), &x.records[k]), true
				return false
			})
			if ok {
				return
			}
		}
	})
	return s, ok, err
}

// Last returns the newest selected signal; not ok if there is none.
func (q Query) Last() (s Signal, ok bool, err error) {
	list, err := q.Newest(1).Signals()
	if len(list) == 0 {
		return Signal{}, false, err
	}
	return list[len(list)-1], true, err
}

// A Summary tells about the selected signals as a whole, such as those of one operation.
type Summary struct {
	Count       int
	First, Last Signal        // in the order of raising
	Duration    time.Duration // from First to Last by their own times
}

// Summarize returns the summary of the selected signals; the zero Summary if there are none.
func (q Query) Summarize() (s Summary, err error) {
	err = q.run(func(found *findings, n int) {
		s.Count = n
		for i := range found.list {
			x := &found.list[i]
			x.each(func(k int) bool {
				last := q.w.signal(x.sequence(k), &x.records[k])
				if s.Last = last; s.First.Sequence == 0 {
					s.First = last
				}
				return true
			})
		}
		s.Duration = s.Last.Time.Sub(s.First.Time)
	})
	return s, err
}
