package filestore

import (
	"iter"
	"math/rand/v2"
	"slices"
)

// How much of an operation that was not synced a power cut leaves.
const (
	leaveNone   = iota
	leaveAll    // of a name or truncation: it happened
	leaveFront  // of a write: the first half; the file ends there
	leaveBack   // the second half; zeros before it
	leaveZeros  // the file has grown, but holds zeros there
	leaveMost   // all but the last byte
	leaveChoice // number of choices for a write
)

// mostStates bounds what is tried for one moment; beyond it states are drawn at random, with a fixed seed.
const mostStates = 120

// states yields every state, or many, that a power cut after the first n operations may leave.
func (c *crashFS) states(n int) iter.Seq[*crashFS] {
	pending := c.pending(n)
	return func(yield func(*crashFS) bool) {
		total := 1
		for _, i := range pending {
			total = min(total*c.choices(i), mostStates+1)
		}
		if total <= mostStates {
			for code := range total {
				if !yield(c.after(n, pending, func(i int) int {
					choice := code % c.choices(i)
					code /= c.choices(i)
					return choice
				})) {
					return
				}
			}
			return
		}
		random := rand.New(rand.NewPCG(1, uint64(n)))
		for k := range mostStates {
			if !yield(c.after(n, pending, func(i int) int {
				if k < leaveChoice {
					return min(k, c.choices(i)-1) // all alike: nothing, everything, all halves …
				}
				return random.IntN(c.choices(i))
			})) {
				return
			}
		}
	}
}

func (c *crashFS) choices(i int) int {
	if c.ops[i].kind == "write" {
		return leaveChoice
	}
	return 2
}

// pending returns the operations before n that nothing has made durable.
func (c *crashFS) pending(n int) (list []int) {
	for i, op := range c.ops[:n] {
		durable := true
		switch op.kind {
		case "name", "rename", "unlink":
			durable = slices.ContainsFunc(c.ops[i:n], func(o fsOp) bool { return o.kind == "syncdir" && o.dir == op.dir })
		case "write", "truncate":
			durable = c.fate(i, n) != "pending"
		}
		if !durable {
			list = append(list, i)
		}
	}
	return list
}

// fate returns what the first sync after a write did to it.
func (c *crashFS) fate(i, n int) string {
	for _, o := range c.ops[i:n] {
		if o.node == c.ops[i].node && (o.kind == "sync" || o.kind == "badsync") {
			return o.kind
		}
	}
	return "pending"
}

// after builds the state in which choose says how much is left of each pending operation.
func (c *crashFS) after(n int, pending []int, choose func(i int) int) *crashFS {
	s := &crashFS{nodes: copyNodes(c.base)}
	for _, n := range c.nodes[len(c.base):] {
		empty := &node{}
		if n.names != nil {
			empty.names = make(map[string]int)
		}
		s.nodes = append(s.nodes, empty)
	}
	for i, op := range c.ops[:n] {
		choice := leaveAll
		if slices.Contains(pending, i) {
			choice = choose(i)
		} else if (op.kind == "write" || op.kind == "truncate") && c.fate(i, n) == "badsync" {
			choice = leaveNone
		}
		if choice != leaveNone {
			s.leave(op, choice)
		}
	}
	return startFrom(s.nodes)
}

// leave applies as much of an operation as choice says.
func (c *crashFS) leave(op fsOp, choice int) {
	half := len(op.data) / 2
	switch op.kind {
	case "name":
		c.nodes[op.dir].names[op.name] = op.node
	case "rename":
		if c.nodes[op.dir].names[op.from] == op.node {
			delete(c.nodes[op.dir].names, op.from)
		}
		c.nodes[op.dir].names[op.name] = op.node
	case "unlink":
		delete(c.nodes[op.dir].names, op.name)
	case "truncate":
		c.nodes[op.node].resize(op.offset)
	case "write":
		switch choice {
		case leaveAll:
			c.nodes[op.node].write(op.data, op.offset)
		case leaveFront:
			c.nodes[op.node].write(op.data[:half], op.offset)
		case leaveBack:
			c.nodes[op.node].write(op.data[half:], op.offset+int64(half))
		case leaveMost:
			c.nodes[op.node].write(op.data[:len(op.data)-1], op.offset)
		case leaveZeros:
			c.nodes[op.node].resize(max(int64(len(c.nodes[op.node].data)), op.offset+int64(len(op.data))))
		}
	}
}
