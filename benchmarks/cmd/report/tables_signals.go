package main

import (
	"fmt"

	"github.com/ephemera-go/ephemera/benchmarks"
)

// signalTables are about package window.
func signalTables() []table {
	const n = benchmarks.BatchSize
	list := []table{
		{
			title: "Raising a signal",
			text: "Time per signal, over all writers. The reference appends a record of the same size with the time of the same kind " +
				"of clock to a core store.",
			columns: writerColumns, base: "window, by `Name`",
			rows: []row{
				byWriters("window, by `Name`", ours, "BenchmarkRaise/by=name", 0),
				byWriters("window, by string", ours, "BenchmarkRaise/by=string", 0),
				byWriters("window, batches of 64", ours, "BenchmarkRaiseBatch64", n),
				byWriters("core append with a clock", reference, "BenchmarkReferenceStampedAppend", 0),
				byWriters("core batches of 64 with a clock", reference, "BenchmarkReferenceStampedAppendBatch64", n),
			},
		},
	}
	for _, size := range []struct {
		name string
		n    int
	}{{"10,000", 10_000}, {"1,000,000", 1_000_000}} {
		list = append(list, senseTable("Sensing "+size.name+" signals", perOp, size.n,
			"Time of collecting the signals that a pattern covers, of 1,000 names, beside loops over a slice of the same signals. "+
				"The loop that is sized knows beforehand how many it will find. 64 MiB of other data keep the collector from "+
				"deciding the figures."))
	}
	list = append(list, senseTable("Garbage of sensing 10,000 signals", bytesOp, 10_000, "Allocated bytes of the same."))
	return append(list, flushTable(), loadTable())
}

func senseTable(title, unit string, n int, text string) table {
	cells := func(name, kind, bench string) row {
		r := row{name: name, kind: kind}
		for _, x := range benchmarks.Shares() {
			r.cells = append(r.cells, value{fmt.Sprintf("%s/signals=%d/share=%s", bench, n, x.Name), unit, 0})
		}
		return r
	}
	t := table{
		title: title, text: text, base: "Sense",
		rows: []row{
			cells("Sense", ours, "BenchmarkSense"),
			cells("strings.HasPrefix loop", reference, "BenchmarkReferenceHasPrefix"),
			cells("strings.HasPrefix loop, sized", reference, "BenchmarkReferenceHasPrefixSized"),
			cells("path.Match loop", reference, "BenchmarkReferencePathMatch"),
		},
	}
	for _, x := range benchmarks.Shares() {
		t.columns = append(t.columns, x.Name+" match")
	}
	return t
}

func flushTable() table {
	cells := func(name, kind, bench string) row {
		return row{name, kind, []value{
			{bench + "/synchronous=normal", perOp, benchmarks.Flushed}, {bench + "/synchronous=full", perOp, benchmarks.Flushed},
		}}
	}
	return table{
		title: "Flushing a window to SQLite",
		text: fmt.Sprintf("Time per signal of writing %d pending signals, beside inserts written by hand: the same driver, one "+
			"transaction, ten rows a statement, without checksums.", benchmarks.Flushed),
		columns: []string{"synchronous=normal", "synchronous=full"}, base: "Flush",
		rows: []row{
			cells("Flush", ours, "BenchmarkFlush"), cells("inserts by hand", reference, "BenchmarkReferenceSQLiteInsert"),
		},
	}
}

func loadTable() table {
	one := func(name, kind, bench string) row {
		return row{name, kind, []value{{fmt.Sprintf("%s/signals=%d", bench, benchmarks.Loaded), perOp, benchmarks.Loaded}}}
	}
	return table{
		title:   "Loading a window from SQLite",
		text:    fmt.Sprintf("Time per signal of bringing %d signals back, beside reading them into a slice by hand.", benchmarks.Loaded),
		columns: []string{"per signal"}, base: "Load",
		rows: []row{one("Load", ours, "BenchmarkLoad"), one("select by hand", reference, "BenchmarkReferenceSQLiteSelect")},
	}
}

// storageTables are about the drivers of package sinks.
func storageTables() []table {
	signals := table{
		title: "Stores of signals",
		text: "Time per signal, of appending batches and of reading pages of 1,000, with the options that a driver has by default. A " +
			"nil error of an append means durable, except in memory. Postgres and S3 are shown if there was a server; those of " +
			"testenv run on the same machine.",
		columns: []string{"append 1", "append 100", "append 1,000", "read"},
	}
	blobs := table{
		title: "Stores of blobs", text: "Time of putting and of reading a whole blob, with the same options.",
		columns: []string{"put 4 KiB", "put 1 MiB", "read 4 KiB", "read 1 MiB"},
	}
	for _, x := range benchmarks.Backends() {
		s, b := "BenchmarkSignals/store="+x.Name, "BenchmarkBlobs/store="+x.Name
		signals.add(x, []value{
			{s + "/append/batch=1", perSignal, 0},
			{s + "/append/batch=100", perSignal, 0},
			{s + "/append/batch=1000", perSignal, 0},
			{s + "/read", perSignal, 0},
		})
		blobs.add(x, []value{
			{b + "/put/bytes=4096", perOp, 0},
			{b + "/put/bytes=1048576", perOp, 0},
			{b + "/open/bytes=4096", perOp, 0},
			{b + "/open/bytes=1048576", perOp, 0},
		})
	}
	return []table{signals, blobs}
}

// add appends the row of a backend.
func (t *table) add(x benchmarks.Backend, cells []value) {
	r := row{x.Name, ours, cells}
	if x.Variable == "" {
		t.rows = append(t.rows, r)
	} else {
		t.servers = append(t.servers, serverRow{r, x.Available()})
	}
}
