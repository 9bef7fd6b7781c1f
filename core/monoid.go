package core

// Monoid says how an aggregate is built: Zero makes an empty one, Add takes in
// one event, Merge takes in another aggregate.
//
// What the store relies on:
//   - Merge is associative, Zero is neutral, and adding events one by one gives
//     the same as merging aggregates of parts of them. Commutative it need not
//     be: merges happen in order of partition, then sequence.
//   - Merge neither changes from nor keeps anything of it that it could change
//     later. An aggregate is merged many times, by several goroutines at once.
//   - Add keeps no pointer to the event.
//
// All three functions must be set and must be safe to call from several
// goroutines, each with its own accumulator.
//
// Sums of floating-point numbers are associative only up to rounding; Summary
// corrects for it, so the difference is at most in the last bit as a rule.
type Monoid[E, A any] struct {
	Zero  func() A
	Add   func(acc *A, e *E)
	Merge func(into, from *A)
}

// Counting counts events.
func Counting[E any]() Monoid[E, uint64] {
	return Monoid[E, uint64]{
		Zero:  func() uint64 { return 0 },
		Add:   func(acc *uint64, _ *E) { *acc++ },
		Merge: func(into, from *uint64) { *into += *from },
	}
}

// Summaries summarises a number of each event: count, sum, average, minimum, maximum.
func Summaries[E any](value func(*E) float64) Monoid[E, Summary] {
	return Monoid[E, Summary]{
		Zero:  func() Summary { return Summary{} },
		Add:   func(acc *Summary, e *E) { acc.Add(value(e)) },
		Merge: (*Summary).Merge,
	}
}

// Percentiles builds a Histogram over a number of each event.
func Percentiles[E any](value func(*E) float64) Monoid[E, Histogram] {
	return Monoid[E, Histogram]{
		Zero:  func() Histogram { return Histogram{} },
		Add:   func(acc *Histogram, e *E) { acc.Add(value(e)) },
		Merge: (*Histogram).Merge,
	}
}

// PerKey groups events by key and aggregates each group with inner. The map
// grows with the number of distinct keys; a key that is not equal to itself,
// such as NaN, makes a group per event.
func PerKey[E any, K comparable, A any](key func(*E) K, inner Monoid[E, A]) Monoid[E, map[K]*A] {
	group := func(groups *map[K]*A, k K) *A {
		if acc := (*groups)[k]; acc != nil {
			return acc
		}
		if *groups == nil {
			*groups = make(map[K]*A)
		}
		acc := new(A)
		*acc = inner.Zero()
		(*groups)[k] = acc
		return acc
	}
	return Monoid[E, map[K]*A]{
		Zero: func() map[K]*A { return make(map[K]*A) },
		Add:  func(acc *map[K]*A, e *E) { inner.Add(group(acc, key(e)), e) },
		Merge: func(into, from *map[K]*A) {
			for k, acc := range *from {
				inner.Merge(group(into, k), acc)
			}
		},
	}
}
