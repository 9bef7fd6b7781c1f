package core

import (
	"math"
	"math/bits"
	"slices"
)

const (
	// Inserting into the packed form moves what follows, hence the limit.
	histMaxPacked = 4096
	// Merging up to here stays packed, so that many small groups stay small.
	histFewPacked = 64
)

// histPage counts the 64 buckets of one slot.
type histPage [histSubs]uint64

// histNode is a page of which only the buckets in use are stored: bit i of used
// says that bucket i is, and its count stands at packed[start + used bits below i].
type histNode struct {
	used  uint64
	start uint16
}

// histBuckets counts numbers per bucket. It begins packed (nodes and packed),
// which is small, and may change to pages, which merge fast; never back.
type histBuckets struct {
	zeros uint64
	// index[slot-first] is one more than the place in nodes or pages; 0 = none.
	first  uint32
	index  []uint16
	nodes  []histNode
	packed []uint16
	pages  []histPage // nil while packed
}

func (b *histBuckets) add(v float64) {
	if v == 0 {
		b.zeros++
		return
	}
	slot, sub := histKey(v)
	n := b.place(slot)
	if b.pages != nil {
		b.pages[n][sub]++
		return
	}
	node, bit := &b.nodes[n], uint64(1)<<sub
	if node.used&bit != 0 {
		if count := &b.packed[int(node.start)+bits.OnesCount64(node.used&(bit-1))]; *count < math.MaxUint16 {
			*count++
			return
		}
	}
	b.put(n, sub, 1)
}

// put counts k numbers in a bucket of a slot that has its place, and changes to
// pages when the packed form cannot hold them.
func (b *histBuckets) put(n int, sub uint32, k uint64) {
	if b.pages == nil && b.putPacked(n, sub, k) {
		return
	}
	b.widen()
	b.pages[n][sub] += k
}

func (b *histBuckets) putPacked(n int, sub uint32, k uint64) bool {
	node, bit := &b.nodes[n], uint64(1)<<sub
	at := int(node.start) + bits.OnesCount64(node.used&(bit-1))
	if node.used&bit != 0 {
		if k > uint64(math.MaxUint16-b.packed[at]) {
			return false
		}
		b.packed[at] += uint16(k)
		return true
	}
	if len(b.packed) == histMaxPacked || k > math.MaxUint16 {
		return false
	}
	b.packed = slices.Insert(b.packed, at, uint16(k))
	node.used |= bit
	for i := n + 1; i < len(b.nodes); i++ {
		b.nodes[i].start++
	}
	return true
}

// place returns where the counts of a slot are, and makes room if they are new.
func (b *histBuckets) place(slot uint32) int {
	if i := slot - b.first; i < uint32(len(b.index)) {
		if n := b.index[i]; n != 0 {
			return int(n) - 1
		}
	}
	b.cover(slot)
	n := len(b.nodes)
	if b.pages != nil {
		n = len(b.pages)
		b.pages = append(b.pages, histPage{})
	} else {
		b.nodes = append(b.nodes, histNode{start: uint16(len(b.packed))})
	}
	b.index[slot-b.first] = uint16(n + 1)
	return n
}

// cover extends the index to a slot and a little further.
func (b *histBuckets) cover(slot uint32) {
	const slack = 8
	first, end := b.first, b.first+uint32(len(b.index))
	if first == end {
		first, end = slot, slot+1
	}
	if slot < first {
		first = slot - min(slot, slack)
	}
	if slot >= end {
		end = min(slot+1+slack, histSlots)
	}
	if int(end-first) == len(b.index) {
		return
	}
	index := make([]uint16, end-first)
	if len(b.index) > 0 {
		copy(index[b.first-first:], b.index)
	}
	b.first, b.index = first, index
}

// widen changes to pages; it does nothing when that has been done.
func (b *histBuckets) widen() {
	if b.pages != nil {
		return
	}
	pages := make([]histPage, len(b.nodes), len(b.nodes)+8)
	for i, node := range b.nodes {
		node.addTo(&pages[i], b.packed)
	}
	b.pages, b.nodes, b.packed = pages, nil, nil
}

// addTo adds the node's counts, which are in packed, to a page.
func (node histNode) addTo(page *histPage, packed []uint16) {
	at := int(node.start)
	for used := node.used; used != 0; used &= used - 1 {
		page[bits.TrailingZeros64(used)%histSubs] += uint64(packed[at])
		at++
	}
}

func (b *histBuckets) merge(from *histBuckets) {
	b.zeros += from.zeros
	switch {
	case len(b.index) == 0:
		b.first = from.first
		b.index, b.nodes, b.packed = slices.Clone(from.index), slices.Clone(from.nodes), slices.Clone(from.packed)
		b.pages = slices.Clone(from.pages)
		return
	case b.pages == nil && from.pages == nil && len(b.packed)+len(from.packed) <= histFewPacked:
		b.mergeFew(from)
		return
	}
	b.widen()
	for i, n := range from.index {
		if n == 0 {
			continue
		}
		into := &b.pages[b.place(from.first+uint32(i))]
		if from.pages == nil {
			from.nodes[n-1].addTo(into, from.packed)
			continue
		}
		for j, count := range &from.pages[n-1] {
			into[j] += count
		}
	}
}

func (b *histBuckets) mergeFew(from *histBuckets) {
	for i, n := range from.index {
		if n == 0 {
			continue
		}
		page := from.page(n, new(histPage))
		place := b.place(from.first + uint32(i))
		for sub, count := range page {
			if count != 0 {
				b.put(place, uint32(sub), count)
			}
		}
	}
}

// page returns the counts that an entry of the index stands for; it may use scratch.
func (b *histBuckets) page(entry uint16, scratch *histPage) *histPage {
	if b.pages != nil {
		return &b.pages[entry-1]
	}
	*scratch = histPage{}
	b.nodes[entry-1].addTo(scratch, b.packed)
	return scratch
}

// valueAt returns the middle of the bucket that holds the number of the given
// rank, 1 up to the count.
func (b *histBuckets) valueAt(rank uint64) float64 {
	var scratch histPage
	for i := len(b.index) - 1; i >= 0; i-- { // negative numbers from the greatest magnitude on
		slot, entry := b.first+uint32(i), b.index[i]
		if slot&1 != 0 || entry == 0 {
			continue
		}
		page := b.page(entry, &scratch)
		for sub := histSubs - 1; sub >= 0; sub-- {
			if rank <= page[sub] {
				return histValue(slot, uint32(sub))
			}
			rank -= page[sub]
		}
	}
	if rank <= b.zeros {
		return 0
	}
	rank -= b.zeros
	for i, entry := range b.index {
		slot := b.first + uint32(i)
		if slot&1 == 0 || entry == 0 {
			continue
		}
		for sub, count := range b.page(entry, &scratch) {
			if rank <= count {
				return histValue(slot, uint32(sub))
			}
			rank -= count
		}
	}
	return 0 // not reached: rank <= count
}
