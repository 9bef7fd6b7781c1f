package window

import (
	"slices"
	"sync"
)

// A finding is a run with the records of it that a query selects.
type finding struct {
	run
	marks *marks // nil: all of them; not to be changed
}

// each calls f with every selected record in ascending order until f returns false, and reports whether it never did.
func (x *finding) each(f func(i int) bool) bool {
	if x.marks != nil {
		return x.marks.each(f)
	}
	for i := range x.records {
		if !f(i) {
			return false
		}
	}
	return true
}

// places lists the selected records and returns how many there are.
func (x *finding) places(list *[chunkSize]uint16) int {
	if x.marks != nil {
		return x.marks.list(list)
	}
	for i := range x.records {
		list[i] = uint16(i)
	}
	return len(x.records)
}

// run searches the window as it is now and hands the result to answer while it is protected.
func (q Query) run(answer func(found *findings, n int)) error {
	if q.err != nil {
		return q.err
	}
	f := q.w.open()
	defer f.cut.Close()
	found := borrow()
	defer found.giveBack()
	return q.guard(func() {
		n := q.search(&f, found)
		answer(found, n)
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

// findings is the workspace of a search, and what it found.
type findings struct {
	q     Query
	set   *nameSet
	n     int       // how many signals are selected
	list  []finding // of what has selected records
	marks []marks
	slots [chunkSize]uint16
	visit func(r *run) bool // takes the run; made once
}

var workspaces = sync.Pool{New: func() any {
	w := new(findings)
	w.visit = func(r *run) bool {
		w.take(r)
		return true
	}
	return w
}}

func borrow() *findings { return workspaces.Get().(*findings) }

// giveBack keeps the memory, but nothing that it points to.
func (w *findings) giveBack() {
	clear(w.list)
	w.q, w.set, w.n, w.list, w.marks = Query{}, nil, 0, w.list[:0], w.marks[:0]
	workspaces.Put(w)
}

// count returns how many signals of the frame are selected.
func (q *Query) count(f *frame) int {
	found := borrow()
	defer found.giveBack()
	return q.search(f, found)
}

// search lists the runs that hold selected signals, oldest first, and returns how many signals these are.
func (q *Query) search(f *frame, w *findings) int {
	w.q = q.at(f)
	if w.q.none || q.newest == 0 {
		return 0
	}
	w.set = w.q.names() // after the cut: it knows the name of everything in there
	if q.newest < 0 {
		f.runs(true, w.visit)
		return w.n
	}
	var runs []run
	f.runs(true, func(r *run) bool {
		runs = append(runs, *r)
		return true
	})
	for i := range slices.Backward(runs) {
		before := w.n
		if w.take(&runs[i]); w.n >= q.newest {
			w.keepNewest(q.newest - before)
			break
		}
	}
	slices.Reverse(w.list)
	return w.n
}

// keepNewest leaves n of the records that were taken last.
func (w *findings) keepNewest(n int) {
	x := &w.list[len(w.list)-1]
	if x.marks == nil {
		w.n -= len(x.records) - n
		x.run = x.part(len(x.records)-n, len(x.records))
		return
	}
	m := w.newMarks()
	*m = *x.marks
	w.n -= m.count() - n
	m.keepNewest(n)
	x.marks = m
}

// newMarks returns an empty set.
func (w *findings) newMarks() *marks {
	w.marks = append(w.marks, marks{})
	return &w.marks[len(w.marks)-1]
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

// take lists the run with its selected records, if there are any.
func (w *findings) take(r *run) {
	q := &w.q
	if q.after > 0 {
		r.after(q.after)
	}
	timed := q.since != earliest || q.until != latest
	if x := r.index; x != nil && timed {
		if x.newest.before(q.since) || q.until.before(x.oldest) {
			return
		}
		timed = x.oldest.before(q.since) || q.until.before(x.newest)
	}
	sift := timed || q.key != nil || q.operation != nil || q.where != nil
	all := q.id == 0 && w.set.all()
	if all && !sift {
		w.add(r, nil, len(r.records))
		return
	}
	var known *recent
	if x := r.index; x != nil && q.id == 0 && !all {
		if known = x.search(q.selector, w.set); known.count == 0 {
			return
		}
		if len(r.records) == len(x.keys) && !sift {
			w.add(r, &known.marks, known.count)
			return
		}
	}
	m := w.newMarks()
	switch {
	case all:
		m.fill(len(r.records))
	case known != nil:
		*m = known.marks
		m.cut(r.offset, r.offset+len(r.records))
	default:
		q.named(r, w.set, m)
	}
	if sift {
		q.sift(r, timed, m)
	}
	w.add(r, m, m.count())
}

// add lists a run with its selected records, n of them.
func (w *findings) add(r *run, m *marks, n int) {
	if n > 0 {
		w.n += n
		w.list = append(w.list, finding{*r, m})
	}
}

// named marks the records whose names are in the set.
func (q *Query) named(r *run, set *nameSet, m *marks) {
	switch {
	case r.index != nil:
		r.index.find(set, r.offset, r.offset+len(r.records), m)
	case len(set.ids) == 1:
		id := set.ids[0]
		for i := range r.records {
			if r.records[i].name == id {
				m.set(i)
			}
		}
	case set.count > 0:
		for i := range r.records {
			if set.has(r.records[i].name) {
				m.set(i)
			}
		}
	}
}

// sift unmarks what the other conditions exclude.
func (q *Query) sift(r *run, timed bool, m *marks) {
	var s *Signal
	if q.where != nil {
		s = new(Signal) // one for all of them
	}
	m.each(func(i int) bool {
		x := &r.records[i]
		out := timed && (x.at().before(q.since) || q.until.before(x.at())) ||
			q.key != nil && x.key != *q.key || q.operation != nil && x.operation != *q.operation
		if !out && q.where != nil {
			*s = q.w.signal(r.sequence(i), x)
			out = !q.where(s)
		}
		if out {
			m.clear(i)
		}
		return true
	})
}

// fetchAhead is how many records are copied before the first of them is used: they lie far apart, and the processor waits
// for all of them at once instead of one after the other.
const fetchAhead = 32

// signals makes signals of what was found. The list is zero and has room for all.
func (w *findings) signals(list []Signal) {
	var records [fetchAhead]record
	var sequences [fetchAhead]uint64
	names := w.q.w.spelling.list(w.q.w.names)
	for i := range w.list {
		x := &w.list[i]
		for rest := w.slots[:x.places(&w.slots)]; len(rest) > 0; {
			part := rest[:min(len(rest), fetchAhead)]
			for k, i := range part {
				records[k] = x.records[i]
			}
			for k, i := range part {
				sequences[k] = x.sequence(int(i))
			}
			w.q.w.fill(list[:len(part)], records[:], sequences[:], names)
			list, rest = list[len(part):], rest[len(part):]
		}
	}
}
