package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/chart"
)

// small is a document of three benchmarks. In six rounds the peer is faster with one writer, slower with two, and with
// eight nobody can tell.
func small() document {
	return document{
		tables: []table{
			{
				title: "Appends", text: "Time per append.", columns: writerColumns, base: "core", plot: "small.svg",
				rows: []row{
					byWriters("core", ours, "BenchmarkAppend/design=core", 0),
					oneWriter("producer", ours, "BenchmarkAppend/design=producer", 0),
					byWriters("peer", peer, "BenchmarkPeer", 0),
				},
			},
			{
				title: "Memory", text: "Bytes.", columns: []string{"per event"}, base: "core",
				rows: []row{
					{"core", ours, []value{{"BenchmarkEventMemory/capacity=8", perItem, 0}}},
					{"peer", peer, []value{{"BenchmarkPeerMemory/capacity=8", perItem, 0}}},
				},
			},
			{
				title: "Alone", text: "No comparison.", columns: []string{"with / without", "p99", "allocations"},
				rows: []row{{"core", ours, []value{{"BenchmarkIdle", ratio, 0}, {"BenchmarkLatency", "p99-sec", 0}, {"BenchmarkPeer/writers=1", allocs, 0}}}},
			},
		},
		plots: []plot{{
			file: "small.svg",
			chart: chart.Chart{
				Title: "Small", Text: "Time over writers.", Y: chart.Scale{Label: "time", Text: nanoseconds},
				X: chart.Axis{Label: "writers", Ticks: []chart.Tick{{At: 0, Label: "1"}, {At: 1, Label: "2"}, {At: 3, Label: "8"}}},
			},
			lines: []line{{
				name: "core", at: []float64{0, 1, 3}, of: byWriters("", "", "BenchmarkAppend/design=core", 0).cells,
				to: toNanoseconds, bars: true,
			}},
		}},
	}
}

const header = `date: 2026-01-02T03:04:05Z
go: go1.25.0
goos: linux
goarch: amd64
cpu: Some <CPU> | fast
cores: 2
gomaxprocs: 2
rounds: 6
mode: full
command: go run ./benchmarks/cmd/report
revision: 0123456789ab
load-before: 0.00 0.00 0.00
load-after: 1.00 0.50 0.10
`

// sixRounds are the raw results of small.
func sixRounds() string {
	var b strings.Builder
	b.WriteString(header + "Unit p99-ns better=lower\npkg: example\n")
	for i := range 6 {
		x := float64(i) / 10
		fmt.Fprintf(&b, "BenchmarkAppend/design=core/writers=1-2 \t 100\t %g ns/op\t 0 B/op\t 0 allocs/op\n", 10+x)
		fmt.Fprintf(&b, "BenchmarkAppend/design=core/writers=2-2 \t 100\t %g ns/op\t 1.9 cpu/wall\n", 40+x)
		fmt.Fprintf(&b, "BenchmarkAppend/design=core/writers=8-2 \t 100\t %g ns/op\n", 1600+100*x)
		fmt.Fprintf(&b, "BenchmarkAppend/design=producer/writers=1-2 \t 100\t %g ns/op\n", 8+x)
		fmt.Fprintf(&b, "BenchmarkPeer/writers=1-2 \t 100\t %g ns/op\t 48 B/op\t 2 allocs/op\n", 5+x)
		fmt.Fprintf(&b, "BenchmarkPeer/writers=2-2 \t 100\t %g ns/op\t 1.8 cpu/wall\n", 120+x)
		fmt.Fprintf(&b, "BenchmarkPeer/writers=8-2 \t 100\t %g ns/op\n", 1650-20*x)
		fmt.Fprintf(&b, "BenchmarkEventMemory/capacity=8-2 \t 1\t %g bytes/event\n", 33.5)
		fmt.Fprintf(&b, "BenchmarkPeerMemory/capacity=8-2 \t 1\t %g bytes/event\n", 32.0)
		fmt.Fprintf(&b, "BenchmarkIdle-2 \t 1\t %g idle-ratio\n", 1+x/100)
		fmt.Fprintf(&b, "BenchmarkLatency-2 \t 1\t 12 ns/op\t %g p99-ns\n", 1.2e6+1e5*x)
	}
	b.WriteString("PASS\n")
	return b.String()
}

