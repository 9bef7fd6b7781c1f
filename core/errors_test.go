//go:build !explore

package core

import (
	"errors"
	"testing"
	"time"
)

// An error names the package once, however often it was wrapped, and keeps its sentinel.
func TestErrorTexts(t *testing.T) {
	s := mustNew(t, Options[int]{})
	missing, c := s.Cut(7), s.Cut()
	defer missing.Close()
	defer c.Close()
	_, _, bounds := c.Bounds(7)
	_, sum := Sum(missing.View(), func(e *int) int { return *e })
	_, none := Sum(c.View(), func(e *int) int { return *e })
	_, rollup := NewRollup(s, Counting[int](), RollupOptions{Name: "r"})
	for _, x := range []struct {
		err, is error
		text    string
	}{
		{missing.View().Err(), ErrNoPartition, "core: cut of partition 7: no such partition"},
		{bounds, ErrNoPartition, "core: cut of partition 7: no such partition"},
		{sum, ErrNoPartition, "core: sum: cut of partition 7: no such partition"},
		{none, ErrNoData, "core: sum: no data"},
		{c.Partition(7).Err(), ErrNoPartition, "core: view of partition 7: no such partition"},
		{c.From(Position{Partition: 7}).Err(), ErrNoPartition, "core: view of partition 7: no such partition"},
		{c.Key("k").Err(), ErrNoKey, "core: key: store has no Key option (AppendTo needs none)"},
		{c.Within(time.Second).Err(), ErrNoTime, "core: time range: store has no time source (set Options.Time or Options.Arrival)"},
		{c.Within(-1).Err(), ErrArgument, "core: last -1ns: bad argument"},
		{c.Newest(-1).Err(), ErrArgument, "core: newest -1: bad argument"},
		{c.Where(nil).Err(), ErrArgument, "core: nil filter: bad argument"},
		{s.SetCapacity(7, 1), ErrNoPartition, "core: resize partition 7: no such partition"},
		{rollup, ErrNoTime, `core: rollup "r": store has no time source (set Options.Time or Options.Arrival)`},
	} {
		if !errors.Is(x.err, x.is) || x.err.Error() != x.text {
			t.Errorf("error %q, want %q, which is %q", x.err, x.text, x.is)
		}
	}
	for range c.Within(-1).All() {
		t.Error("a view with an error yields an event")
	}
}
