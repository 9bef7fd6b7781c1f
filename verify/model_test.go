package verify

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A node is a state of the log: its newest event and all before it. Nodes are shared and never change.
type node struct {
	before *node
	event  uint64
	length uint64
	hash   uint64 // of all events, in order
}

func (n *node) add(events []uint64) *node {
	for _, e := range events {
		n = &node{n, e, n.length + 1, mix(n.hash*31 + e)}
	}
	return n
}

// model is an append-only log whose version is its length, and of which the newest events can be read.
func model(h history) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return &node{} },
		Equal: func(a, b any) bool { return a.(*node).length == b.(*node).length && a.(*node).hash == b.(*node).hash },
		Step: func(state, in, out any) (bool, any) {
			return h.step(state.(*node), in.(input), out.(output))
		},
	}
}

func (h history) step(n *node, in input, out output) (bool, *node) {
	next := h.start + n.length
	switch in.kind {
	case appendOne, appendBatch:
		return out.ok && out.at == next, n.add(in.events)
	case appendIf:
		if (in.expected == next) != out.ok || out.at != next {
			return false, n
		}
		if out.ok {
			return true, n.add(in.events)
		}
		return true, n
	case readAll:
		return h.shows(n, out), n
	}
	return out.at == next, n
}

// shows reports whether a read fits state n: it starts at the oldest event within the capacity, and it ends at the
// newest one or leaves out as many positions as it says.
func (h history) shows(n *node, out output) bool {
	oldest := n.length - min(n.length, h.capacity)
	if out.at != h.start+oldest || oldest+uint64(len(out.seen))+out.holes != n.length {
		return false
	}
	for range out.holes {
		n = n.before
	}
	for i := len(out.seen) - 1; i >= 0; i-- {
		if n.event != out.seen[i] {
			return false
		}
		n = n.before
	}
	return true
}

// visible checks what the model leaves open: an event may be missing from a read only while a writer is at it. So the
// first position that a read left out belongs to an append that returned after the read was called.
func visible(h history) error {
	returned := map[uint64]int64{} // by position
	for _, o := range h.ops {
		in, out := o.Input.(input), o.Output.(output)
		for i := range in.events {
			if out.ok {
				returned[out.at+uint64(i)] = o.Return
			}
		}
	}
	for _, o := range h.ops {
		out := o.Output.(output)
		if out.holes == 0 {
			continue
		}
		missing := out.at + uint64(len(out.seen))
		back, known := returned[missing]
		if !known || back < o.Call {
			return fmt.Errorf("a read called at %d misses position %d, whose append returned at %d", o.Call, missing, back)
		}
	}
	return nil
}
