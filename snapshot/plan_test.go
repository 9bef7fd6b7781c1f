package snapshot

import (
	"iter"
	"math"
	"math/rand/v2"
	"testing"
)

// growing is one partition whose snapshots are planned one after the other, and written by nobody.
type growing struct {
	planner
	capacity, limit uint64
	appended        uint64
	written         uint64
	most            int // blocks
}

func newGrowing(start, capacity, block uint64) *growing {
	g := &growing{capacity: capacity, limit: block}
	g.block = func(int, uint64, uint64) uint64 { return block }
	g.base = &Manifest{Partitions: []Partition{{First: start, Next: start}}}
	return g
}

// save plans the snapshot behind n more events.
func (g *growing) save(t *testing.T, n uint64) {
	t.Helper()
	x := g.base.Partitions[0]
	x.Blocks = nil
	g.appended += n
	x.Next += n
	if held := x.Next - x.First; held > g.capacity {
		x.First += held - g.capacity
	}
	out := &plan{partitions: []Partition{x}, taken: []bool{true}}
	g.partition(out, 0)
	x = out.partitions[0]
	for _, s := range out.spans {
		g.written += s.count
		for s.count > 0 {
			k := min(s.count, s.block)
			x.Blocks = append(x.Blocks, Block{First: s.first, Count: int(k)})
			s.first, s.count = s.first+k, s.count-k
		}
	}
	tiled(t, &x)
	g.most = max(g.most, len(x.Blocks))
	g.base = &Manifest{Partitions: []Partition{x}}
}

// tiled wants blocks that cover a partition's events without gap or overlap; the first may begin before them.
func tiled(t *testing.T, p *Partition) {
	t.Helper()
	at := p.First
	for i, b := range p.Blocks {
		switch {
		case b.Count < 1:
			t.Fatalf("partition %d: block %d is empty", p.Number, i)
		case i == 0 && p.First-b.First >= uint64(b.Count):
			t.Fatalf("partition %d: the first block [%d, +%d) ends before %d", p.Number, b.First, b.Count, p.First)
		case i > 0 && b.First != at:
			t.Fatalf("partition %d: block %d begins at %d instead of %d", p.Number, i, b.First, at)
		}
		at = b.First + uint64(b.Count)
	}
	if at != p.Next {
		t.Fatalf("partition %d: blocks reach to %d instead of %d", p.Number, at, p.Next)
	}
}

// check wants a number of blocks that is logarithmic, but for full ones, of which any two neighbours are more than one; and
// that each event was written a logarithmic number of times.
func (g *growing) check(t *testing.T) {
	t.Helper()
	small, full := min(g.limit, g.capacity), float64(g.capacity)/float64(g.limit)
	if most := 3 + math.Log(float64(small))/math.Log(1.5) + 2*full; float64(g.most) > most {
		t.Errorf("%d blocks; at most %.1f", g.most, most)
	}
	if times := float64(g.written) / float64(g.appended); times > 2+math.Log(float64(small))/math.Log(5./3) {
		t.Errorf("each event was written %.1f times", times)
	}
}

func TestBlocksAreFewAndSeldomRewritten(t *testing.T) {
	const block = 1 << 12
	patterns := map[string]iter.Seq[uint64]{
		"one by one": func(yield func(uint64) bool) { repeat(20_000, func(int) uint64 { return 1 }, yield) },
		"equal":      func(yield func(uint64) bool) { repeat(3000, func(int) uint64 { return 37 }, yield) },
		"above half": func(yield func(uint64) bool) { repeat(100, func(int) uint64 { return block/2 + 1 }, yield) },
		"large":      func(yield func(uint64) bool) { repeat(50, func(int) uint64 { return 3*block + 1 }, yield) },
		"falling":    func(yield func(uint64) bool) { repeat(4000, func(i int) uint64 { return uint64(90 - i%90) }, yield) },
		"just below": func(yield func(uint64) bool) {
			n := 2000.
			repeat(3000, func(int) uint64 {
				if n = n * 2 / 3; n < 1 {
					n = 2000
				}
				return uint64(n)
			}, yield)
		},
		"random": func(yield func(uint64) bool) {
			r := rand.New(rand.NewPCG(1, 2))
			repeat(3000, func(int) uint64 { return 1 + uint64(math.Exp(8*r.Float64())) }, yield)
		},
	}
	for name, sizes := range patterns {
		t.Run(name, func(t *testing.T) {
			for _, capacity := range []uint64{10, 1000, 5 * block, 1 << 40} {
				for _, start := range []uint64{0, math.MaxUint64 - 10_000} { // sequences may wrap around
					g := newGrowing(start, capacity, block)
					for n := range sizes {
						g.save(t, n)
					}
					if capacity == 1<<40 {
						g.capacity = g.appended
					}
					g.check(t)
					t.Logf("capacity %d: at most %d blocks, each event written %.2f times", capacity, g.most, float64(g.written)/float64(g.appended))
				}
			}
		})
	}
}

