package snapshot

import (
	"cmp"
	"slices"

	"github.com/ephemera-go/ephemera/core"
)

// A plan says what a snapshot takes over from the one before it and what it writes.
type plan struct {
	partitions []Partition // Blocks are those that are taken over, by the objects of the base
	taken      []bool      // of partitions: the snapshot holds all that is pinned, not only what the base has of it
	keys       Keys
	names      []string // of the dictionary, the last ones: those that are written
	version    uint64   // of the dictionary
	spans      []span
	postponed  int    // partitions with new events that MaxPartitions leaves for later
	events     uint64 // to be written that no snapshot has
	fresh      int    // partitions with such events
}

// A span is a run of events of a partition, or of names, to be written as blocks of at most so many.
type span struct {
	at    int // index in plan.partitions; -1: names
	first uint64
	count uint64
	block uint64
}

// planner makes plans against a base.
type planner struct {
	base    *Manifest                                   // nil: everything is new
	keys    uint64                                      // version of the dictionary that the base has
	limit   int                                         // partitions; 0: all
	block   func(partition int, first, n uint64) uint64 // how many of the n events from first on make a block
	savedAt func(partition int) uint64                  // ordinal of the snapshot that took a partition on last
}

// A block is written anew together with newer events if it has at most this share of what these have. So the small blocks
// at the end of a partition grow by half, at least, from each to the one before it, and by two thirds, at least, whenever
// they are written: both their number and how often an event is written are logarithmic.
const (
	mergeShare = 3
	mergeOf    = 2
)

// makePlan is called with cuts of the whole store.
func makePlan[E any](p planner, c *cuts[E], store *core.Store[E]) *plan {
	out := new(plan)
	for _, number := range c.numbers {
		first, next, err := c.bounds(number)
		limits, removed := store.Limits(number)
		if err != nil || removed != nil {
			continue // removed since
		}
		out.partitions = append(out.partitions, Partition{
			Number: number, First: first, Next: next,
			Capacity: limits.Capacity, MaxAge: limits.MaxAge, MaxBytes: limits.MaxBytes,
		})
	}
	out.taken = p.choose(out)
	for i := range out.partitions {
		p.partition(out, i)
	}
	p.names(out, store.Keys())
	return out
}

// choose picks the partitions that are taken on: all, or those whose new events have waited longest.
func (p planner) choose(out *plan) []bool {
	var changed []int
	for i := range out.partitions {
		x := &out.partitions[i]
		if first, next := p.saved(x); first != x.First || next != x.Next {
			changed = append(changed, i)
		}
	}
	taken := slices.Repeat([]bool{true}, len(out.partitions))
	if p.limit == 0 || len(changed) <= p.limit {
		return taken
	}
	slices.SortStableFunc(changed, func(a, b int) int {
		return cmp.Compare(p.savedAt(out.partitions[a].Number), p.savedAt(out.partitions[b].Number))
	})
	out.postponed = len(changed) - p.limit
	for _, i := range changed[p.limit:] {
		taken[i] = false
	}
	return taken
}

// saved returns which of a partition's events the base has: [first, next). It lacks the oldest ones if they left while
// SetCapacity grew the partition: its cut may have left them out, and a later one show them.
func (p planner) saved(x *Partition) (first, next uint64) {
	if p.base == nil {
		return x.First, x.First
	}
	old := p.base.partition(x.Number)
	if old == nil || old.Next-x.First > x.Next-x.First { // behind, or before First
		return x.First, x.First
	}
	begin := old.Next
	if len(old.Blocks) > 0 {
		begin = old.Blocks[0].First
	}
	if int64(begin-x.First) > 0 { // sequences may wrap around
		return begin, old.Next
	}
	return x.First, old.Next
}

