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
type history struct {
	nodes     []node
	inherited []node // from an earlier incarnation: older than every offset, which theirs say nothing about
}

// all returns what there is; h may be nil.
func (h *history) all() (inherited, nodes []node) {
	if h == nil {
		return nil, nil
	}
	return h.inherited, h.nodes
}

// kept returns the partition's history, to add to it. The account is locked.
func (p *partition[E]) kept() *history {
	if p.history == nil {
		p.history = new(history)
	}
	return p.history
}

// add returns how many events it lost because a Merge panicked.
func (h *history) add(n node, folders []folder) (lost uint64) {
	if len(h.nodes) >= historyNodes {
		lost = h.compact(folders)
	}
	h.nodes = append(h.nodes, n)
	return lost
}

// expire drops what left before the given moment.
func (h *history) expire(before time.Time) {
	h.nodes = expired(h.nodes, before)
	h.inherited = expired(h.inherited, before)
}

func expired(nodes []node, before time.Time) []node {
	n := 0
	for n < len(nodes) && nodes[n].left.Before(before) {
		n++
	}
	if n == 0 {
		return nodes
	}
	return append([]node(nil), nodes[n:]...)
}

// compact returns how many events it lost because a Merge panicked.
func (h *history) compact(folders []folder) (lost uint64) {
	half := len(h.nodes) / 2 &^ 1
	kept := h.nodes[:0:0]
	for i := 0; i < half; i += 2 {
		a, b := h.nodes[i], h.nodes[i+1]
		if len(a.values) != len(b.values) { // a rollup was registered in between
			kept = append(kept, a, b)
		} else if n, ok := join(a, b, folders); ok {
			kept = append(kept, n)
		} else {
			lost += a.count + b.count
		}
	}
	h.nodes = append(kept, h.nodes[half:]...)
	return lost
}

// join merges two neighbours; digests are shared with readers, so the result is new. Not ok if a Merge panicked.
func join(a, b node, folders []folder) (n node, ok bool) {
	defer func() { ok = recover() == nil }()
	d := &digest{count: a.count + b.count, span: a.span, bytes: a.bytes + b.bytes}
	d.span.merge(b.span)
	for k := range a.values {
		d.values = append(d.values, merged(folders[k], a.values[k], b.values[k]))
	}
	return node{a.base, b.end, d, b.left}, true
}

// merged keeps it if a fold failed or is absent on one side.
func merged(f folder, x, y any) any {
	if x == (failed{}) || y == (failed{}) {
		return failed{}
	}
	if x == nil && y == nil {
		return nil
	}
	return f.merge(x, y)
}

// value returns the fold of rollup k, or nil if the segment left before the rollup was registered.
func value(d *digest, k int) any {
	if k < len(d.values) {
		return d.values[k]
	}
	return nil
}
