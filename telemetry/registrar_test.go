package telemetry

import (
	"sync/atomic"
	"testing"
)

// TestCountersNeverGoBack: what moved from one counter to another may not look like a restart.
func TestCountersNeverGoBack(t *testing.T) {
	var peak atomic.Int64
	for i, x := range [][2]int64{{5, 5}, {4, 5}, {6, 6}, {6, 6}, {0, 6}} {
		if got := highest(&peak, x[0]); got != x[1] {
			t.Errorf("%d: %d, want %d", i, got, x[1])
		}
	}
}
