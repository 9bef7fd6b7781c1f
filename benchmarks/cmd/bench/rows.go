package main

import (
	"fmt"
	"strings"

	"github.com/ephemera-go/ephemera/benchmarks"
)

// A limit is what a value must be, such as "<= 1.25".
type limit struct {
	op    string // <=, < or >=; empty: no limit
	value float64
}

func atMost(v float64) limit  { return limit{"<=", v} }
func atLeast(v float64) limit { return limit{">=", v} }

func (l limit) holds(v float64) bool {
	switch l.op {
	case "<=":
		return v <= l.value
	case "<":
		return v < l.value
	case ">=":
		return v >= l.value
	}
	return true
}

func (l limit) String() string {
	if l.op == "" {
		return "-"
	}
	return fmt.Sprintf("%s %g", l.op, l.value)
}

// A row is a line of the table: a case over its reference, or a case alone. Cases and references name samples: a job
// and a metric.
type row struct {
	measure    string
	of         string
	by         string   // "": of is judged as it is
	faster     bool     // the ratio is reference over case
	series     []string // instead of of and by: greatest median over least
	interval   bool     // judged by the upper end of the 95 % interval of the median
	unit       string   // of a case alone or, for a ratio, of both; "" is ns
	must, goal limit
}

// keys returns the samples that the row needs.
func (r row) keys() []string {
	switch {
	case r.series != nil:
		return r.series
	case r.by == "":
		return []string{r.of}
	}
	return []string{r.of, r.by}
}

// jobOf returns the job that a sample belongs to.
func jobOf(key string) string {
	for _, m := range []string{bytesOp, allocs, overlap, p9999, p999, p99} {
		if job, ok := strings.CutSuffix(key, m); ok {
			return job
		}
	}
	return key
}

// rows is the table of requirements: what must hold, and what we aim at.
func rows() []row {
	list := appendRows()
	list = append(list, readerRows()...)
	list = append(list, queryRows()...)
	list = append(list, costRows()...)
	list = append(list, signalRows()...)
	return append(list, referenceRows()...)
}

func appendRows() []row {
	return []row{
		{measure: "append, Ordered, 1 writer / mutex ring", of: "ordered w=1", by: "mutex w=1", must: atMost(1.25), goal: atMost(1)},
		{measure: "append, Lanes, 1 writer / mutex ring", of: "lanes w=1", by: "mutex w=1", must: atMost(1.4), goal: atMost(1.2)},
		{measure: "append, Lanes, 2 writers / mutex ring", of: "lanes w=2", by: "mutex w=2", must: atMost(0.65), goal: atMost(0.5)},
		{measure: "append, Lanes, 8 writers / mutex ring", of: "lanes w=8", by: "mutex w=8", must: atMost(0.2), goal: atMost(0.12)},
		{measure: "append, Producer / mutex ring", of: "producer", by: "mutex w=1", must: atMost(0.65), goal: atMost(0.5)},
		{
			measure: "append, Producer, batch of 64 per event / mutex ring, single", of: "producer batch", by: "mutex w=1",
			must: atMost(0.12), goal: atMost(0.1),
		},
		{
			measure: "append, 2 writers, own partition each / mutex ring each", of: "own partition w=2", by: "own mutex w=2",
			must: atMost(1.2), goal: atMost(1),
		},
		{
			measure: "append, 2 writers, random one of 8 partitions / of 8 mutex rings", of: "random partition w=2",
			by: "random mutex w=2", must: atMost(1.6), goal: atMost(1.2),
		},
		{
			measure: "append, 2 writers, one hot partition / mutex ring", of: "ordered w=2", by: "mutex w=2",
			must: atMost(3.8), goal: atMost(1.5),
		},
		{measure: "append, 2 writers, one hot partition, p99 / mutex ring", of: "ordered latency w=2" + p99, by: "mutex latency w=2" + p99},
		{measure: "append, 8 writers, one partition / mutex ring", of: "ordered w=8", by: "mutex w=8", must: atMost(0.9), goal: atMost(0.5)},
		{
			measure: "append, AppendBatch of 64 per event, 1 writer / mutex ring's batch", of: "ordered batch w=1",
			by: "mutex batch w=1", must: atMost(1.1), goal: atMost(0.9),
		},
		{
			measure: "append, AppendBatch of 64 per event, 8 writers / mutex ring's batch", of: "ordered batch w=8",
			by: "mutex batch w=8", must: atMost(1.5), goal: atMost(1),
		},
	}
}

