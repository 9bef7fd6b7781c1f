package snapshot

import (
	"cmp"
	"slices"

	"github.com/ephemera-go/ephemera/core"
)

// A plan says what a snapshot takes over from the one before it and what it writes.
type plan struct {
	partitions []Partition // Blocks are those that are taken over, by the objects of the base
	keys       Keys
	names      []string // of the dictionary, those that are written
	ranges     []span
	postponed  int    // partitions with new events that MaxPending leaves for later
	events     uint64 // to be written that no snapshot has
}

// A span is a run of new events of a partition, or of new names, to be written as blocks.
type span struct {
	at    int // index in plan.partitions; -1: names
	first uint64
	count uint64
}

// planner makes plans against a base.
type planner struct {
	base    *Manifest                  // nil: everything is new
	block   uint64                     // events per block
	renamed bool                       // the dictionary was cleared since
	limit   int                        // partitions; 0: all
	savedAt func(partition int) uint64 // ordinal of the snapshot that took a partition on last
}

// makePlan is called with a cut of the whole store, and resolves all of it.
func makePlan[E any](p planner, cut *core.Cut[E], store *core.Store[E]) (*plan, error) {
	out := new(plan)
	for _, number := range cut.Partitions() {
		first, next, err := cut.Bounds(number)
		if err != nil {
			return nil, err
		}
		limits, err := store.Limits(number)
		if err != nil {
			continue // removed since the cut was opened
		}
		out.partitions = append(out.partitions, Partition{
			Number: number, First: first, Next: next,
			Capacity: limits.Capacity, MaxAge: limits.MaxAge, MaxBytes: limits.MaxBytes,
		})
	}
	chosen := p.choose(out)
	for i := range out.partitions {
		p.partition(out, i, chosen == nil || chosen[i])
	}
	p.names(out, store.Keys())
	return out, nil
}

// choose picks the partitions with new events that were saved longest ago. nil: all.
func (p planner) choose(out *plan) map[int]bool {
	if p.limit == 0 {
		return nil
	}
	var changed []int
	for i := range out.partitions {
		if x := &out.partitions[i]; p.saved(x) != x.Next {
			changed = append(changed, i)
		}
	}
	if len(changed) <= p.limit {
		return nil
	}
	slices.SortStableFunc(changed, func(a, b int) int {
		return cmp.Compare(p.savedAt(out.partitions[a].Number), p.savedAt(out.partitions[b].Number))
	})
	out.postponed = len(changed) - p.limit
	chosen := map[int]bool{}
	for _, i := range changed[:p.limit] {
		chosen[i] = true
	}
	return chosen
}

// saved returns up to where the base has a partition's events; First if it has none of those that are there.
func (p planner) saved(x *Partition) uint64 {
	if p.base == nil {
		return x.First
	}
	old := p.base.partition(x.Number)
	if old == nil || old.Next-x.First > x.Next-x.First { // behind, or before First
		return x.First
	}
	return old.Next
}

// partition decides about one partition. One that is not chosen stays as the base has it.
func (p planner) partition(out *plan, i int, chosen bool) {
	x := &out.partitions[i]
	from := p.saved(x)
	if p.base != nil && from != x.First {
		x.Blocks = p.kept(p.base.partition(x.Number).Blocks, x.First)
	}
	if !chosen {
		x.Next = from
		return
	}
	fresh := x.Next - from
	out.events += fresh
	if fresh == 0 {
		return
	}
	for n := len(x.Blocks); n > 0; n-- { // small blocks are written anew with what follows
		last := x.Blocks[n-1]
		begin := last.First
		if x.First-begin < uint64(last.Count) {
			begin = x.First // the rest of it has left the store
		}
		if uint64(last.Count) > fresh || x.Next-begin > p.block {
			break
		}
		x.Blocks, fresh = x.Blocks[:n-1], x.Next-begin
	}
	out.ranges = append(out.ranges, span{i, x.Next - fresh, fresh})
}

// kept returns the blocks that hold an event from first on.
func (p planner) kept(blocks []Block, first uint64) []Block {
	for i, b := range blocks {
		// It ends behind first if first lies in it, or it begins behind first.
		if first-b.First < uint64(b.Count) || int64(b.First-first) >= 0 {
			return slices.Clone(blocks[i:])
		}
	}
	return nil
}

// names decides about the dictionary, which only grows, except when it is cleared: then it is written anew.
func (p planner) names(out *plan, keys *core.Keys) {
	old := 0
	if p.base != nil && !p.renamed {
		old = p.base.Keys.Count
		out.keys.Blocks = slices.Clone(p.base.Keys.Blocks)
	}
	if out.keys.Count = old; keys.Len() == old {
		return
	}
	all := keys.Names() // of one moment, whoever clears the dictionary
	if len(all) < old { // it was cleared just now; the next snapshot will know
		return
	}
	count := len(all)
	out.keys.Count = count
	fresh := uint64(count - old)
	for n := len(out.keys.Blocks); n > 0; n-- {
		last := out.keys.Blocks[n-1]
		if merged := uint64(last.Count) + fresh; uint64(last.Count) <= fresh && merged <= maxBlock {
			out.keys.Blocks, fresh = out.keys.Blocks[:n-1], merged
			continue
		}
		break
	}
	out.names = all[uint64(count)-fresh:]
	out.ranges = append(out.ranges, span{-1, uint64(count) + 1 - fresh, fresh})
}
