package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks"
)

// A table compares its rows with the row base, which is the first of its name.
type table struct {
	title, text string
	columns     []string
	rows        []row
	servers     []serverRow
	base        string
	plot        string // file that is shown below; empty if there is none
}

// A row is a design. A cell without a benchmark is empty: the design has no such thing.
type row struct {
	name  string
	kind  string
	cells []value
}

// A serverRow needs a server that is not everywhere. It is measured if the server is available, and shown if it was
// measured.
type serverRow struct {
	row
	available bool
}

// What a row is.
const (
	ours      = "ephemera"
	reference = "reference"
	peer      = "peer"
)

var writerColumns = []string{"1 writer", "2 writers", "8 writers"}

// byWriters has a cell for 1, 2 and 8 writers.
func byWriters(name, kind, bench string, per float64) row {
	r := row{name: name, kind: kind}
	for _, w := range []int{1, 2, 8} {
		r.cells = append(r.cells, value{fmt.Sprintf("%s/writers=%d", bench, w), perOp, per})
	}
	return r
}

// oneWriter has a cell for 1 writer only.
func oneWriter(name, kind, bench string, per float64) row {
	return row{name, kind, []value{{bench + "/writers=1", perOp, per}, {}, {}}}
}

func appendTable() table {
	return table{
		title:   "One event",
		text:    "Time per append of a 32-byte event, over all writers: with 2 writers each of them sees about twice that.",
		columns: writerColumns, base: "core", plot: plotThroughput,
		rows: []row{
			byWriters("core", ours, "BenchmarkAppend/design=core", 0),
			byWriters("core, `Lanes`", ours, "BenchmarkAppend/design=lanes", 0),
			byWriters("core, `Key`, 8 partitions", ours, "BenchmarkAppend/design=keyed", 0),
			oneWriter("core, `Producer`", ours, "BenchmarkAppend/design=producer", 0),
			byWriters("mutex ring", reference, "BenchmarkReferenceMutexRing", 0),
			byWriters("eight mutex rings", reference, "BenchmarkReferenceShardedMutexRing", 0),
			byWriters("add, store, exchange", reference, "BenchmarkReferenceFloor", 0),
			byWriters("atomic add", reference, "BenchmarkReferenceAtomicAdd", 0),
			byWriters("channel", peer, "BenchmarkPeerChannel", 0),
			byWriters("xsync MPMCQueue", peer, "BenchmarkPeerXsyncMPMCQueue", 0),
			byWriters("go-diodes ManyToOne", peer, "BenchmarkPeerDiode", 0),
			oneWriter("go-diodes OneToOne", peer, "BenchmarkPeerSingleDiode", 0),
			byWriters("Workiva RingBuffer", peer, "BenchmarkPeerWorkivaRing", 0),
		},
	}
}

func stringTable() table {
	return table{
		title:   "One event with strings",
		text:    "Time per append of a 48-byte event with two strings, which the garbage collector has to look at.",
		columns: writerColumns, base: "core",
		rows: []row{
			byWriters("core", ours, "BenchmarkAppendString/design=core", 0),
			byWriters("core, `Lanes`", ours, "BenchmarkAppendString/design=lanes", 0),
			oneWriter("core, `Producer`", ours, "BenchmarkAppendString/design=producer", 0),
			byWriters("mutex ring", reference, "BenchmarkReferenceMutexRingString", 0),
			byWriters("channel", peer, "BenchmarkPeerChannelString", 0),
			byWriters("xsync MPMCQueue", peer, "BenchmarkPeerXsyncMPMCQueueString", 0),
		},
	}
}

func batchTables() []table {
	const n = benchmarks.BatchSize
	text := fmt.Sprintf("Time per event in batches of %d; the mutex ring stores a batch under one lock. The peers have no batches.", n)
	return []table{
		{
			title: "Batches", text: text, columns: writerColumns, base: "core",
			rows: []row{
				byWriters("core", ours, "BenchmarkAppendBatch64/design=core", n),
				byWriters("core, `Lanes`", ours, "BenchmarkAppendBatch64/design=lanes", n),
				oneWriter("core, `Producer`", ours, "BenchmarkAppendBatch64/design=producer", n),
				byWriters("mutex ring", reference, "BenchmarkReferenceMutexRingBatch64", n),
			},
		},
		{
			title: "Batches of events with strings", text: "As above, with events of 48 bytes.", columns: writerColumns, base: "core",
			rows: []row{
				byWriters("core", ours, "BenchmarkAppendStringBatch64/design=core", n),
				byWriters("core, `Lanes`", ours, "BenchmarkAppendStringBatch64/design=lanes", n),
				oneWriter("core, `Producer`", ours, "BenchmarkAppendStringBatch64/design=producer", n),
				byWriters("mutex ring", reference, "BenchmarkReferenceMutexRingStringBatch64", n),
			},
		},
	}
}

func partitionTable() table {
	return table{
		title: "Several partitions, two writers",
		text:  "Time per append by `AppendTo`: each writer to a partition of its own, or to a random one of eight.",
		columns: []string{
			"own partition each", "random one of 8",
		}, base: "core",
		rows: []row{
			{"core", ours, []value{
				{"BenchmarkAppendTo/partition=own/writers=2", perOp, 0}, {"BenchmarkAppendTo/partition=random/writers=2", perOp, 0},
			}},
			{"mutex rings", reference, []value{
				{"BenchmarkReferenceMutexRings/ring=own/writers=2", perOp, 0},
				{"BenchmarkReferenceMutexRings/ring=random/writers=2", perOp, 0},
			}},
		},
	}
}

// allocTable is about garbage, not about time.
func allocTable() table {
	cell := func(name, kind, bench string) row {
		return row{name, kind, []value{{bench + "/writers=1", allocs, 0}, {bench + "/writers=1", bytesOp, 0}}}
	}
	return table{
		title:   "Garbage of an append",
		text:    "Allocations and allocated bytes per append with one writer, background work included.",
		columns: []string{"allocations", "bytes"},
		rows: []row{
			cell("core", ours, "BenchmarkAppend/design=core"),
			cell("core, `Lanes`", ours, "BenchmarkAppend/design=lanes"),
			cell("mutex ring", reference, "BenchmarkReferenceMutexRing"),
			cell("channel", peer, "BenchmarkPeerChannel"),
			cell("xsync MPMCQueue", peer, "BenchmarkPeerXsyncMPMCQueue"),
			cell("go-diodes ManyToOne", peer, "BenchmarkPeerDiode"),
			cell("Workiva RingBuffer", peer, "BenchmarkPeerWorkivaRing"),
		},
	}
}
