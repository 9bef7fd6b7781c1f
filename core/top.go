package core

import (
	"cmp"
	"slices"
)

// heaviest sorts by weight, keeps the order of ties, and returns the first k.
func heaviest[K comparable](all []Ranked[K], k int) []Ranked[K] {
	slices.SortStableFunc(all, func(a, b Ranked[K]) int { return cmp.Compare(b.Weight, a.Weight) })
	return all[:min(k, len(all))]
}
