package core

import (
	"math"
	"math/bits"
)

// each calls f with every event of the view.
func each[E any](v View[E], f func(*E)) error {
	return v.guard(func() {
		for p := range v.pieces() {
			r := p.events()
			for i := range r {
				f(&r[i])
			}
		}
	})
}

// Fold combines the events one by one with acc and returns the result. f returning false stops the whole query.
func Fold[E, A any](v View[E], acc A, f func(A, *E) (A, bool)) (A, error) {
	err := v.guard(func() {
		for _, e := range v.All() {
			var more bool
			if acc, more = f(acc, e); !more {
				return
			}
		}
	})
	return acc, err
}

// Sum adds a number of every event. An integer sum that does not fit returns ErrOverflow, whatever its parts. A
// floating-point sum follows IEEE 754, so NaN and ±Inf carry through; Summarize counts them apart. Without events it
// returns ErrNoData.
func Sum[E any, N Number](v View[E], value func(*E) N) (N, error) {
	var s wideSum[N]
	err := each(v, func(e *E) { s.add(value(e)) })
	sum, fits := s.result()
	return outcome("sum", sum, s.n, !fits, err)
}

// wideSum adds integers in 128 bits, and floating-point numbers as they are.
type wideSum[N Number] struct {
	lo, hi uint64
	sum    N
	n      int
}

func (s *wideSum[N]) add(x N) {
	s.n++
	if !integer[N]() {
		s.sum += x
		return
	}
	high := uint64(0)
	if x < 0 {
		high = math.MaxUint64
	}
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, uint64(x), 0)
	s.hi += high + carry
}

// result returns the sum and whether it fits.
func (s *wideSum[N]) result() (N, bool) {
	if !integer[N]() {
		return s.sum, true
	}
	sum, high := N(s.lo), uint64(0)
	if sum < 0 {
		high = math.MaxUint64
	}
	return sum, uint64(sum) == s.lo && s.hi == high
}

// integer reports whether N is an integer type: only there 1/2 is 0.
func integer[N Number]() bool { return N(1)/N(2) == 0 }

// Average returns the mean of a number of every event; ErrNoData without events, ErrOverflow as Sum does not arise.
// NaN and ±Inf carry through.
func Average[E any, N Number](v View[E], value func(*E) N) (float64, error) {
	var s Summary
	bad := 0.0
	err := each(v, func(e *E) {
		if x := float64(value(e)); x-x == 0 {
			s.Add(x)
		} else {
			s.Count++
			bad += x
		}
	})
	if s.Count == 0 {
		return outcome("average", 0.0, 0, false, err)
	}
	return outcome("average", (s.Sum+bad)/float64(s.Count), int(s.Count), false, err)
}

// Min returns the least number of the events; NaN is left out. ErrNoData if nothing is left.
func Min[E any, N Number](v View[E], value func(*E) N) (N, error) {
	return extreme(v, "minimum", value, func(x, best N) bool { return x < best })
}

// Max returns the greatest number of the events; NaN is left out. ErrNoData if nothing is left.
func Max[E any, N Number](v View[E], value func(*E) N) (N, error) {
	return extreme(v, "maximum", value, func(x, best N) bool { return x > best })
}

func extreme[E any, N Number](v View[E], op string, value func(*E) N, better func(x, best N) bool) (N, error) {
	best, n := N(0), 0
	err := each(v, func(e *E) {
		if x := value(e); x == x && (n == 0 || better(x, best)) { //nolint:gocritic // x == x is false for NaN
			best = x
			n++
		}
	})
	return outcome(op, best, n, false, err)
}

// Summarize returns count, sum, minimum and maximum in one pass. NaN and ±Inf are counted apart. Without events the
// Summary is zero, which is not an error.
func Summarize[E any, N Number](v View[E], value func(*E) N) (Summary, error) {
	var s Summary
	err := each(v, func(e *E) { s.add(float64(value(e))) })
	s.settle()
	return s, err
}

func outcome[N Number](op string, x N, n int, over bool, err error) (N, error) {
	switch {
	case err != nil:
	case n == 0:
		err = ErrNoData
	case over:
		err = ErrOverflow
	default:
		return x, nil
	}
	return 0, wrap(err, "%s", op)
}

// GroupBy folds the events of each group: zero makes an accumulator, add takes an event into it. No events: an empty
// map.
func GroupBy[E any, K comparable, A any](
	v View[E], key func(*E) K, zero func() A, add func(*A, *E),
) (map[K]A, error) {
	groups := map[K]*A{}
	err := each(v, func(e *E) {
		k := key(e)
		a := groups[k]
		if a == nil {
			z := zero()
			a = &z
			groups[k] = a
		}
		add(a, e)
	})
	out := make(map[K]A, len(groups))
	for k, a := range groups {
		out[k] = *a
	}
	return out, err
}

// Ranked is a group and its weight.
type Ranked[K comparable] struct {
	Key    K
	Weight float64
	Count  int // events
}

// TopK returns the k groups of the greatest weight, heaviest first, ties in the order of their first event. The weight
// of a group is the sum of its events' weights, or their number if weight is nil. A non-finite weight counts as 0.
func TopK[E any, K comparable](v View[E], k int, key func(*E) K, weight func(*E) float64) ([]Ranked[K], error) {
	if k < 0 {
		return nil, wrap(ErrArgument, "top %d", k)
	}
	index := map[K]int{}
	var all []Ranked[K]
	err := each(v, func(e *E) {
		g := key(e)
		i, ok := index[g]
		if !ok {
			i = len(all)
			index[g] = i
			all = append(all, Ranked[K]{Key: g})
		}
		w := 1.0
		if weight != nil {
			if w = weight(e); math.IsNaN(w) || math.IsInf(w, 0) {
				w = 0
			}
		}
		all[i].Weight += w
		all[i].Count++
	})
	if err != nil {
		return nil, err
	}
	return heaviest(all, k), nil
}
