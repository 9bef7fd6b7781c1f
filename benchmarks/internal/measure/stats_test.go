package measure

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 5}, Spread{5, 1, 9}},
		{[]float64{8, 1, 3, 2}, Spread{2.5, 1, 8}},
	} {
		given := slices.Clone(c.values)
		if got := Summarize(c.values); got != c.want {
			t.Errorf("Summarize(%v) = %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("Summarize changed %v to %v", given, c.values)
		}
	}
}

// The median of the ratios is not the ratio of the medians: each round is compared with itself.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	got, err := Ratios([]float64{10, 40, 30}, []float64{10, 20, 60})
	if err != nil || !slices.Equal(got, []float64{1, 2, 0.5}) {
		t.Errorf("got %v, %v", got, err)
	}
	if m := Summarize(got).Median; m != 1 {
		t.Errorf("median %v", m)
	}
	if _, err := Ratios([]float64{1}, nil); !errors.Is(err, ErrRounds) {
		t.Errorf("unequal rounds: %v", err)
	}
}

func TestInterval(t *testing.T) {
	ramp := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[n-1-i] = float64(i + 1)
		}
		return v
	}
	// The ranks are those of the sign test as statistics tables print them.
	for _, c := range []struct {
		n         int
		low, high float64
	}{{1, 1, 1}, {2, 1, 2}, {5, 1, 5}, {6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {12, 3, 10}, {15, 4, 12}, {20, 6, 15}, {50, 18, 33}} {
		if low, high := Interval(ramp(c.n)); low != c.low || high != c.high {
			t.Errorf("%d values: [%v, %v], want [%v, %v]", c.n, low, high, c.low, c.high)
		}
	}
	if low, _ := Interval(nil); !math.IsNaN(low) {
		t.Errorf("no values: %v", low)
	}
}

func TestExtremes(t *testing.T) {
	series := [][]float64{{10, 12, 50}, {20, 8, 16}}
	got, err := PerRound(series)
	if err != nil || !slices.Equal(got, []float64{2, 1.5, 3.125}) {
		t.Errorf("PerRound: %v, %v", got, err)
	}
	if got := Extremes(series); got != 16.0/12 {
		t.Errorf("Extremes: %v", got)
	}
	if _, err := PerRound([][]float64{{1}, {1, 2}}); !errors.Is(err, ErrRounds) {
		t.Errorf("unequal rounds: %v", err)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1.2345: "1.23", 12.345: "12.3", 123.4: "123", 123456: "123456", 0.01234: "0.0123", 0.00000123: "0.000001", 99.96: "100.0",
	} {
		if got := Short(v); got != want {
			t.Errorf("%v printed as %s, want %s", v, got, want)
		}
	}
}
