package core

import (
	"fmt"
	"math"
	"time"
)

// MaxBuckets is the most buckets that one Series has.
const MaxBuckets = 100_000

// A Bucket is the aggregate of the event times in [Start, Start+width).
type Bucket[A any] struct {
	Start time.Time
	Value A
}

// A Series is an aggregate over time, for a chart. Buckets without events are there, with the zero value.
type Series[A any] struct {
	Buckets []Bucket[A]
	Coverage
}

// Buckets aggregates the events with a time in [from, to], both inclusive, in buckets of the given width. Buckets
// start at multiples of the width, as time.Time.Truncate counts them, so the first and the last may be cut by from and
// to. Inverted bounds give no buckets.
func (r *Rollup[E, A]) Buckets(from, to time.Time, width time.Duration) (Series[A], error) {
	c := r.store.Cut()
	defer c.Close()
	n, err := bucketCount(from, to, width)
	if err != nil || n == 0 {
		if err != nil {
			err = wrap(err, "rollup %q", r.o.Name)
		}
		return Series[A]{}, err
	}
	start := from.Truncate(width)
	v := c.Between(from, to)
	g := gather[E, A]{r: r, times: v.times, values: make([]A, n)}
	g.bucket = func(t instant) int { return int(t.toTime().Sub(start) / width) }
	if err := g.run(v); err != nil {
		return Series[A]{}, wrap(err, "rollup %q", r.o.Name)
	}
	out := Series[A]{Buckets: make([]Bucket[A], n), Coverage: g.Coverage}
	for k := range out.Buckets {
		out.Buckets[k] = Bucket[A]{start.Add(time.Duration(k) * width), g.values[k]}
	}
	return out, nil
}

// bucketCount returns how many buckets cover [from, to].
func bucketCount(from, to time.Time, width time.Duration) (int, error) {
	switch {
	case width <= 0:
		return 0, fmt.Errorf("bucket width %v: %w", width, ErrArgument)
	case from.IsZero() || to.IsZero():
		return 0, fmt.Errorf("buckets need both ends of the range: %w", ErrArgument)
	case to.Before(from):
		return 0, nil
	}
	d := to.Sub(from.Truncate(width))
	n := d / width
	if n >= MaxBuckets || d == math.MaxInt64 { // Sub saturates
		return 0, fmt.Errorf("more than %d buckets of %v, or than 292 years: %w", MaxBuckets, width, ErrArgument)
	}
	return int(n) + 1, nil
}
