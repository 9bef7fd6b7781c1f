package benchmarks

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/window"
)

// sensing asks for every share of the signals in windows of two sizes. A window is made when it is first needed.
func sensing(b *testing.B, ask func(*Signals, Share, int) []window.Signal) {
	b.Helper()
	for _, n := range []int{10_000, 1_000_000} {
		var s *Signals
		for _, x := range Shares() {
			b.Run(fmt.Sprintf("signals=%d/share=%s", n, x.Name), func(b *testing.B) {
				if s == nil {
					s = NewSignals(n)
				}
				want := len(s.Sense(x))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if got := ask(s, x, want); len(got) != want {
						b.Fatalf("%d of %d signals", len(got), want)
					}
				}
			})
		}
		if s != nil {
			s.Close()
		}
	}
}

func BenchmarkSense(b *testing.B) {
	sensing(b, func(s *Signals, x Share, _ int) []window.Signal { return s.Sense(x) })
}

func BenchmarkReferenceHasPrefix(b *testing.B) {
	sensing(b, func(s *Signals, x Share, _ int) []window.Signal { return s.HasPrefix(x) })
}

func BenchmarkReferenceHasPrefixSized(b *testing.B) {
	sensing(b, func(s *Signals, x Share, n int) []window.Signal { return s.HasPrefixSized(x, n) })
}

func BenchmarkReferencePathMatch(b *testing.B) {
	sensing(b, func(s *Signals, x Share, _ int) []window.Signal { return s.PathMatch(x) })
}

// All ways to ask give the same signals, of which there are about as many as the name of the share says.
func TestSenseEqualsLoops(t *testing.T) {
	const n = 20_000
	s := NewSignals(n)
	defer s.Close()
	same := func(a, b window.Signal) bool {
		return a.Sequence == b.Sequence && a.Name == b.Name && a.Time.Equal(b.Time)
	}
	for i, x := range Shares() {
		got := s.Sense(x)
		if want := []int{n / 1000, n / 10, n}[i]; len(got) < want*2/3 || len(got) > want*3/2 {
			t.Errorf("%s: %d of %d signals", x.Name, len(got), n)
		}
		for k, other := range [][]window.Signal{s.HasPrefix(x), s.HasPrefixSized(x, len(got)), s.PathMatch(x)} {
			if !slices.EqualFunc(got, other, same) {
				t.Errorf("%s: loop %d finds other signals", x.Name, k)
			}
		}
	}
}
