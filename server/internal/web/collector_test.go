package web

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCountersNeverGoBack: what moved from one counter to another may not look like a restart.
func TestCountersNeverGoBack(t *testing.T) {
	p := peaks{seen: map[peak]float64{}}
	a, b := prometheus.NewDesc("a", "", nil, nil), prometheus.NewDesc("b", "", nil, nil)
	for i, x := range []struct {
		desc    *prometheus.Desc
		store   string
		v, want float64
	}{{a, "x", 5, 5}, {a, "y", 3, 3}, {a, "x", 4, 5}, {b, "x", 1, 1}, {a, "x", 6, 6}, {a, "y", 3, 3}} {
		if got := p.raise(x.desc, x.store, x.v); got != x.want {
			t.Errorf("%d: %v, want %v", i, got, x.want)
		}
	}
}