// The files were looked at once. After a wanted change EPHEMERA_UPDATE=1 writes them anew, to be looked at again.
func TestGoldenReport(t *testing.T) {
	b, err := small().render("results.txt", []byte(sixRounds()))
	if err != nil {
		t.Fatal(err)
	}
	files := maps.Clone(b.files)
	files["report.md"] = b.report
	for name, got := range files {
		golden := filepath.Join("testdata", name)
		if os.Getenv("EPHEMERA_UPDATE") != "" {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s", name, got)
		}
	}
	if !strings.HasPrefix(b.id, "2026-01-02-") {
		t.Errorf("the folder is %s", b.id)
	}
}

func TestTheSameResultsMakeTheSameReport(t *testing.T) {
	raw := []byte(sixRounds())
	first, err := small().render("a", raw)
	if err != nil {
		t.Fatal(err)
	}
	second, err := small().render("b", raw)
	if err != nil {
		t.Fatal(err)
	}
	if first.id != second.id || !bytes.Equal(first.report, second.report) || !maps.EqualFunc(first.files, second.files, bytes.Equal) {
		t.Error("two renderings differ")
	}
	other, err := small().render("c", append(raw, '\n'))
	if err != nil || other.id == first.id {
		t.Errorf("other results have the same folder: %s, %v", other.id, err)
	}
}

func TestWordsSayWhoIsFaster(t *testing.T) {
	b, err := small().render("results.txt", []byte(sixRounds()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 writer **faster** (0.512 ×); 2 writers slower (2.99 ×); 8 writers no clear difference (1.01 ×)",
		"per event **smaller** (0.955 ×)",
		"| producer | ephemera | 8.25 ns [8.00..8.50] |  |  | 1 writer **faster** (0.805 ×) |",
		"| core | ephemera | 1.0025 [1.0000..1.0050] | 1.22 ms [1.20..1.25] | 2.00 |",
		"Some &lt;CPU&gt; \\| fast", "| CPU/wall, 2 writers | 1.85 [1.80..1.90] |",
	} {
		if !strings.Contains(string(b.report), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if strings.Contains(string(b.report), "quick run") || strings.Contains(string(b.report), "Only ") {
		t.Error("the report doubts a full run")
	}
}

func TestFewRoundsGiveNoVerdict(t *testing.T) {
	raw := strings.Replace(sixRounds(), "rounds: 6", "rounds: 1", 1)
	raw = strings.Replace(raw, "mode: full", "mode: quick", 1)
	lines := slices.DeleteFunc(strings.SplitAfter(raw, "\n"), func(s string) bool { return strings.HasPrefix(s, "Bench") })
	first := slices.DeleteFunc(strings.SplitAfter(sixRounds(), "\n"), func(s string) bool { return !strings.HasPrefix(s, "Bench") })[:11]
	b, err := small().render("results.txt", []byte(strings.Join(append(lines, first...), "")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quick run", "Only 1 of the 6 rounds", "1 writer (0.500 ×); 2 writers (3.00 ×)"} {
		if !strings.Contains(string(b.report), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if strings.Contains(string(b.report), "**faster**") {
		t.Error("one round is no proof")
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		unit string
		v    float64
		want string
	}{
		{perOp, 0.779e-9, "0.779 ns"},
		{perOp, 5e-9, "5.00 ns"},
		{perOp, 99.94e-9, "99.9 ns"},
		{perOp, 99.96e-9, "100 ns"},
		{perOp, 999.4e-9, "999 ns"},
		{perOp, 999.6e-9, "1.00 µs"},
		{perOp, 1.22e-3, "1.22 ms"},
		{perOp, 2, "2.00 s"},
		{ratio, 1.00049, "1.0005"},
		{perItem, 33.5, "33.5 B"},
		{perPart, 1050, "1050 B"},
		{allocs, 0, "0"},
		{bytesOp, 0.0005, "0.000500 B"},
		{bytesOp, 0.9999, "1.00 B"},
		{bytesOp, 1000, "1000 B"},
		{bytesOp, 123456, "123456 B"},
	} {
		if got := format(c.unit, c.v); got != c.want {
			t.Errorf("%v %s is %q, want %q", c.v, c.unit, got, c.want)
		}
	}
	if got := nines(0.99); math.Abs(got-2) > 1e-12 {
		t.Errorf("0.99 lies at %v", got)
	}
}
