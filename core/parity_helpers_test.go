//go:build !explore

package core_test

import (
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// The parity tests hold the store to the acceptance cases and the known defects of its predecessor; docs/parity.md has
// the table. They see the public API only and compare with plain recomputation.

type parityEvent struct {
	Key   string
	N     int
	Value float64
	At    time.Time
}

func parityTime(e *parityEvent) time.Time { return e.At }
func parityKey(e parityEvent) string      { return e.Key }
func parityValue(e *parityEvent) float64  { return e.Value }
func parityNumber(e *parityEvent) float64 { return float64(e.N) }

// parityT0 lies on a border of buckets of every width used here.
var parityT0 = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// parityClock is moved by hand.
type parityClock struct{ since atomic.Int64 }

func (c *parityClock) now() time.Time          { return parityT0.Add(time.Duration(c.since.Load())) }
func (c *parityClock) advance(d time.Duration) { c.since.Add(int64(d)) }

func parityStore[E any](t *testing.T, o core.Options[E]) *core.Store[E] {
	t.Helper()
	s, err := core.New(o)
	parityMust(t, err)
	t.Cleanup(func() { parityMust(t, s.Close()) })
	return s
}

func parityMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func paritySame[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func paritySync[E any](t *testing.T, s *core.Store[E]) {
	t.Helper()
	parityMust(t, s.Settle(t.Context()))
}

func parityAppend[E any](t *testing.T, s *core.Store[E], events ...E) {
	t.Helper()
	for _, e := range events {
		if _, err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
}

// parityContent returns what a cut shows now, empty rather than nil.
func parityContent[E any](t *testing.T, s *core.Store[E], partitions ...int) []E {
	t.Helper()
	c := s.Cut(partitions...)
	defer c.Close()
	return parityCopy(t, c.View())
}

func parityCopy[E any](t *testing.T, v core.View[E]) []E {
	t.Helper()
	list, err := v.Copy()
	parityMust(t, err)
	return append([]E{}, list...)
}

func parityCount[E any](t *testing.T, v core.View[E]) int {
	t.Helper()
	n, err := v.Count()
	parityMust(t, err)
	return n
}

// parityRange returns from, from+1, …, to-1.
func parityRange(from, to int) []int {
	list := []int{}
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// parityNumbers returns the N of events.
func parityNumbers(events []parityEvent) []int {
	list := []int{}
	for _, e := range events {
		list = append(list, e.N)
	}
	return list
}

// parityLast returns the last n of a list.
func parityLast[T any](list []T, n int) []T { return slices.Clone(list[max(0, len(list)-n):]) }

// parityLedger ends every test: at rest the account is exact and says what can be counted otherwise.
func parityLedger[E any](t *testing.T, s *core.Store[E], appended int) core.Ledger {
	t.Helper()
	paritySync(t, s)
	l := s.Ledger()
	seen := uint64(0)
	c := s.Cut()
	defer c.Close()
	for range c.All() {
		seen++
	}
	if !l.Balanced() || l.InFlight != 0 || l.Visible != seen || l.Appended != uint64(appended) {
		t.Fatalf("%d appended and %d seen, but the ledger says %+v", appended, seen, l)
	}
	var sum core.Ledger
	for i := range s.Partitions() {
		p, err := s.PartitionLedger(i)
		parityMust(t, err)
		if !p.Balanced() {
			t.Fatalf("partition %d: %+v", i, p)
		}
		sum.Appended += p.Appended
		sum.Visible += p.Visible
	}
	if sum.Appended != l.Appended || sum.Visible != l.Visible {
		t.Fatalf("the partitions hold %+v, the store %+v", sum, l)
	}
	return l
}
