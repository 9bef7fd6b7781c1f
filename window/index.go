package window

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core"
)

// An index says which records of a segment have a name, and how old they are. It is folded once per full segment, by
// the first read that needs it, and goes with the segment.
type index struct {
	sorted sync.Once
	keys   []uint32 // name<<slotBits | slot; after sorted in this order
	oldest moment
	newest moment
	recent [recentMarks]atomic.Pointer[recent]
}

// recent remembers what a pattern selected: a full segment does not change, and what names there come to be known
// later are not in it.
type recent struct {
	selector *selector
	marks    marks
	count    int
}

// recentMarks is how many patterns an index remembers, at 144 bytes each.
const recentMarks = 4

const (
	slotBits = 10 // a segment has at most 1,024 slots
	slotMask = 1<<slotBits - 1
)

// A names number must fit beside the slot.
var _ = [1]struct{}{}[(mostNames-1)>>(32-slotBits)]

func newIndex() *index { return &index{oldest: latest, newest: earliest} }

func (x *index) add(r *record) {
	x.keys = append(x.keys, r.name<<slotBits|uint32(len(x.keys)))
	if m := r.at(); m.before(x.oldest) {
		x.oldest = m
	}
	if m := r.at(); x.newest.before(m) {
		x.newest = m
	}
}

// indexing tells the core store how to fold a segment into an index. Nobody merges them.
func indexing() core.Monoid[record, *index] {
	return core.Monoid[record, *index]{
		Zero:  newIndex,
		Add:   func(x **index, r *record) { (*x).add(r) },
		Merge: func(**index, **index) {},
	}
}

// search returns what a pattern selects of the whole segment.
func (x *index) search(s *selector, set *nameSet) *recent {
	place := &x.recent[s.number%recentMarks]
	r := place.Load()
	if r == nil || r.selector != s {
		r = &recent{selector: s}
		x.find(set, 0, len(x.keys), &r.marks)
		r.count = r.marks.count()
		place.Store(r)
	}
	return r
}

// find marks the slots of [from, to) whose names are in the set; bit 0 stands for slot from.
func (x *index) find(set *nameSet, from, to int, m *marks) {
	x.sorted.Do(func() { slices.Sort(x.keys) })
	if set.ids == nil {
		for _, key := range x.keys {
			if i := int(key & slotMask); set.has(key>>slotBits) && from <= i && i < to {
				m.set(i - from)
			}
		}
		return
	}
	for _, id := range set.ids {
		for k := x.seek(id << slotBits); k < len(x.keys) && x.keys[k]>>slotBits == id; k++ {
			if i := int(x.keys[k] & slotMask); from <= i && i < to {
				m.set(i - from)
			}
		}
	}
}

// seek returns the place of the first key that is not below want. It halves without branches that depend on the keys.
func (x *index) seek(want uint32) int {
	low, n := 0, len(x.keys)
	for n > 0 {
		half := n >> 1
		if x.keys[low+half] < want {
			low += n - half
		}
		n = half
	}
	return low
}
