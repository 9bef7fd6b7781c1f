//go:build !explore

package core_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

// parityDiscards collects what OnDiscard is told.
type parityDiscards struct {
	mu        sync.Mutex
	positions []core.Position
	events    []int
}

func (d *parityDiscards) add(pos core.Position, e *int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.positions = append(d.positions, pos)
	d.events = append(d.events, *e)
}

// check compares with events 0, 1, … of one partition at positions 0, 1, ….
func (d *parityDiscards) check(t *testing.T, want []int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	paritySame(t, "discarded", append([]int{}, d.events...), want)
	for i, pos := range d.positions {
		paritySame(t, "position of a discard", pos, core.Position{Sequence: uint64(i)})
	}
}

func TestParity07Case06_DiscardsTheOldest(t *testing.T) {
	var d parityDiscards
	s := parityStore(t, core.Options[int]{Capacity: 3, OnDiscard: d.add})
	parityAppend(t, s, 1, 2, 3, 4, 5)
	paritySame(t, "content", parityContent(t, s), []int{3, 4, 5})
	paritySync(t, s)
	d.check(t, []int{1, 2})
	paritySync(t, s)
	d.check(t, []int{1, 2})
	l := parityLedger(t, s, 5)
	paritySame(t, "discarded", l.Discarded, 2)
}

func TestParity07Case07_BatchOverTheEnd(t *testing.T) {
	var d parityDiscards
	s := parityStore(t, core.Options[int]{Capacity: 5, OnDiscard: d.add})
	parityAppend(t, s, 1, 2, 3)
	b, err := s.AppendBatch([]int{4, 5, 6, 7})
	parityMust(t, err)
	paritySame(t, "appended", b.Appended(), 4)
	paritySame(t, "content", parityContent(t, s), []int{3, 4, 5, 6, 7})
	l := parityLedger(t, s, 7)
	d.check(t, []int{1, 2})
	paritySame(t, "discarded", l.Discarded, 2)
}

func TestParity07Case08_BatchLargerThanCapacity(t *testing.T) {
	for _, n := range []int{11, 64, 1024, 1025, 5000} {
		var d parityDiscards
		s := parityStore(t, core.Options[int]{Capacity: 10, OnDiscard: d.add})
		b, err := s.AppendBatch(parityRange(0, n))
		parityMust(t, err)
		paritySame(t, "appended", b.Appended(), n)
		paritySame(t, "content", parityContent(t, s), parityRange(n-10, n))
		parityLedger(t, s, n)
		d.check(t, parityRange(0, n-10))
	}
}

func TestParity07Case09_AppendAll(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 3})
	b, err := s.AppendBatchTo(0, []int{1, 2, 3, 4, 5})
	parityMust(t, err)
	paritySame(t, "appended", b.Appended(), 5)
	paritySame(t, "length", s.Len(), 3)
	paritySame(t, "content", parityContent(t, s), []int{3, 4, 5})
	parityLedger(t, s, 5)
}

func TestParity07Case10_EmptyBatch(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 3})
	parityAppend(t, s, 1)
	before := s.Ledger()
	for _, list := range [][]int{nil, {}} {
		b, err := s.AppendBatch(list)
		parityMust(t, err)
		paritySame(t, "appended", b.Appended(), 0)
		for r := range b.Runs() {
			t.Fatal("a run of nothing:", r)
		}
		b, err = s.AppendBatchTo(0, list)
		parityMust(t, err)
		paritySame(t, "appended", b.Appended(), 0)
	}
	paritySame(t, "ledger", s.Ledger().Appended, before.Appended)
	paritySame(t, "content", parityContent(t, s), []int{1})
	parityLedger(t, s, 1)
}

func TestParity07Case11_BatchLandsWhereSinglesDo(t *testing.T) {
	o := core.Options[parityEvent]{Capacity: 400, Partitions: 4, Key: parityKey}
	one, many := parityStore(t, o), parityStore(t, o)
	var events []parityEvent
	for i := range 80 {
		events = append(events, parityEvent{Key: "k" + strconv.Itoa(i%11), N: i})
	}
	parityAppend(t, one, events...)
	b, err := many.AppendBatch(events)
	parityMust(t, err)
	paritySame(t, "appended", b.Appended(), 80)
	used := 0
	for p := range 4 {
		want := parityContent(t, one, p)
		paritySame(t, fmt.Sprint("partition ", p), parityContent(t, many, p), want)
		used += min(1, len(want))
	}
	if used < 2 {
		t.Fatal("the keys do not tell partitions apart")
	}
	parityLedger(t, one, 80)
	parityLedger(t, many, 80)
}