// partition decides about one partition. One that is not taken on stays as the base has it.
func (p planner) partition(out *plan, i int) {
	x := &out.partitions[i]
	first, from := p.saved(x)
	switch {
	case !out.taken[i]:
		x.First, x.Next = first, from
	case first != x.First:
		from = x.First // all of it, for blocks have no gaps
	}
	if from != x.First {
		x.Blocks = kept(p.base.partition(x.Number).Blocks, x.First)
	}
	if !out.taken[i] {
		return
	}
	fresh := x.Next - from
	if fresh == 0 {
		return
	}
	out.events += fresh
	out.fresh++
	block := p.block(x.Number, from, fresh)
	for n := len(x.Blocks); n > 0; n-- {
		last := clip(x.Blocks[n-1], x.First)
		old := uint64(last.Count)
		if old*mergeOf > fresh*mergeShare || old+fresh > block {
			break
		}
		x.Blocks, fresh = x.Blocks[:n-1], old+fresh
	}
	out.spans = append(out.spans, span{i, x.Next - fresh, fresh, block})
}

// kept returns the blocks that hold an event from first on.
func kept(blocks []Block, first uint64) []Block {
	for i, b := range blocks {
		if clip(b, first).Count > 0 {
			return slices.Clone(blocks[i:])
		}
	}
	return nil
}

// clip returns what is left of a block when a partition begins at first.
func clip(b Block, first uint64) Block {
	if gone := int64(first - b.First); gone > 0 {
		gone = min(gone, int64(b.Count))
		b.First, b.Count = b.First+uint64(gone), b.Count-int(gone)
	}
	return b
}

// names decides about the dictionary, which only grows, except when it is cleared: then it is written anew.
func (p planner) names(out *plan, keys *core.Keys) {
	old := 0
	if out.version = keys.Version(); p.base != nil && out.version == p.keys {
		old = p.base.Keys.Count
		if keys.Len() == old && keys.Version() == p.keys {
			out.keys = Keys{old, slices.Clone(p.base.Keys.Blocks)}
			return
		}
	}
	all := keys.Names()
	for keys.Version() != out.version { // somebody clears it
		out.version, old = keys.Version(), 0
		all = keys.Names()
	}
	if old > 0 {
		out.keys.Blocks = slices.Clone(p.base.Keys.Blocks)
	}
	count := len(all)
	out.keys.Count = count
	fresh := uint64(count - old)
	if fresh == 0 {
		return
	}
	for n := len(out.keys.Blocks); n > 0; n-- {
		last := uint64(out.keys.Blocks[n-1].Count)
		if last*mergeOf > fresh*mergeShare || last+fresh > maxBlock {
			break
		}
		out.keys.Blocks, fresh = out.keys.Blocks[:n-1], last+fresh
	}
	out.names = all[uint64(count)-fresh:]
	out.spans = append(out.spans, span{-1, uint64(count) + 1 - fresh, fresh, maxBlock})
}

// An object of which less than this part is in use is not kept for the rest, and neither are small ones if they are many.
// So the objects of a snapshot take a bounded multiple of what is in use, and there are not many more of them than large
// ones would be.
const (
	sparseObject = 4
	smallObject  = objectBytes / 16
	smallObjects = 64
)

// compact adds to a plan the blocks that lie in objects which are not worth keeping. held tells how many events an object
// was written with; 0: unknown.
func (p planner) compact(out *plan, held func(object string) uint64) {
	if p.base == nil {
		return
	}
	leave := p.leave(out, held)
	for i := range out.partitions {
		x := &out.partitions[i]
		x.Blocks = slices.DeleteFunc(x.Blocks, func(b Block) bool {
			if !leave[b.Object] {
				return false
			}
			b = clip(b, x.First)
			out.spans = append(out.spans, span{i, b.First, uint64(b.Count), uint64(b.Count)})
			return true
		})
	}
}

// leave chooses the objects that are not worth keeping for their events.
func (p planner) leave(out *plan, held func(object string) uint64) []bool {
	used := make([]uint64, len(p.base.Objects))
	for i := range out.partitions {
		x := &out.partitions[i]
		for _, b := range x.Blocks {
			used[b.Object] += uint64(clip(b, x.First).Count)
		}
	}
	leave := make([]bool, len(used))
	var small []int
	for i, n := range used {
		switch o := &p.base.Objects[i]; {
		case n == 0:
		case n < held(o.Name)/sparseObject:
			leave[i] = true
		case o.Bytes < smallObject:
			small = append(small, i)
		}
	}
	if len(small) > smallObjects {
		for _, i := range small {
			leave[i] = true
		}
	}
	return leave
}
