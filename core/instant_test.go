//go:build !explore

package core

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestInstantOrdersTimes(t *testing.T) {
	ascending := []time.Time{
		time.Unix(math.MinInt64, 0),
		time.Unix(math.MinInt64, 1),
		time.Unix(-1<<62, 0),
		time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
		{},
		time.Time{}.Add(1),
		time.Date(1677, 9, 21, 0, 12, 43, 145224191, time.UTC), // one before UnixNano begins
		time.Unix(-1, 0),
		time.Unix(-1, 999_999_999),
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Date(2024, 2, 29, 12, 0, 0, 0, time.FixedZone("east", 3600)),
		time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		time.Date(2262, 4, 11, 23, 47, 16, 854775808, time.UTC), // one after UnixNano ends
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(math.MaxInt64-62135596800, 0), // time.Time itself wraps from here on
		time.Unix(math.MaxInt64, 0),
		time.Unix(math.MaxInt64, 999_999_999),
	}
	for i, a := range ascending {
		if got := instantOf(a).toTime(); !got.Equal(a) || got.Location() != time.UTC {
			t.Errorf("%d: toTime = %v, want %v", i, got, a)
		}
		for j, b := range ascending {
			x, y := instantOf(a), instantOf(b)
			if x.before(y) != (i < j) || x.after(y) != (i > j) || x.compare(y) != cmp.Compare(i, j) || (x == y) != (i == j) {
				t.Errorf("%v and %v are ordered wrongly", a, b)
			}
		}
	}
	if first := instantOf(ascending[0]); first != minInstant {
		t.Errorf("first = %v, want minInstant", first)
	}
	if last := instantOf(ascending[len(ascending)-1]); last != maxInstant {
		t.Errorf("last = %v, want maxInstant", last)
	}
}

func TestInstantIgnoresMonotonicReading(t *testing.T) {
	now := time.Now()
	if a, b := instantOf(now), instantOf(now.Round(0)); a != b {
		t.Errorf("%v with and %v without monotonic reading", a, b)
	}
}

func TestInstantAdd(t *testing.T) {
	const most = int32(nanosPerSecond - 1)
	for _, c := range []struct {
		from instant
		d    time.Duration
		want instant
	}{
		{instant{}, 0, instant{}},
		{instant{}, 1, instant{0, 1}},
		{instant{}, -1, instant{-1, most}},
		{instant{5, most}, 1, instant{6, 0}},
		{instant{5, 0}, -1, instant{4, most}},
		{instant{-1, most}, 1, instant{}},
		{instant{}, math.MaxInt64, instant{9223372036, 854775807}},
		{instant{}, math.MinInt64, instant{-9223372037, 145224192}},
		{maxInstant, 0, maxInstant},
		{maxInstant, 1, maxInstant},
		{maxInstant, math.MaxInt64, maxInstant},
		{maxInstant, -1, instant{math.MaxInt64, most - 1}},
		{minInstant, 0, minInstant},
		{minInstant, -1, minInstant},
		{minInstant, math.MinInt64, minInstant},
		{minInstant, 1, instant{math.MinInt64, 1}},
		{instant{math.MaxInt64, 0}, time.Second, maxInstant},
		{instant{math.MinInt64, most}, -time.Second, minInstant},
		{instant{math.MinInt64, most}, -time.Second + 1, instant{math.MinInt64, 0}},
	} {
		if got := c.from.add(c.d); got != c.want {
			t.Errorf("%v + %d = %v, want %v", c.from, c.d, got, c.want)
		}
	}
}

// instantNanos is the same moment in a number without bounds.
func instantNanos(a instant) *big.Int {
	n := new(big.Int).Mul(big.NewInt(a.sec), big.NewInt(nanosPerSecond))
	return n.Add(n, big.NewInt(int64(a.nsec)))
}

func TestInstantAddAgainstBigIntegers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	low, high := instantNanos(minInstant), instantNanos(maxInstant)
	for range 20_000 {
		a := instant{sec: int64(r.Uint64()) >> r.IntN(64), nsec: r.Int32N(int32(nanosPerSecond))}
		if r.IntN(4) == 0 { // close to an end
			a.sec = math.MaxInt64 - r.Int64N(1<<34)
			if r.IntN(2) == 0 {
				a.sec = -a.sec - 1
			}
		}
		d := time.Duration(int64(r.Uint64()) >> r.IntN(64))
		want := new(big.Int).Add(instantNanos(a), big.NewInt(int64(d)))
		if want.Cmp(low) < 0 {
			want = low
		} else if want.Cmp(high) > 0 {
			want = high
		}
		got := a.add(d)
		if got.nsec < 0 || int64(got.nsec) >= nanosPerSecond || instantNanos(got).Cmp(want) != 0 {
			t.Fatalf("%v + %d = %v, want %v ns", a, d, got, want)
		}
	}
}

func TestInstantSorts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	list := make([]instant, 2000)
	for i := range list {
		list[i] = instant{sec: r.Int64N(20) - 10, nsec: r.Int32N(50)}
	}
	slices.SortFunc(list, instant.compare)
	for i := 1; i < len(list); i++ {
		if instantNanos(list[i-1]).Cmp(instantNanos(list[i])) > 0 {
			t.Fatalf("%v stands before %v", list[i-1], list[i])
		}
	}
}

var sinkInstant int

func BenchmarkInstantBefore(b *testing.B) {
	x, y := instant{5, 6}, instant{5, 7}
	for b.Loop() {
		if x.before(y) {
			sinkInstant++
		}
	}
}