func TestParity07Case12_PairBatch(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 40, Partitions: 4, Key: parityKey, MaxKeys: 10})
	b, err := s.AppendBatch([]parityEvent{{Key: "a", N: 1}, {Key: "b", N: 2}, {Key: "a", N: 3}, {Key: "b", N: 4}})
	parityMust(t, err)
	paritySame(t, "appended", b.Appended(), 4)
	paritySame(t, "keys", s.Keys().Names(), []string{"a", "b"})
	c := s.Cut()
	defer c.Close()
	paritySame(t, "a", parityNumbers(parityCopy(t, c.Key("a"))), []int{1, 3})
	paritySame(t, "b", parityNumbers(parityCopy(t, c.Key("b"))), []int{2, 4})
	parityLedger(t, s, 4)
}

func TestParity07Case13_ManyProducers(t *testing.T) {
	const producers, each = 8, 5000
	var discards atomic.Uint64
	s := parityStore(t, core.Options[parityEvent]{
		Capacity: 4000, Partitions: 4, Key: parityKey,
		OnDiscard: func(core.Position, *parityEvent) { discards.Add(1) },
	})
	var wg sync.WaitGroup
	for w := range producers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Append(parityEvent{Key: strconv.Itoa(i % 97), N: w*each + i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l := parityLedger(t, s, producers*each)
	if n := s.Len(); n == 0 || n > 4000 {
		t.Fatal(n, "events")
	}
	paritySame(t, "discarded and kept", l.Discarded+l.Visible, producers*each)
	paritySame(t, "told to OnDiscard", discards.Load(), l.Discarded-l.Undelivered)
	paritySame(t, "not told", l.Undelivered, 0)
}

func TestParity07Case18_FullMeansAll(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 20, Partitions: 2})
	_, err := s.AppendBatchTo(0, parityRange(0, 10))
	parityMust(t, err)
	if s.Empty() || s.Full() {
		t.Fatalf("empty %v, full %v", s.Empty(), s.Full())
	}
	for p, want := range []uint64{10, 0} {
		l, err := s.PartitionLedger(p)
		parityMust(t, err)
		paritySame(t, "visible", l.Visible, want)
	}
	_, err = s.AppendBatchTo(1, parityRange(0, 10))
	parityMust(t, err)
	paritySame(t, "full", s.Full(), true)
	parityLedger(t, s, 20)
}

func TestParity07Case19_OnFullOncePerTransition(t *testing.T) {
	var calls atomic.Int32
	s := parityStore(t, core.Options[int]{Capacity: 4, OnFull: func() { calls.Add(1) }})
	expect := func(what string, want int32) {
		t.Helper()
		paritySync(t, s)
		paritySame(t, what, calls.Load(), want)
	}
	parityAppend(t, s, 1, 2, 3)
	expect("not full yet", 0)
	parityAppend(t, s, 4)
	expect("full", 1)
	parityAppend(t, s, parityRange(5, 500)...)
	expect("still full", 1)
	parityMust(t, s.Clear())
	expect("cleared", 1)
	parityAppend(t, s, 1, 2, 3)
	expect("nearly full again", 1)
	parityAppend(t, s, 4)
	expect("full again", 2)
	parityLedger(t, s, 4+495+4)
}

func TestParity07Case21_OrderAtEveryOffset(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 4, 7, 8, 9, 31, 33, 100} {
		o := core.Options[int]{Capacity: capacity}
		shared, owned := parityStore(t, o), parityStore(t, o)
		w, err := owned.Producer(0)
		parityMust(t, err)
		total := 3*capacity + 70
		for i := range total {
			parityAppend(t, shared, i)
			_, err := w.Append(i)
			parityMust(t, err)
			want := parityRange(max(0, i+1-capacity), i+1)
			if got := parityContent(t, shared); !slices.Equal(got, want) {
				t.Fatalf("capacity %d after %d: %v", capacity, i+1, got)
			}
			if got := parityContent(t, owned); !slices.Equal(got, want) {
				t.Fatalf("capacity %d after %d of a producer: %v", capacity, i+1, got)
			}
		}
		parityLedger(t, shared, total)
		parityLedger(t, owned, total)
		parityMust(t, w.Close())
	}
}
