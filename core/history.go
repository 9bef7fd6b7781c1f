package core

import "time"

// A node is the fold of settled offsets [base, end) of one partition. Only rollups with a retention need it.
type node struct {
	base, end uint64
	*digest
	left time.Time // when its events had left
}

// historyNodes bounds the memory of a partition's history. Beyond it the older half is merged pairwise: totals stay
// exact, the time resolution of old answers halves.
const historyNodes = 4096

// history keeps the folds of segments that are gone, oldest first.
type history struct{ nodes []node }

func (h *history) add(n node, folders []folder) {
	if len(h.nodes) >= historyNodes {
		h.compact(folders)
	}
	h.nodes = append(h.nodes, n)
}

// expire drops what left before the given moment.
func (h *history) expire(before time.Time) {
	n := 0
	for n < len(h.nodes) && h.nodes[n].left.Before(before) {
		n++
	}
	if n > 0 {
		h.nodes = append([]node(nil), h.nodes[n:]...)
	}
}

func (h *history) compact(folders []folder) {
	half := len(h.nodes) / 2 &^ 1
	kept := h.nodes[:0:0]
	for i := 0; i < half; i += 2 {
		kept = append(kept, join(h.nodes[i], h.nodes[i+1], folders))
	}
	h.nodes = append(kept, h.nodes[half:]...)
}

// join merges two neighbours; digests are shared with readers, so the result is new.
func join(a, b node, folders []folder) node {
	d := &digest{count: a.count + b.count, span: a.span, bytes: a.bytes + b.bytes}
	d.span.merge(b.span)
	n := max(len(a.values), len(b.values))
	for k := range n {
		d.values = append(d.values, folders[k].merge(value(a.digest, k), value(b.digest, k)))
	}
	return node{a.base, b.end, d, b.left}
}

// value returns the fold of rollup k, or nil if the segment left before the rollup was registered.
func value(d *digest, k int) any {
	if k < len(d.values) {
		return d.values[k]
	}
	return nil
}
