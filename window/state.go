package window

import (
	"sort"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// state is what a read needs beside a cut of the core store. It is immutable; whoever changes it swaps in another one
// under Window.mu. A read loads it after opening its cut, so it sees either all or nothing of a Clear.
//
// The window is aside, followed by the core store's records from floor on. Restored signals stand aside, because they
// are older than all that this run raises, and so do the survivors of a partial Clear, because the core store has no
// holes.
type state struct {
	aside    []*chunk
	skip     int    // records at the start of the first chunk that have left
	floor    uint64 // records of the core store below it are settled or stand aside
	capacity int
	maxAge   time.Duration
}

// A chunk is a run of records outside of the core store, ascending by sequence.
type chunk struct {
	sequences []uint64
	records   []record
	once      sync.Once
	index     *index
}

const chunkSize = 1 << slotBits

// folded returns the chunk's index.
func (c *chunk) folded() *index {
	c.once.Do(func() {
		c.index = newIndex()
		for i := range c.records {
			c.index.add(&c.records[i])
		}
	})
	return c.index
}

// size returns how many records stand aside.
func (s *state) size() int {
	n := -s.skip
	for _, c := range s.aside {
		n += len(c.records)
	}
	return n
}

// gather puts records into chunks.
type gather struct{ chunks []*chunk }

func (g *gather) add(sequence uint64, r *record) {
	var c *chunk
	if n := len(g.chunks); n > 0 && len(g.chunks[n-1].records) < chunkSize {
		c = g.chunks[n-1]
	} else {
		c = new(chunk)
		g.chunks = append(g.chunks, c)
	}
	c.sequences = append(c.sequences, sequence)
	c.records = append(c.records, *r)
}

// A run is a stretch of records with what is known about all of it.
type run struct {
	records   []record
	sequences []uint64 // nil: first, first+1, …
	first     uint64
	offset    int // of records[0] in the index
	index     *index
}

func (r *run) sequence(i int) uint64 {
	if r.sequences != nil {
		return r.sequences[i]
	}
	return r.first + uint64(i)
}

// part returns records [from, to) of the run.
func (r *run) part(from, to int) run {
	p := run{records: r.records[from:to], first: r.first + uint64(from), offset: r.offset + from, index: r.index}
	if r.sequences != nil {
		p.sequences = r.sequences[from:to]
	}
	return p
}

// after drops the records up to the sequence.
func (r *run) after(sequence uint64) {
	n := sort.Search(len(r.records), func(i int) bool { return r.sequence(i) > sequence })
	*r = r.part(n, len(r.records))
}

// A frame is the window as of now: a cut and a state that fit together.
type frame struct {
	w     *Window
	cut   *core.Cut[record]
	state *state
	skip  int    // records aside that have left
	lo    uint64 // of the core store's records
	next  uint64
	now   time.Time
	age   moment // signals before it have expired
}

// open opens a frame; the caller closes its cut.
func (w *Window) open() frame {
	f := frame{w: w, cut: w.cut()}
	f.fit()
	return f
}

// fit computes what the newest state shows of the cut.
func (f *frame) fit() {
	s := f.w.state.Load()
	first, next, _ := f.cut.Bounds(0)
	f.state, f.next, f.skip = s, next, s.skip
	f.lo = min(max(first, s.floor), next)
	room := uint64(s.capacity)
	if live := next - f.lo; live >= room {
		f.lo = next - room
		f.skip = s.size() + s.skip
	} else if surplus := s.size() - int(room-live); surplus > 0 {
		f.skip += surplus
	}
	f.now = f.w.reading()
	f.age = ago(f.now, s.maxAge)
}

// runs yields everything that has not left, oldest first, expired signals included. With indexes, full segments come
// with theirs. The run is good until yield returns.
func (f *frame) runs(indexes bool, yield func(*run) bool) {
	skip := f.skip
	var r run // one for all, because it escapes
	for _, c := range f.state.aside {
		if skip >= len(c.records) {
			skip -= len(c.records)
			continue
		}
		r = run{records: c.records[skip:], sequences: c.sequences[skip:], offset: skip}
		if indexes {
			r.index = c.folded()
		}
		if skip = 0; !yield(&r) {
			return
		}
	}
	f.live(indexes, &r, yield)
}

func (f *frame) live(indexes bool, r *run, yield func(*run) bool) {
	if f.lo >= f.next {
		return
	}
	v := f.cut.From(core.Position{Sequence: f.lo})
	if !indexes {
		for pos, records := range v.Runs() {
			if *r = (run{records: records, first: pos.Sequence}); !yield(r) {
				return
			}
		}
		return
	}
	for x := range f.w.indexes.Folds(v) {
		*r = run{records: x.Events, first: x.First.Sequence, offset: x.Offset}
		if x.Value != nil {
			r.index = *x.Value
		}
		if !yield(r) {
			return
		}
	}
}
