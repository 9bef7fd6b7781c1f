package measure

import (
	"math/bits"
	"sync"
	"time"
)

const (
	exactBits = 12
	exact     = 1 << exactBits // nanoseconds below which every value has a bucket of its own
	subBits   = 8
	sub       = 1 << subBits // buckets per doubling above
	shift     = exactBits - subBits
	maxBits   = 43 // 2.4 hours
)

// A Histogram counts durations: exact to the nanosecond below 4 us, to 0.4 % above.
type Histogram struct {
	counts [exact + sub*(maxBits-exactBits)]uint64
	total  uint64
}

// Add counts d.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

func bucket(d time.Duration) int {
	if d < exact {
		return int(max(d, 0))
	}
	d = min(d, 1<<maxBits-1)
	e := bits.Len64(uint64(d)) - exactBits - 1 // doublings above exact
	return exact + e*sub + int(d>>(e+shift))&(sub-1)
}

// lowest returns the least duration of a bucket.
func lowest(bucket int) time.Duration {
	if bucket < exact {
		return time.Duration(bucket)
	}
	e := (bucket - exact) / sub
	return time.Duration(sub+(bucket-exact)%sub) << (e + shift)
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// Total returns how many durations were counted.
func (h *Histogram) Total() uint64 { return h.total }

// Quantile returns the duration that a share q of all durations does not exceed (the nearest rank), in nanoseconds;
// 0 if there is none.
func (h *Histogram) Quantile(q float64) float64 {
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) {
		rank++
	}
	rank = max(rank, 1)
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return float64(lowest(i))
		}
	}
	return 0
}

// Latency times every single operation. The cost of the clock is part of what it counts; see what an empty operation
// gives.
func Latency(writers, total, writerShift int, op func(x uint64)) *Histogram {
	all := make([]Histogram, writers)
	each := max(1, total/writers)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for w := range all {
		wg.Go(func() {
			h, x := &all[w], uint64(w)<<writerShift
			<-begin
			start := time.Now()
			for range each {
				before := time.Since(start)
				op(x)
				h.Add(time.Since(start) - before)
				x++
			}
		})
	}
	close(begin)
	wg.Wait()
	for w := range all[1:] {
		all[0].Merge(&all[w+1])
	}
	return &all[0]
}
