package benchmarks

import (
	"testing"

	"github.com/ephemera-go/ephemera/sinks/sinktest"
)

// eachBackend runs f for every backend that is there.
func eachBackend(b *testing.B, f func(*testing.B, Backend)) {
	b.Helper()
	for _, x := range Backends() {
		b.Run("store="+x.Name, func(b *testing.B) {
			if !x.Available() {
				b.Skipf("%s is not set", x.Variable)
			}
			f(b, x)
		})
	}
}

func BenchmarkSignals(b *testing.B) {
	eachBackend(b, func(b *testing.B, x Backend) { sinktest.BenchSignals(b, x.OpenSignals) })
}

func BenchmarkBlobs(b *testing.B) {
	eachBackend(b, func(b *testing.B, x Backend) { sinktest.BenchBlobs(b, x.OpenBlobs) })
}
