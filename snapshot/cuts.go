package snapshot

import (
	"slices"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// cuts pins a store for a snapshot: a cut for each partition, or one for a few together if there are very many. So what
// has been encoded can be given back at once, and finding a partition takes no search through all of them.
type cuts[E any] struct {
	taken   time.Time // before the first of them: what was appended until then is in
	numbers []int     // of the partitions, ascending
	per     int       // partitions in a cut
	pinned  []*pinned[E]
}

// pinned is one cut. It is for one goroutine at a time.
type pinned[E any] struct {
	mu    sync.Mutex
	cut   *core.Cut[E]
	users int // jobs that need it still
}

const maxCuts = 1024 // about

// openCuts cuts all partitions, one after the other.
func openCuts[E any](store *core.Store[E]) *cuts[E] {
	c := &cuts[E]{numbers: store.PartitionNumbers()}
	c.per = 1 + len(c.numbers)/maxCuts
	for group := range slices.Chunk(c.numbers, c.per) {
		c.pinned = append(c.pinned, &pinned[E]{cut: store.Cut(group...)})
	}
	return c
}

// of returns the cut of a partition, nil for one that did not exist.
func (c *cuts[E]) of(partition int) *pinned[E] {
	i, found := slices.BinarySearch(c.numbers, partition)
	if !found {
		return nil
	}
	return c.pinned[i/c.per]
}

// holes returns how many events are left out because a writer has not published one before them.
func (c *cuts[E]) holes() (n uint64) {
	for _, p := range c.pinned {
		n += p.cut.Holes()
	}
	return n
}

// bounds returns the sequences that are pinned of a partition.
func (c *cuts[E]) bounds(partition int) (first, next uint64, err error) {
	p := c.of(partition)
	if p == nil {
		return 0, 0, core.ErrNoPartition
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut.Bounds(partition)
}

// gather appends copies of count events of a partition, and of their times of arrival if there are any.
func (c *cuts[E]) gather(partition int, first uint64, count int, events []E, arrived []int64) ([]E, []int64) {
	p := c.of(partition)
	if p == nil {
		return events, arrived
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	want := len(events) + count
	events = slices.Grow(events, count)
	for b := range p.cut.Blocks(partition, first) {
		n := min(len(b.Events), want-len(events))
		events = append(events, b.Events[:n]...)
		if b.Arrived != nil {
			arrived = append(arrived, b.Arrived[:n]...)
		}
		if len(events) == want {
			break
		}
	}
	return events, arrived
}

// need says that a job will gather from a partition.
func (c *cuts[E]) need(partition int) {
	if p := c.of(partition); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.users++
	}
}

// done says that a job has gathered all that it needs. The last one gives the memory back.
func (c *cuts[E]) done(partition int) {
	if p := c.of(partition); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.users--; p.users == 0 {
			p.cut.Close()
		}
	}
}

// closeIdle gives back what no job needs.
func (c *cuts[E]) closeIdle() {
	for _, p := range c.pinned {
		if p.users == 0 {
			p.cut.Close()
		}
	}
}

func (c *cuts[E]) close() {
	for _, p := range c.pinned {
		p.cut.Close()
	}
}