func repeat(n int, next func(i int) uint64, yield func(uint64) bool) {
	for i := range n {
		if !yield(next(i)) {
			return
		}
	}
}

// TestEventsThatCameBack: a cut that was opened while SetCapacity grew a partition has left out its oldest events, and the next
// one shows them.
func TestEventsThatCameBack(t *testing.T) {
	for _, start := range []uint64{0, math.MaxUint64 - 105} {
		for _, old := range []Partition{
			{First: start + 100, Next: start + 110, Blocks: []Block{{First: start + 100, Count: 10}}},
			{First: start + 100, Next: start + 100},
		} {
			g := newGrowing(start, 1<<40, 1000)
			g.base = &Manifest{Partitions: []Partition{old}}
			now := Partition{First: start + 90, Next: start + 120}
			later := &plan{partitions: []Partition{now}, taken: []bool{false}}
			g.partition(later, 0)
			tiled(t, &later.partitions[0])
			if x := later.partitions[0]; x.First != old.First || x.Next != old.Next || len(later.spans) > 0 {
				t.Errorf("not taken on: [%d, %d) and %d spans", x.First-start, x.Next-start, len(later.spans))
			}
			taken := &plan{partitions: []Partition{now}, taken: []bool{true}}
			g.partition(taken, 0)
			if x := taken.partitions[0]; len(x.Blocks) > 0 || len(taken.spans) != 1 || taken.spans[0].first != start+90 || taken.spans[0].count != 30 {
				t.Errorf("taken on: %+v, %+v", x, taken.spans)
			}
		}
	}
}

// TestPlannedBytes is the promise that a snapshot behind few new events writes little more than these.
func TestPlannedBytes(t *testing.T) {
	worst := 0.
	for first := uint64(50_000); first < 200_000; first += 777 {
		g := newGrowing(0, 1<<40, maxBlock)
		g.save(t, first)
		g.written = 0
		g.save(t, first/100)
		worst = max(worst, float64(g.written)/float64(first))
	}
	t.Logf("behind 1 %% of new events, %.2f %% are written at most", 100*worst)
	if worst > 0.026 {
		t.Errorf("%.2f %% were written", 100*worst)
	}
}

// TestChoiceIsFair lets all partitions have new events all the time.
func TestChoiceIsFair(t *testing.T) {
	const partitions, limit = 10, 3
	under := make([]uint64, partitions)
	p := planner{limit: limit, savedAt: func(i int) uint64 { return under[i] }}
	for ordinal := uint64(1); ordinal <= 100; ordinal++ {
		out := new(plan)
		for i := range partitions {
			out.partitions = append(out.partitions, Partition{Number: i, First: 0, Next: ordinal})
		}
		n := 0
		for i, taken := range p.choose(out) {
			if taken {
				under[i] = ordinal
				n++
			}
			if ordinal-under[i] > (partitions+limit-1)/limit {
				t.Fatalf("snapshot %d: partition %d was taken on last by %d", ordinal, i, under[i])
			}
		}
		if n != limit || out.postponed != partitions-limit {
			t.Fatalf("snapshot %d takes %d partitions on and postpones %d", ordinal, n, out.postponed)
		}
	}
}
