//go:build !explore

package core_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

// The defects are numbered as in docs/parity.md.

func TestDefectD01_ReadsAfterTheFirstOverwrite(t *testing.T) {
	for capacity := 1; capacity <= 17; capacity++ {
		s := parityStore(t, core.Options[int]{Capacity: capacity})
		for i := range 4 * capacity {
			parityAppend(t, s, i)
			want := parityRange(max(0, i+1-capacity), i+1)
			c := s.Cut()
			paritySame(t, "copy", parityCopy(t, c.View()), want)
			paritySame(t, "filtered copy", parityCopy(t, c.Where(func(e *int) bool { return *e >= 0 })), want)
			paritySame(t, "count", parityCount(t, c.View()), len(want))
			_, first, ok := c.View().First()
			if !ok || *first != want[0] {
				t.Fatal("first", first, ok)
			}
			sum, err := core.Sum(c.View(), func(e *int) int { return *e })
			parityMust(t, err)
			paritySame(t, "sum", sum, (want[0]+i)*len(want)/2)
			c.Close()
		}
		parityLedger(t, s, 4*capacity)
	}
}

func TestDefectD02_NothingBeyondOneChunkIsLost(t *testing.T) {
	const n = 10_000
	s := parityStore(t, core.Options[parityEvent]{Capacity: n, Time: parityTime})
	for i := range n {
		parityAppend(t, s, parityEvent{N: i, Value: 1, At: parityT0})
	}
	c := s.Cut()
	defer c.Close()
	for _, size := range []int{1, 16, 4096, n + 1} {
		seen := 0
		parityMust(t, c.View().EachChunk(size, func(chunk []parityEvent) bool {
			seen += len(chunk)
			return true
		}))
		paritySame(t, "in chunks of "+strconv.Itoa(size), seen, n)
	}
	a, err := core.Summarize(c.View(), parityValue)
	parityMust(t, err)
	paritySame(t, "sum", a.Sum, n)
	groups, err := core.GroupBy(c.View(), func(*parityEvent) int { return 0 }, func() int { return 0 },
		func(n *int, _ *parityEvent) { *n++ })
	parityMust(t, err)
	paritySame(t, "group", groups[0], n)
	parityMust(t, s.Purge(parityT0)) // keeps them all
	paritySame(t, "after a purge", s.Len(), n)
	parityLedger(t, s, n)
}

func TestDefectD03_OnDiscardGetsWhatLeft(t *testing.T) {
	var d parityDiscards
	s := parityStore(t, core.Options[int]{Capacity: 30, OnDiscard: d.add})
	for i := range 500 {
		parityAppend(t, s, i)
		if i%37 == 0 {
			paritySync(t, s)
		}
	}
	parityLedger(t, s, 500)
	d.check(t, parityRange(0, 470))
}

func TestDefectD04_SequencesNeverStartAgain(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 10})
	parityAppend(t, s, parityRange(0, 25)...)
	parityMust(t, s.Clear())
	next, err := s.Next(0)
	parityMust(t, err)
	paritySame(t, "next after Clear", next, 25)
	pos, err := s.Append(1)
	parityMust(t, err)
	paritySame(t, "position after Clear", pos.Sequence, 25)
	parityLedger(t, s, 26)

	again := parityStore(t, core.Options[int]{Capacity: 10, StartAt: []uint64{26}})
	pos, err = again.Append(2)
	parityMust(t, err)
	paritySame(t, "position after a restart", pos.Sequence, 26)
	if s.Epoch() == again.Epoch() || again.Epoch().IsZero() {
		t.Error("two incarnations of one epoch")
	}
	parityLedger(t, again, 1)
}

func TestDefectD10_NoTornOrStaleEvents(t *testing.T) {
	for _, capacity := range []int{1, 8, 100} { // a ring that writers lap all the time
		s := parityStore(t, core.Options[parityWhole]{Capacity: capacity})
		parityUnderWriters(t, s, 3, 4000, func() bool { return parityCheckCut(t, s) })
		parityLedger(t, s, 3*4000)
	}
}

func TestDefectD13_OverwritesUnderContention(t *testing.T) {
	const writers, each, capacity = 4, 5000, 64
	var mu sync.Mutex
	var next uint64 // of the discards
	byWriter := [writers]int{}
	s := parityStore(t, core.Options[parityWhole]{Capacity: capacity, OnDiscard: func(pos core.Position, e *parityWhole) {
		mu.Lock()
		defer mu.Unlock()
		if pos.Sequence != next || e.N < byWriter[e.Writer] || !e.check(t) {
			t.Errorf("discarded %v %+v, expected sequence %d", pos, *e, next)
		}
		next = pos.Sequence + 1
		byWriter[e.Writer] = e.N + 1
	}})
	parityUnderWriters(t, s, writers, each, func() bool {
		n := s.Len()
		return n <= capacity
	})
	l := parityLedger(t, s, writers*each)
	paritySame(t, "discarded", l.Discarded, writers*each-capacity)
	mu.Lock()
	defer mu.Unlock()
	paritySame(t, "told", next, writers*each-capacity)
	if !parityCheckCut(t, s) {
		t.Error("order broken")
	}
}

func TestDefectD14_ClearRacingAppends(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 50})
	appended := 0
	for range 200 {
		var wg sync.WaitGroup
		wg.Go(func() { parityAppendUnchecked(t, s, 100) })
		parityMust(t, s.Clear())
		wg.Wait()
		parityAppend(t, s, parityRange(1000, 1010)...)
		appended += 110
		content := parityContent(t, s)
		paritySame(t, "newest", parityLast(content, 10), parityRange(1000, 1010))
	}
	l := parityLedger(t, s, appended)
	paritySame(t, "full account", l.Visible+l.Cleared+l.Discarded, uint64(appended))
}

// parityAppendUnchecked is for other goroutines than the test's own.
func parityAppendUnchecked(t *testing.T, s *core.Store[int], n int) {
	for i := range n {
		if _, err := s.Append(i); err != nil {
			t.Error(err)
		}
	}
}

func TestDefectD15_CapturesAreStable(t *testing.T) {
	for _, capacity := range []int{1, 7, 64, 300} {
		parityStableCapture(t, capacity, 3)
	}
}

func TestDefectD18_PurgeOfMany(t *testing.T) {
	parityPurgeMany(t, 40_000)
}
