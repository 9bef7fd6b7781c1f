//go:build !explore

package core

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

type sample struct {
	key   string
	value float64
}

func sampleValue(s *sample) float64 { return s.value }
func sampleKey(s *sample) string    { return s.key }

// foldSamples is what the store does with one segment.
func foldSamples[A any](m Monoid[sample, A], events []sample) A {
	acc := m.Zero()
	for i := range events {
		m.Add(&acc, &events[i])
	}
	return acc
}

// checkMonoid asserts the laws on random parts. show must tell aggregates apart
// by content and leave out what may differ by rounding.
func checkMonoid[A any](t *testing.T, m Monoid[sample, A], show func(*A) string) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	merged := func(parts ...*A) *A {
		acc := m.Zero()
		for _, p := range parts {
			m.Merge(&acc, p)
		}
		return &acc
	}
	for range 50 {
		events := make([]sample, r.IntN(200))
		for i := range events {
			events[i] = sample{key: fmt.Sprint(r.IntN(7)), value: float64(r.IntN(100) - 50)}
			if r.IntN(20) == 0 {
				events[i].value = math.NaN()
			}
		}
		i := r.IntN(len(events) + 1)
		j := i + r.IntN(len(events)-i+1)
		a, b, c := foldSamples(m, events[:i]), foldSamples(m, events[i:j]), foldSamples(m, events[j:])
		whole := foldSamples(m, events)
		want := show(&whole)
		before := show(&a) + show(&b) + show(&c)
		left, right := merged(merged(&a, &b), &c), merged(&a, merged(&b, &c))
		zero := m.Zero()
		for name, got := range map[string]*A{"(ab)c": left, "a(bc)": right, "0+": merged(&zero, &whole), "+0": merged(&whole, &zero)} {
			if show(got) != want {
				t.Fatalf("%s: %s, want %s", name, show(got), want)
			}
			// Whatever is done to a result must not reach the parts.
			for k := range events {
				m.Add(got, &events[k])
			}
			m.Merge(got, &whole)
		}
		if show(&a)+show(&b)+show(&c) != before {
			t.Fatal("a merged part changed")
		}
	}
}

func showSummary(s *Summary) string {
	return fmt.Sprint(s.Count, s.NonFinite, s.Sum, s.Min, s.Max) // small integers: sums are exact
}

func TestMonoidLaws(t *testing.T) {
	t.Run("Counting", func(t *testing.T) {
		checkMonoid(t, Counting[sample](), func(n *uint64) string { return fmt.Sprint(*n) })
	})
	t.Run("Numbers", func(t *testing.T) { checkMonoid(t, Summaries(sampleValue), showSummary) })
	t.Run("Percentiles", func(t *testing.T) { checkMonoid(t, Percentiles(sampleValue), histogramContent) })
	t.Run("PerKey/Numbers", func(t *testing.T) {
		checkMonoid(t, PerKey(sampleKey, Summaries(sampleValue)), func(groups *map[string]*Summary) string {
			shown := map[string]string{}
			for k, s := range *groups {
				shown[k] = showSummary(s)
			}
			return fmt.Sprint(shown)
		})
	})
	t.Run("PerKey/Percentiles", func(t *testing.T) {
		checkMonoid(t, PerKey(sampleKey, Percentiles(sampleValue)), func(groups *map[string]*Histogram) string {
			shown := map[string]string{}
			for k, h := range *groups {
				shown[k] = histogramContent(h)
			}
			return fmt.Sprint(shown)
		})
	})
}

// Ten events by remainder of three: groups of four, three and three.
func TestPerKeyGroups(t *testing.T) {
	m := PerKey(func(n *int) int { return *n % 3 }, Counting[int]())
	acc := m.Zero()
	if acc == nil || len(acc) != 0 {
		t.Fatalf("zero = %v", acc)
	}
	for i := range 10 {
		m.Add(&acc, &i)
	}
	got := map[int]uint64{}
	for k, n := range acc {
		got[k] = *n
	}
	if want := map[int]uint64{0: 4, 1: 3, 2: 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var none map[int]*uint64
	m.Merge(&none, &acc)
	if len(none) != 3 || none[0] == acc[0] {
		t.Errorf("merged into a nil map: %v", none)
	}
}

// A monoid of one's own: the product of four twos.
func TestMonoidCustom(t *testing.T) {
	m := Monoid[int, int]{
		Zero:  func() int { return 1 },
		Add:   func(acc, e *int) { *acc *= *e },
		Merge: func(into, from *int) { *into *= *from },
	}
	a, b := m.Zero(), m.Zero()
	two := 2
	for range 2 {
		m.Add(&a, &two)
		m.Add(&b, &two)
	}
	if m.Merge(&a, &b); a != 16 {
		t.Errorf("product %d, want 16", a)
	}
}

func BenchmarkPerKeyAdd(b *testing.B) {
	m := PerKey(sampleKey, Summaries(sampleValue))
	events := make([]sample, 64)
	for i := range events {
		events[i] = sample{key: fmt.Sprintf("customer-%d", i), value: float64(i)}
	}
	acc := m.Zero()
	for i := 0; b.Loop(); i++ {
		m.Add(&acc, &events[i&63])
	}
}
