package window

import (
	"math/bits"
	"slices"
	"sync"
)

// A finding is a run with the records of it that a query selects.
type finding struct {
	run
	marks marks
}

// run searches the window as it is now and hands the result to answer while it is protected.
func (q Query) run(answer func(found []finding, n int)) error {
	if q.err != nil {
		return q.err
	}
	f := q.w.open()
	defer f.cut.Close()
	found := borrow()
	defer found.giveBack()
	return q.guard(func() {
		n := q.search(&f, found)
		answer(found.list, n)
	})
}

// guard runs f and contains the panic of Where, and no other.
func (q *Query) guard(f func()) error {
	if q.where != nil {
		return contain(f)
	}
	f()
	return nil
}

// findings is the workspace of a search.
type findings struct{ list []finding }

var workspaces = sync.Pool{New: func() any { return new(findings) }}

func borrow() *findings { return workspaces.Get().(*findings) }

// giveBack keeps the memory, but nothing that it points to.
func (w *findings) giveBack() {
	clear(w.list)
	w.list = w.list[:0]
	workspaces.Put(w)
}

// search lists the runs that hold selected signals, oldest first, and returns how many signals these are. Without a
// list it only counts.
func (q *Query) search(f *frame, found *findings) (n int) {
	if q.none || q.newest == 0 {
		return 0
	}
	if q.since.before(f.age) {
		q.since = f.age
	}
	set := q.names() // after the cut: it knows the name of everything in there
	if q.newest < 0 {
		f.runs(true, func(r *run) bool {
			n += q.take(found, r, set)
			return true
		})
		return n
	}
	var runs []run
	f.runs(true, func(r *run) bool {
		runs = append(runs, *r)
		return true
	})
	for i := range slices.Backward(runs) {
		before := n
		if n += q.take(found, &runs[i], set); n >= q.newest {
			if found != nil {
				found.list[len(found.list)-1].marks.keepNewest(q.newest - before)
			}
			n = q.newest
			break
		}
	}
	if found != nil {
		slices.Reverse(found.list)
	}
	return n
}

// names returns the set of names that the query covers.
func (q *Query) names() *nameSet {
	if q.id == 0 {
		return q.selector.current()
	}
	set := &nameSet{known: q.id, bits: make([]uint64, q.id>>6+1), ids: []uint32{q.id}, count: 1}
	set.bits[q.id>>6] = 1 << (q.id & 63)
	return set
}

// take lists the run with its selected records, if there are any, and returns how many.
func (q *Query) take(found *findings, r *run, set *nameSet) int {
	if q.after > 0 {
		r.after(q.after)
	}
	timed := q.since != earliest || q.until != latest
	if x := r.index; x != nil && timed {
		if x.newest.before(q.since) || q.until.before(x.oldest) {
			return 0
		}
		timed = x.oldest.before(q.since) || q.until.before(x.newest)
	}
	sift := timed || q.key != nil || q.operation != nil || q.where != nil
	all := q.id == 0 && set.all()
	if all && !sift && found == nil {
		return len(r.records)
	}
	var m marks
	if all {
		m.fill(len(r.records))
	} else if !q.named(r, set, &m) {
		return 0
	}
	if sift {
		q.sift(r, timed, &m)
	}
	n := m.count()
	if n > 0 && found != nil {
		found.list = append(found.list, finding{*r, m})
	}
	return n
}

// named marks the records whose names are in the set, and reports whether there are any.
func (q *Query) named(r *run, set *nameSet, m *marks) bool {
	found := false
	switch {
	case r.index != nil && q.id == 0:
		return r.index.search(q.selector, set, r.offset, r.offset+len(r.records), m)
	case r.index != nil:
		return r.index.find(set, r.offset, r.offset+len(r.records), m)
	case len(set.ids) == 1:
		id := set.ids[0]
		for i := range r.records {
			if r.records[i].name == id {
				m.set(i)
				found = true
			}
		}
	case set.count > 0:
		for i := range r.records {
			if set.has(r.records[i].name) {
				m.set(i)
				found = true
			}
		}
	}
	return found
}

// sift unmarks what the other conditions exclude.
func (q *Query) sift(r *run, timed bool, m *marks) {
	m.each(func(i int) bool {
		x := &r.records[i]
		out := timed && (x.at().before(q.since) || q.until.before(x.at())) ||
			q.key != nil && x.key != *q.key || q.operation != nil && x.operation != *q.operation
		if !out && q.where != nil {
			s := q.w.Signal(r.sequence(i), x)
			out = !q.where(&s)
		}
		if out {
			m.clear(i)
		}
		return true
	})
}

// copyTo makes signals of what was found and returns how many.
func (w *Window) copyTo(list []Signal, x *finding) int {
	n := 0
	for k, word := range x.marks {
		for ; word != 0; word &= word - 1 {
			i := k<<6 + bits.TrailingZeros64(word)
			w.fillIn(&list[n], x.sequence(i), &x.records[i])
			n++
		}
	}
	return n
}
