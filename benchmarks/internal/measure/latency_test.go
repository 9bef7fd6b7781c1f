package measure

import (
	"math"
	"testing"
	"time"
)

func TestBucketsAreExactBelowAndCloseAbove(t *testing.T) {
	for d := time.Duration(0); d < exact; d++ {
		if got := lowest(bucket(d)); got != d {
			t.Fatalf("%d became %d", d, got)
		}
	}
	last := exact - 1
	for d := time.Duration(exact); d < 1<<maxBits; d += d/800 + 1 {
		b := bucket(d)
		if b < last || b > last+1 {
			t.Fatalf("bucket of %v is %d after %d: a gap", d, b, last)
		}
		last = b
		if got := lowest(b); got > d || float64(d-got) > 0.005*float64(d) {
			t.Fatalf("%v became %v", d, got)
		}
	}
	if got := bucket(math.MaxInt64); got != len(Histogram{}.counts)-1 {
		t.Errorf("the longest duration is in bucket %d", got)
	}
	if bucket(-5) != 0 {
		t.Error("a clock that steps back must not break the count")
	}
}

func TestQuantile(t *testing.T) {
	var a, b, empty Histogram
	for d := time.Duration(1); d <= 1000; d++ {
		if d%2 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	if a.Total() != 1000 {
		t.Fatalf("total %d", a.Total())
	}
	for q, want := range map[float64]float64{0: 1, 0.001: 1, 0.5: 500, 0.99: 990, 0.999: 999, 0.9991: 1000, 1: 1000} {
		if got := a.Quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := empty.Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestLatencyAndDriveCallEveryOperationOnce(t *testing.T) {
	const writers, each, shift = 3, 1000, 20
	seen := make([][]int, writers)
	for w := range seen {
		seen[w] = make([]int, each)
	}
	op := func(x uint64) { seen[x>>shift][x&(1<<shift-1)]++ } // a writer's own cells: no race
	if got := Latency(writers, writers*each, shift, op).Total(); got != writers*each {
		t.Errorf("counted %d durations", got)
	}
	if r := Drive(writers, writers*each, shift, op); r.Ops != writers*each || r.Ns <= 0 {
		t.Errorf("result %+v", r)
	}
	for w := range seen {
		for i, n := range seen[w] {
			if n != 2 {
				t.Fatalf("operation %d of writer %d ran %d times, want 2", i, w, n)
			}
		}
	}
}

func TestBesideAndEveryRunBoth(t *testing.T) {
	loops, worked := 0, false
	Beside(func() { loops++ }, func() { worked = true })
	if loops == 0 || !worked {
		t.Errorf("loops %d, worked %v", loops, worked)
	}
	twice := make(chan struct{})
	n := 0
	got := Every(time.Microsecond, func() {
		if n++; n == 2 {
			close(twice)
		}
	}, func() { <-twice })
	if got != n || n < 2 {
		t.Errorf("%d ticks, told %d", n, got)
	}
}
