package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks"
)

// tables are all that the report has, in its order.
func tables() []table {
	list := []table{appendTable(), stringTable()}
	list = append(list, batchTables()...)
	list = append(list, partitionTable(), allocTable())
	list = append(list, latencyTables()...)
	list = append(list, rollupTable(), idleTable(), windowTable(), scanTable(), cutTable(), capacityTable())
	list = append(list, memoryTables()...)
	list = append(list, signalTables()...)
	return append(list, storageTables()...)
}

var percentileColumns = []string{"p50", "p99", "p99.9", "p99.99"}

// percentiles has a cell for each percentile column.
func percentiles(name, kind, bench string) row {
	r := row{name: name, kind: kind}
	for _, p := range percentileColumns {
		r.cells = append(r.cells, value{bench, p + "-sec", 0})
	}
	return r
}

func latencyTables() []table {
	const text = "Time of a single append as its caller sees it. Reading the clock is part of it: see the row “empty” of 1 writer."
	designs := func(writers int) []row {
		at := func(bench string) string { return fmt.Sprintf("%s/writers=%d", bench, writers) }
		list := []row{
			percentiles("core", ours, at("BenchmarkAppendLatency/design=core")),
			percentiles("core, `Lanes`", ours, at("BenchmarkAppendLatency/design=lanes")),
		}
		if writers == 1 {
			list = append(list,
				percentiles("core, `Producer`", ours, at("BenchmarkAppendLatency/design=producer")),
				percentiles("empty", reference, "BenchmarkReferenceEmptyLatency"))
		}
		return append(list,
			percentiles("mutex ring", reference, at("BenchmarkReferenceMutexRingLatency")),
			percentiles("eight mutex rings", reference, at("BenchmarkReferenceShardedMutexRingLatency")),
			percentiles("channel", peer, at("BenchmarkPeerChannelLatency")),
			percentiles("xsync MPMCQueue", peer, at("BenchmarkPeerXsyncMPMCQueueLatency")),
			percentiles("go-diodes ManyToOne", peer, at("BenchmarkPeerDiodeLatency")),
			percentiles("Workiva RingBuffer", peer, at("BenchmarkPeerWorkivaRingLatency")))
	}
	beside := func() []row {
		return []row{
			percentiles("core", ours, "BenchmarkAppendBesideScannerLatency/design=core/writers=1"),
			percentiles("core, `Lanes`", ours, "BenchmarkAppendBesideScannerLatency/design=lanes/writers=1"),
			percentiles("core, `Producer`", ours, "BenchmarkAppendBesideScannerLatency/design=producer/writers=1"),
			percentiles("mutex ring", reference, "BenchmarkReferenceMutexRingBesideScannerLatency/writers=1"),
		}
	}
	scanner := func(name, kind, alone, with string) row {
		return row{name, kind, []value{{alone + "/writers=1", perOp, 0}, {with + "/writers=1", perOp, 0}}}
	}
	return []table{
		{title: "Latency, 1 writer", text: text, columns: percentileColumns, base: "core", rows: designs(1), plot: plotLatency},
		{title: "Latency, 2 writers", text: text, columns: percentileColumns, base: "core", rows: designs(2)},
		{
			title:   "Beside a constant reader",
			text:    "Time per append of one writer, alone and while another goroutine reads all 65,536 events again and again.",
			columns: []string{"alone", "beside the reader"}, base: "core",
			rows: []row{
				scanner("core", ours, "BenchmarkAppend/design=core", "BenchmarkAppendBesideScanner/design=core"),
				scanner("core, `Lanes`", ours, "BenchmarkAppend/design=lanes", "BenchmarkAppendBesideScanner/design=lanes"),
				scanner("core, `Producer`", ours, "BenchmarkAppend/design=producer", "BenchmarkAppendBesideScanner/design=producer"),
				scanner("mutex ring", reference, "BenchmarkReferenceMutexRing", "BenchmarkReferenceMutexRingBesideScanner"),
			},
		},
		{
			title: "Latency beside a constant reader", text: text + " The reader of the mutex ring copies under its lock.",
			columns: percentileColumns, base: "core", rows: beside(), plot: plotReader,
		},
	}
}

func rollupTable() table {
	queried := row{"core, rollup queried 100 times a second", ours, []value{
		{"BenchmarkAppendRollupQueried/design=core/writers=1", perOp, 0},
		{"BenchmarkAppendRollupQueried/design=core/writers=2", perOp, 0},
		{},
	}}
	return table{
		title: "Appends that feed an aggregate",
		text: "Time per append to a store whose events have times, with and without a rollup, beside metrics that take one " +
			"number and keep no event. A metric answers for all time or for one window; a rollup for any range of time.",
		columns: writerColumns, base: "core, rollup registered",
		rows: []row{
			byWriters("core, no rollup", ours, "BenchmarkAppend/design=timed", 0),
			byWriters("core, rollup registered", ours, "BenchmarkAppend/design=rollup", 0),
			queried,
			byWriters("prometheus histogram", peer, "BenchmarkPeerPrometheusHistogram", 0),
			byWriters("prometheus summary", peer, "BenchmarkPeerPrometheusSummary", 0),
			byWriters("OpenTelemetry histogram", peer, "BenchmarkPeerOTelHistogram", 0),
		},
	}
}

