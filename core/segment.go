package core

import (
	"math/bits"

	"github.com/ephemera-go/ephemera/core/internal/atomicx"
)

// The reservation word of a segment is tag:32 | field:12 | closed:1 | ended:1 | count:18.
//
//	open    count < len(ev): slots [0,count) are reserved
//	full    count >= len(ev): writers that came too late add to it, so the count may run on
//	ended   cut short; field holds the length
//	closed  not open yet, or with an ownership mark in field: not open to shared writers at all
//
// A word is open only while its segment is the newest of the chain, and every opening is a compare-and-swap from a
// closed word whose tag is the segment's id. So a writer that slept through a recycling and then adds to the word
// either gets a legal slot of the current segment or is refused.
const (
	countMask  = 1<<20 - 1 // includes the two flags, so that a flagged word is never below a length
	endedBit   = 1 << 18
	closedBit  = 1 << 19
	lateMask   = endedBit - 1
	fieldShift = 20
	fieldMask  = 1<<12 - 1
	tagShift   = 32

	ownedMark = 1 << fieldShift // with closedBit: a Producer publishes here
	deadMark  = 2 << fieldShift // with closedBit: the partition is closed
)

const (
	words      = 16
	maxSegment = words * atomicx.SlotsPerWord // slots
	minSegment = 8
)

// MaxBatch is the most events that one batch stores atomically.
const MaxBatch = 1024

// A segment holds a run of consecutive events. A slot is reserved, written once, and published by setting its bit (or,
// under a Producer, by moving done). The publication is the writer's last access to the segment.
type segment[E any] struct {
	resv atomicx.Uint64
	_    [56]byte // writers hammer resv; what follows is read far more often than written

	id   atomicx.Uint64 // ordinal in the partition's chain
	base atomicx.Uint64 // offset of slot 0; set when the segment opens
	ev   []E
	next atomicx.Pointer[segment[E]]
	done atomicx.Uint64          // slots [0,done) are known to be published
	fold atomicx.Pointer[digest] // cached fold of the sealed segment
	pub  [words]atomicx.Uint64   // one bit per slot
	at   []int64                 // arrival times in Unix nanoseconds; nil unless the store records them
	_    [40]byte                // 320 bytes: a size class that keeps the lines above on 64-byte borders
}

func newSegment[E any](id uint64, slots int, arrival bool) *segment[E] {
	s := &segment[E]{ev: make([]E, slots)}
	if arrival {
		s.at = make([]int64, slots)
	}
	s.id.Store(id)
	s.resv.Store(closedWord(id))
	return s
}

func openWord(id uint64) uint64   { return id << tagShift }
func closedWord(id uint64) uint64 { return id<<tagShift | closedBit }

// endedWord is the word of segment id cut short to n slots.
func endedWord(id, n uint64) uint64 { return id<<tagShift | n<<fieldShift | endedBit }

// length returns the final number of slots, and whether it is final already.
func (s *segment[E]) length(w uint64) (n uint64, final bool) {
	switch {
	case w&closedBit != 0:
		return 0, false
	case w&endedBit != 0:
		return w >> fieldShift & fieldMask, true
	case w&countMask >= uint64(len(s.ev)):
		return uint64(len(s.ev)), true
	}
	return w & countMask, false
}

// reserved returns the offset behind the last slot that was reserved according to word w. s is or was the newest segment.
func (s *segment[E]) reserved(w uint64) uint64 {
	if w&closedBit != 0 {
		return s.base.Load() + s.done.Load()
	}
	n, _ := s.length(w)
	return s.base.Load() + n
}

// finish cuts an owned segment to its final length n. Late writers may be adding to the word, hence the loop.
func (s *segment[E]) finish(n uint64) {
	for id := s.id.Load(); ; {
		if w := s.resv.Load(); s.resv.CompareAndSwap(w, endedWord(id, n)) {
			return
		}
	}
}

// shed forgets the attempts of late writers long before they could reach the flags of the word.
func (s *segment[E]) shed(w uint64) {
	if w&lateMask <= lateMask/2 {
		return
	}
	clean := w &^ uint64(lateMask)
	if w&(endedBit|closedBit) == 0 {
		clean |= uint64(len(s.ev)) // full by its count
	}
	s.resv.CompareAndSwap(w, clean)
}

// publish sets the bits of slots [a,b), highest word first, so that whoever reads a prefix sees a batch whole or not
// at all.
func (s *segment[E]) publish(a, b uint64) {
	for b > a {
		lo := max(a, (b-1)&^atomicx.WordMask)
		m := ^uint64(0) << (lo & atomicx.WordMask)
		if r := b & atomicx.WordMask; r != 0 {
			m &= 1<<r - 1
		}
		s.pub[lo>>atomicx.WordShift].Or(m & wordBits)
		b = lo
	}
}

// wordBits are the bits of a publication word in use.
const wordBits = 1<<(atomicx.SlotsPerWord-1)<<1 - 1

// hole returns the first unpublished slot in [a,end), or end.
func (s *segment[E]) hole(a, end uint64) uint64 {
	if a = max(a, s.done.Load()); a >= end {
		return end
	}
	for a < end {
		v := ^s.pub[a>>atomicx.WordShift].Load() & wordBits >> (a & atomicx.WordMask)
		if v != 0 {
			return min(end, a+uint64(bits.TrailingZeros64(v)))
		}
		a = a&^atomicx.WordMask + atomicx.SlotsPerWord
	}
	return end
}

// seal reports whether the segment has its final length and every slot is published, and remembers it.
func (s *segment[E]) seal() bool {
	n, final := s.length(s.resv.Load())
	if !final {
		return false
	}
	if s.done.Load() >= n {
		return true
	}
	if s.hole(0, n) < n {
		return false
	}
	s.done.Store(n)
	return true
}

// full reports that no shared writer can get a slot any more, and the final length.
func (s *segment[E]) full() (n uint64, ok bool) { return s.length(s.resv.Load()) }
