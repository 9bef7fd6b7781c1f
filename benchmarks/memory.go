package benchmarks

import (
	"math"
	"runtime"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
	"github.com/ephemera-go/ephemera/core"
)

// PartitionBytes returns the heap that a partition with three small events takes: n partitions are added to a store,
// and the growth of the heap is divided.
func PartitionBytes(n int) (float64, error) {
	s := NewOrdered(1)
	defer func() { _ = s.Close() }()
	before := heap()
	for range n {
		p, err := s.AddPartition(core.PartitionOptions{Capacity: 1000})
		if err != nil {
			return 0, err
		}
		for x := range uint64(3) {
			if _, err := s.AppendTo(p, Make(x)); err != nil {
				return 0, err
			}
		}
	}
	after := heap()
	return (float64(after) - float64(before)) / float64(n), nil
}

// EventBytes returns the heap that one retained event takes in a full store of the design: the store is made, filled
// three times, and the growth of the heap is divided by the capacity.
func EventBytes(open func(capacity int) Design, capacity int) float64 {
	before := heap()
	d := open(capacity)
	measure.Drive(1, 3*capacity, 0, d.Append)
	after := heap()
	d.Close() // after the measurement, so that the store is alive until then
	return (float64(after) - float64(before)) / float64(capacity)
}

// heap returns the bytes in use once several collections in a row have freed nothing: what was dropped before goes in steps. A
// pool takes two collections, and a cleanup, such as that of a lane, holds its store until it has run behind one of them.
func heap() uint64 {
	const enough = 3
	var m runtime.MemStats
	least := uint64(math.MaxUint64)
	for idle := 0; idle < enough; idle++ {
		runtime.GC()
		runtime.ReadMemStats(&m)
		if m.HeapAlloc < least {
			least, idle = m.HeapAlloc, -1
		}
	}
	return least
}