func idleTable() table {
	return table{
		title: "A rollup that nobody asks",
		text: fmt.Sprintf("Mean time of groups of %d appends to a store with a registered rollup, divided by that to a store "+
			"without one; the groups alternate. The second row compares two stores without a rollup: so far the method itself "+
			"strays from 1.", benchmarks.IdleGroup),
		columns: []string{"with / without"},
		rows: []row{
			{"core, rollup registered", ours, []value{{"BenchmarkIdleRollup", ratio, 0}}},
			{"nothing against nothing", reference, []value{{"BenchmarkReferenceIdleNothing", ratio, 0}}},
		},
	}
}

func windowTable() table {
	ranges := func(name, kind, bench string) row {
		r := row{name: name, kind: kind}
		for _, x := range []string{"all", "last1%", "random"} {
			r.cells = append(r.cells, value{bench + "/range=" + x, perOp, 0})
		}
		return r
	}
	return table{
		title:   "Window queries",
		text:    "Count, sum, least and greatest value of a range of time, in a store of 1,048,576 slightly disordered events.",
		columns: []string{"everything", "newest 1 %", "random ranges"}, base: "rollup",
		rows: []row{
			ranges("rollup", ours, "BenchmarkWindowQuery"), ranges("scan of a cut", reference, "BenchmarkReferenceWindowScan"),
		},
	}
}

func scanTable() table {
	one := func(name, kind, bench string) row {
		return row{name, kind, []value{{bench, perOp, benchmarks.Capacity}}}
	}
	return table{
		title: "Scans", text: "Time per event of reading all 65,536 events and adding up a number.",
		columns: []string{"per event"}, base: "core, in runs",
		rows: []row{
			one("core, in runs", ours, "BenchmarkScan/design=core"), one("core, event by event", ours, "BenchmarkScanEvents/design=core"),
			one("mutex ring, copied under the lock", reference, "BenchmarkReferenceMutexRingCopyScan"),
		},
	}
}

func cutTable() table {
	both := func(name, bench string) row {
		return row{name, ours, []value{{bench + "/events=65536", perOp, 0}, {bench + "/events=1048576", perOp, 0}}}
	}
	pair := value{"BenchmarkReferenceAtomicPair", perOp, 0}
	return table{
		title: "Cuts", text: "Opening and closing a consistent view, and finding out where its published prefix ends.",
		columns: []string{"65,536 events", "1,048,576 events"}, base: "open and close",
		rows: []row{
			both("open and close", "BenchmarkCut/use=close"), both("open, resolve, close", "BenchmarkCut/use=resolve"),
			{"atomic add and its reverse", reference, []value{pair, pair}},
		},
	}
}

// shownCapacities are those of the benchmarks.
var shownCapacities = []int{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24}

func capacityName(c int) string {
	if c >= 1<<20 {
		return fmt.Sprintf("%d Mi", c>>20)
	}
	return fmt.Sprintf("%d Ki", c>>10)
}

func capacityValue(bench string, c int) value {
	return value{fmt.Sprintf("%s/capacity=%d", bench, c), perOp, 0}
}

func capacityTable() table {
	t := table{
		title: "Capacity", text: "Time per append of one writer to a full store of the capacity.", base: "core", plot: plotCapacity,
		rows: []row{{name: "core", kind: ours}, {name: "mutex ring", kind: reference}},
	}
	for _, c := range shownCapacities {
		t.columns = append(t.columns, capacityName(c))
		t.rows[0].cells = append(t.rows[0].cells, capacityValue("BenchmarkAppendCapacity/design=core", c))
		t.rows[1].cells = append(t.rows[1].cells, capacityValue("BenchmarkReferenceMutexRingCapacity", c))
	}
	return t
}

func memoryTables() []table {
	sizes := []int{1 << 10, 1 << 16, 1 << 20}
	var columns []string
	for _, c := range sizes {
		columns = append(columns, capacityName(c))
	}
	cells := func(name, kind, bench string) row {
		r := row{name: name, kind: kind}
		for _, c := range sizes {
			r.cells = append(r.cells, value{fmt.Sprintf("%s/capacity=%d", bench, c), perItem, 0})
		}
		return r
	}
	return []table{
		{
			title: "Memory per event", text: "Heap of a full store over its capacity, with events of 32 bytes.", columns: columns, base: "core",
			rows: []row{
				cells("core", ours, "BenchmarkEventMemory/design=core"), cells("core, rollup registered", ours, "BenchmarkEventMemory/design=rollup"),
				cells("mutex ring", reference, "BenchmarkReferenceMutexRingMemory"), cells("channel", peer, "BenchmarkPeerChannelMemory"),
				cells("xsync MPMCQueue", peer, "BenchmarkPeerXsyncMPMCQueueMemory"),
				cells("go-diodes ManyToOne", peer, "BenchmarkPeerDiodeMemory"), cells("Workiva RingBuffer", peer, "BenchmarkPeerWorkivaRingMemory"),
			},
		},
		{
			title: "Memory per event with strings", text: "The same with events of 48 bytes, without what the strings point to.",
			columns: columns, base: "core",
			rows: []row{
				cells("core", ours, "BenchmarkEventMemoryString/design=core"),
				cells("mutex ring", reference, "BenchmarkReferenceMutexRingMemoryString"),
			},
		},
		{
			title: "Memory of a small partition", text: "Heap of a partition that holds three events of 32 bytes.",
			columns: []string{"per partition"}, rows: []row{{"core", ours, []value{{"BenchmarkPartitionMemory", perPart, 0}}}},
		},
	}
}
