//go:build !explore

package core_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestParity07Case20_EmptySnapshot(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 8, Partitions: 2})
	paritySame(t, "empty store", parityContent(t, s), []int{})
	_, err := s.AppendTo(1, 1)
	parityMust(t, err)
	c := s.Cut()
	defer c.Close()
	paritySame(t, "filter", parityCopy(t, c.Where(func(*int) bool { return false })), []int{})
	if v := c.Where(nil); !errors.Is(v.Err(), core.ErrArgument) {
		t.Error("nil filter:", v.Err())
	}
	parityLedger(t, s, 1)
}

// parityWhole is an event of which torn or stale parts would not fit together.
type parityWhole struct {
	Writer, N int
	Mirror    int
	Text      string
	Pointer   *int
}

func newParityWhole(writer, n int) parityWhole {
	return parityWhole{Writer: writer, N: n, Mirror: ^n, Text: strconv.Itoa(n), Pointer: &n}
}

func (e *parityWhole) check(t *testing.T) bool {
	if e.Mirror != ^e.N || e.Text != strconv.Itoa(e.N) || e.Pointer == nil || *e.Pointer != e.N {
		t.Errorf("torn event %+v", *e)
		return false
	}
	return true
}

// parityUnderWriters runs writers with each its own n events, and check again and again while they run.
func parityUnderWriters(t *testing.T, s *core.Store[parityWhole], writers, n int, check func() bool) {
	t.Helper()
	var wg sync.WaitGroup
	var running atomic.Int32
	running.Store(int32(writers))
	for w := range writers {
		wg.Go(func() {
			defer running.Add(-1)
			for i := 0; i < n; {
				var batch []parityWhole // of 1 by even writers, of up to 3 by odd ones
				for len(batch) < 1+2*(w%2) && i < n {
					batch = append(batch, newParityWhole(w, i))
					i++
				}
				var err error
				if partition := w / 2 % s.Partitions(); len(batch) == 1 {
					_, err = s.AppendTo(partition, batch[0])
				} else {
					_, err = s.AppendBatchTo(partition, batch)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for last := false; !last; {
		last = running.Load() == 0
		if !check() {
			break
		}
	}
	wg.Wait()
}

// parityCheckCut checks that a cut holds whole events at dense positions, in the order of each writer.
func parityCheckCut(t *testing.T, s *core.Store[parityWhole]) bool {
	c := s.Cut()
	defer c.Close()
	newest, before := map[int]int{}, core.Position{Partition: -1}
	for pos, e := range c.All() {
		if !e.check(t) {
			return false
		}
		if n, ok := newest[e.Writer]; ok && n >= e.N {
			t.Errorf("writer %d: %d after %d", e.Writer, e.N, n)
			return false
		}
		newest[e.Writer] = e.N
		if pos.Partition == before.Partition && pos.Sequence != before.Sequence+1 {
			t.Errorf("%v after %v", pos, before)
			return false
		}
		before = pos
	}
	return true
}

func TestParity07Case22_SnapshotUnderWriters(t *testing.T) {
	s := parityStore(t, core.Options[parityWhole]{Capacity: 512, Partitions: 2})
	parityUnderWriters(t, s, 4, 5000, func() bool { return parityCheckCut(t, s) })
	paritySame(t, "length", s.Len(), 512)
	parityLedger(t, s, 4*5000)
}

func TestParity07Case23_CopyIntoSmaller(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 10})
	parityAppend(t, s, parityRange(0, 25)...)
	c := s.Cut()
	defer c.Close()
	for _, room := range []int{0, 1, 4, 10, 12} {
		dst := make([]int, room)
		n, err := c.View().CopyTo(dst)
		parityMust(t, err)
		paritySame(t, "copied", dst[:n], parityRange(15, 15+min(room, 10)))
	}
	parityLedger(t, s, 25)
}

func TestParity07Case24_View(t *testing.T) {
	at := func(i int) parityEvent { return parityEvent{N: i, At: parityT0.Add(time.Duration(i) * time.Second)} }
	s := parityStore(t, core.Options[parityEvent]{Capacity: 8, Time: parityTime})
	parityAppend(t, s, at(0), at(1), at(2))
	c := s.Cut()
	runs := 0
	for pos, r := range c.Runs() {
		runs++
		paritySame(t, "position", pos, core.Position{})
		paritySame(t, "run", parityNumbers(r), []int{0, 1, 2})
	}
	paritySame(t, "runs", runs, 1)
	from, to, ok := c.View().Span()
	if !ok || !from.Equal(at(0).At) || !to.Equal(at(2).At) {
		t.Error("span", from, to, ok)
	}
	c.Close()
	parityLedger(t, s, 3)

	s = parityStore(t, core.Options[parityEvent]{Capacity: 5, Time: parityTime})
	for i := range 7 {
		parityAppend(t, s, at(i))
	}
	c = s.Cut()
	defer c.Close()
	paritySame(t, "last five", parityNumbers(parityCopy(t, c.View())), []int{2, 3, 4, 5, 6})
	if from, to, ok = c.View().Span(); !ok || !from.Equal(at(2).At) || !to.Equal(at(6).At) {
		t.Error("span", from, to, ok)
	}
	parityLedger(t, s, 7)
}

// There is no accessor that fails when the content wraps: content comes as slices that are contiguous by construction.
func TestParity07Case25_RunsAreContiguous(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 40})
	for i := range 300 {
		parityAppend(t, s, i)
		next := max(0, i+1-40)
		c := s.Cut()
		for pos, r := range c.Runs() {
			paritySame(t, "position", pos, core.Position{Sequence: uint64(next)})
			paritySame(t, "run", r, parityRange(next, next+len(r)))
			next += len(r)
		}
		c.Close()
		paritySame(t, "end", next, i+1)
	}
	parityLedger(t, s, 300)
}

func TestParity07Case26_TimeFilter(t *testing.T) {
	at := func(i int) time.Time { return parityT0.Add(time.Duration(i) * time.Second) }
	s := parityStore(t, core.Options[parityEvent]{Capacity: 6, Time: parityTime})
	for lap := range 40 { // 40 laps meet every border of segments
		first := 6 * lap
		for i := first; i < first+6; i++ {
			parityAppend(t, s, parityEvent{N: i, At: at(i)})
		}
		c := s.Cut()
		got := parityNumbers(parityCopy(t, c.Between(at(first+2), at(first+4))))
		paritySame(t, "inside", got, []int{first + 2, first + 3, first + 4})
		paritySame(t, "before", parityCount(t, c.Between(at(-9), at(first-1))), 0)
		paritySame(t, "after", parityCount(t, c.Between(at(first+6), at(first+9))), 0)
		paritySame(t, "open start", parityCount(t, c.Between(time.Time{}, at(first+1))), 2)
		paritySame(t, "open end", parityCount(t, c.Between(at(first+1), time.Time{})), 5)
		c.Close()
	}
	parityLedger(t, s, 240)
}

// parityShuffled returns events of which the times are in no order.
func parityShuffled(n int) []parityEvent {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	events := make([]parityEvent, n)
	for i := range events {
		events[i] = parityEvent{N: i, Value: float64(i % 100), At: parityT0.Add(time.Duration(random.IntN(1000)) * time.Second)}
	}
	return events
}

// parityInside is the plain recomputation of Between.
func parityInside(events []parityEvent, from, to time.Time) []parityEvent {
	var list []parityEvent
	for _, e := range events {
		if !e.At.Before(from) && !e.At.After(to) {
			list = append(list, e)
		}
	}
	return list
}

func TestParity07Case27_OutOfOrder(t *testing.T) {
	parityOutOfOrder(t, 3000, 700)
}

func parityOutOfOrder(t *testing.T, n, capacity int) {
	t.Helper()
	events := parityShuffled(n)
	s := parityStore(t, core.Options[parityEvent]{Capacity: capacity, Time: parityTime})
	parityAppend(t, s, events...)
	kept := parityLast(events, capacity)
	r, err := core.NewRollup(s, core.Summaries(parityValue), core.RollupOptions{Name: "v"})
	parityMust(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	c := s.Cut()
	defer c.Close()
	for range 200 {
		from := parityT0.Add(time.Duration(random.IntN(1000)) * time.Second)
		to := from.Add(time.Duration(random.IntN(300)) * time.Second)
		want, sum := parityInside(kept, from, to), 0.0
		for _, e := range want {
			sum += e.Value
		}
		v := c.Between(from, to)
		paritySame(t, "events", parityNumbers(parityCopy(t, v)), parityNumbers(want))
		paritySame(t, "count", parityCount(t, v), len(want))
		got, err := core.Summarize(v, parityValue)
		parityMust(t, err)
		answer, err := r.Query(from, to)
		parityMust(t, err)
		if got.Sum != sum || answer.Value.Sum != sum || answer.Value.Count != uint64(len(want)) || !answer.Exact() {
			t.Fatalf("from %v to %v: %+v and %+v, want %d and %v", from, to, got, answer, len(want), sum)
		}
	}
	parityLedger(t, s, n)
}

func TestParity07Case28_BoundsNeedTime(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 10})
	parityAppend(t, s, parityEvent{Value: 1}, parityEvent{Value: 2})
	c := s.Cut()
	defer c.Close()
	for _, v := range []core.View[parityEvent]{
		c.Between(parityT0, parityT0), c.Between(parityT0, time.Time{}), c.Between(time.Time{}, parityT0), c.Within(time.Hour),
	} {
		if _, err := core.Sum(v, parityValue); !errors.Is(err, core.ErrNoTime) {
			t.Error(err)
		}
	}
	sum, err := core.Sum(c.View(), parityValue)
	parityMust(t, err)
	paritySame(t, "sum", sum, 3)
	parityLedger(t, s, 2)
}