func readerRows() []row {
	return []row{
		{
			measure: "append beside a constant full scanner / mutex ring beside one", of: "ordered + scanner",
			by: "mutex + scanner", must: atMost(0.15), goal: atMost(0.1),
		},
		{
			measure: "append beside a constant full scanner, p99.99 / mutex ring", of: "ordered + scanner latency" + p9999,
			by: "mutex + scanner latency" + p9999, must: atMost(0.01), goal: atMost(0.001),
		},
		{
			measure: "append beside a constant full scanner / without one", of: "ordered + scanner", by: "ordered quiet",
			must: atMost(1.15), goal: atMost(1.05),
		},
		{
			measure: "append, p99.9, 1 writer, no reader / mutex ring", of: "ordered latency" + p999, by: "mutex latency" + p999,
			must: atMost(2), goal: atMost(1),
		},
		{measure: "rollup registered, idle / none", of: "idle rollup", interval: true, unit: "x", must: limit{"<", 1.02}},
		{
			measure: "rollup queried 10 x per second at full append speed / none", of: "queried rollup", by: "no rollup",
			must: atMost(1.2), goal: atMost(1.1),
		},
	}
}

func queryRows() []row {
	return []row{
		{measure: "window query of 1 Mi events, all, faster than a scan", of: "query all", by: "scan all", faster: true, must: atLeast(200), goal: atLeast(400)},
		{
			measure: "window query of 1 Mi events, last 1 %, faster than a scan", of: "query last 1 %", by: "scan last 1 %",
			faster: true, must: atLeast(80), goal: atLeast(150),
		},
		{
			measure: "window query of 1 Mi events, random ranges, faster than a scan", of: "query random", by: "scan random",
			faster: true, must: atLeast(40), goal: atLeast(100),
		},
		{measure: "cut, open and close / atomic add pair", of: "cut", by: "atomic pair", must: atMost(4), goal: atMost(2)},
		{measure: "cut resolved over 1 Mi events", of: "cut resolved", unit: "ns", goal: atMost(500)},
		{
			measure: "full scan in runs, faster than mutex copy and scan", of: "scan in runs", by: "mutex copy and scan", faster: true,
			must: atLeast(1.15), goal: atLeast(1.3),
		},
	}
}

func costRows() []row {
	var flat []string
	for _, c := range capacities {
		flat = append(flat, flatName(c))
	}
	list := []row{{measure: "append over capacity 1 Ki to 4 Mi, greatest / least", series: flat, must: atMost(1.3), goal: atMost(1.1)}}
	for _, c := range []struct{ name, job string }{
		{"Ordered, 1 writer", "ordered w=1"}, {"Ordered, 8 writers", "ordered w=8"}, {"Lanes, 8 writers", "lanes w=8"},
	} {
		list = append(list,
			row{measure: "allocation, " + c.name, of: c.job + allocs, unit: "allocs/op", must: limit{"<", 0.005}, goal: limit{"<", 0.005}},
			row{measure: "allocated, " + c.name, of: c.job + bytesOp, unit: "B/op", must: atMost(0.1), goal: atMost(0)},
		)
	}
	return append(list, row{
		measure: "memory of a partition with 3 small events", of: "partition of 3 events", unit: "B",
		must: atMost(2048), goal: atMost(1024),
	})
}

func signalRows() []row {
	list := []row{
		{measure: "raise by Name / core append with a clock", of: "raise by name", by: "stamped append", must: atMost(1.5), goal: atMost(1.2)},
		{measure: "raise by string / core append with a clock", of: "raise by string", by: "stamped append"},
		{measure: "allocation, raise by Name", of: "raise by name" + allocs, unit: "allocs/op", must: limit{"<", 0.005}},
	}
	musts, goals := []float64{10, 3, 1}, []float64{15, 4, 2}
	for _, size := range senseSizes {
		for i, x := range benchmarks.Shares() {
			list = append(list, row{
				measure: fmt.Sprintf("sense %s of %d signals, faster than a HasPrefix loop", x.Name, size.signals),
				of:      senseName("sense", size.signals, x), by: senseName("loop", size.signals, x), faster: true,
				must: atLeast(musts[i]), goal: atLeast(goals[i]),
			})
		}
	}
	for _, sync := range []string{"normal", "full"} {
		list = append(list, row{
			measure: "flush to SQLite, synchronous=" + sync + " / inserts by hand", of: "flush " + sync, by: "insert " + sync,
			must: atMost(1.25), goal: atMost(1),
		})
	}
	return list
}

// referenceRows are there to judge the references and the clock, not core.
func referenceRows() []row {
	list := []row{
		{measure: "reference: empty operation", of: "empty", unit: "ns"},
		{measure: "reference: empty clock probe, p50", of: "clock", unit: "ns"},
		{measure: "reference: empty clock probe, p99.9", of: "clock" + p999, unit: "ns"},
		{measure: "reference: bare atomic add / mutex ring", of: "atomic add", by: "mutex w=1"},
		{measure: "reference: atomic add, store, exchange / mutex ring", of: "floor", by: "mutex w=1"},
	}
	for _, w := range []string{"1 writer", "2 writers", "8 writers"} {
		for _, d := range []string{"sharded", "channel", "xsync"} {
			list = append(list, row{
				measure: fmt.Sprintf("reference: %s, %s / mutex ring", d, w), of: d + " w=" + w[:1], by: "mutex w=" + w[:1],
			})
		}
	}
	return list
}
