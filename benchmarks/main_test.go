package benchmarks

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// units are those that benchmarks report beside the time. Percentiles have the same ones everywhere.
var units = []string{
	"p10-ns", "p50-ns", "p90-ns", "p99-ns", "p99.9-ns", "p99.99-ns", "idle-ratio", "bytes/event", "bytes/partition",
	"ns/signal", "ns/event", "bytes/key",
}

// TestMain says about the units what tools cannot guess. Plain tests print nothing.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.bench"); f != nil && f.Value.String() != "" {
		for _, u := range units {
			fmt.Printf("Unit %s better=lower\n", u)
		}
	}
	os.Exit(m.Run())
}
