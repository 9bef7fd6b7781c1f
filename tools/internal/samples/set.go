// Package samples holds what benchmark runs measured: for every benchmark and unit the single figures, each with the round
// and the slot in which it was measured.
package samples

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ephemera-go/ephemera/tools/internal/plain"
)

// Sample is one figure of one run.
type Sample struct {
	Value float64
	// Round is the number of the block of runs to which this one belongs, from 1; 0 means that the runs form no blocks.
	Round int
	// Slot numbers the runs of one side within a round, from 1; 0 if there is only one.
	Slot int
}

// Origin says where the figures of a benchmark come from. Empty fields were not printed.
type Origin struct {
	Package, CPU, OS, Arch string
	// Procs is the number of processors as go test appends it to the name, 1 if there is none.
	Procs int
}

// key names a series.
type key struct{ benchmark, unit string }

// series is what a set knows about one benchmark and unit.
type series struct {
	samples []Sample
	origin  Origin
	turns   map[[2]int]bool // rounds and slots that occurred
}

// Set holds the figures of one side. The zero value is an empty set, a nil one may be read. A set that no longer changes
// may be read by several goroutines.
type Set struct {
	series map[key]*series
}

// Add records one figure. The benchmark is named without the number of processors and the unit is tidied. It fails if the
// series has figures of another origin, or one of the same round and slot, or if only one of both has a round.
func (s *Set) Add(benchmark, unit string, v Sample, from Origin) error {
	if s.series == nil {
		s.series = map[key]*series{}
	}
	k := key{benchmark, unit}
	found := s.series[k]
	if found == nil {
		found = &series{origin: from, turns: map[[2]int]bool{}}
		s.series[k] = found
	}
	if err := from.sameAs(found.origin); err != nil {
		return fmt.Errorf("%s %s: %w", plain.Short(benchmark), plain.Short(unit), err)
	}
	if len(found.samples) > 0 && (v.Round == 0) != (found.samples[0].Round == 0) {
		return fmt.Errorf("%s %s: %w: some in rounds and some not", plain.Short(benchmark), plain.Short(unit), ErrMixed)
	}
	turn := [2]int{v.Round, v.Slot}
	if v.Round != 0 && found.turns[turn] {
		return fmt.Errorf("%s %s: %w: round %d, slot %d", plain.Short(benchmark), plain.Short(unit), ErrTwice, v.Round, v.Slot)
	}
	found.turns[turn] = true
	found.samples = append(found.samples, v)
	return nil
}

// sameAs says in what the two differ.
func (o Origin) sameAs(other Origin) error {
	switch {
	case o.Package != other.Package:
		return fmt.Errorf("%w: from the packages %s and %s", ErrMixed, plain.Quote(other.Package), plain.Quote(o.Package))
	case o.CPU != other.CPU:
		return fmt.Errorf("%w: from the machines %s and %s", ErrMixed, plain.Quote(other.CPU), plain.Quote(o.CPU))
	case o.OS != other.OS || o.Arch != other.Arch:
		return fmt.Errorf("%w: from %s and %s", ErrMixed, plain.Short(other.OS+"/"+other.Arch), plain.Short(o.OS+"/"+o.Arch))
	case o.Procs != other.Procs:
		return fmt.Errorf("%w: with %d and %d processors", ErrMixed, other.Procs, o.Procs)
	}
	return nil
}

// Samples returns the figures of a benchmark in a tidied unit, in the order in which they were read, nil if there are none.
// The slice belongs to the set.
func (s *Set) Samples(benchmark, unit string) []Sample {
	if found := s.find(benchmark, unit); found != nil {
		return found.samples
	}
	return nil
}

// Origin returns where the figures of a benchmark in a tidied unit come from; it is empty if there are none.
func (s *Set) Origin(benchmark, unit string) Origin {
	if found := s.find(benchmark, unit); found != nil {
		return found.origin
	}
	return Origin{}
}

// Benchmarks returns the names of all benchmarks, sorted.
func (s *Set) Benchmarks() []string {
	return s.names(func(k key) (string, bool) { return k.benchmark, true })
}

// Units returns the tidied units in which the set has figures of the benchmark, sorted.
func (s *Set) Units(benchmark string) []string {
	return s.names(func(k key) (string, bool) { return k.unit, k.benchmark == benchmark })
}

// Has reports whether the set has any figure of the benchmark.
func (s *Set) Has(benchmark string) bool { return len(s.Units(benchmark)) > 0 }

// Machines returns the different origins of the set's figures, as far as the machine is concerned, sorted.
func (s *Set) Machines() []Origin {
	if s == nil {
		return nil
	}
	seen := map[Origin]bool{}
	for _, v := range s.series {
		seen[Origin{CPU: v.origin.CPU, OS: v.origin.OS, Arch: v.origin.Arch}] = true
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b Origin) int {
		return cmp.Or(cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.OS, b.OS), cmp.Compare(a.Arch, b.Arch))
	})
}

func (s *Set) find(benchmark, unit string) *series {
	if s == nil {
		return nil
	}
	return s.series[key{benchmark, unit}]
}

func (s *Set) names(pick func(key) (string, bool)) []string {
	if s == nil {
		return nil
	}
	seen := map[string]bool{}
	for k := range s.series {
		if name, ok := pick(k); ok {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
