package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ephemera-go/ephemera/benchmarks/internal/chart"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Files of the plots.
const (
	plotThroughput = "throughput.svg"
	plotLatency    = "latency.svg"
	plotReader     = "latency-beside-reader.svg"
	plotCapacity   = "capacity.svg"
)

// A plot is a chart that is still without its points.
type plot struct {
	file  string
	chart chart.Chart
	lines []line
}

// A line has a point for each of its values.
type line struct {
	name string
	at   []float64
	of   []value
	to   func(float64) float64 // of a sample to what is drawn
	bars bool                  // shows the range of the rounds
}

// points returns the medians over the rounds.
func (l line) points(r *results) ([]chart.Point, error) {
	var list []chart.Point
	for i, v := range l.of {
		samples, err := r.of(v)
		if err != nil {
			return nil, err
		}
		drawn := make([]float64, len(samples))
		for k, s := range samples {
			drawn[k] = l.to(s)
		}
		s := measure.Summarize(drawn)
		p := chart.Point{X: l.at[i], Y: s.Median, Low: s.Median, High: s.Median}
		if l.bars {
			p.Low, p.High = s.Min, s.Max
		}
		list = append(list, p)
	}
	return list, nil
}

// draw returns the files of the plots.
func (d document) draw(r *results) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, p := range d.plots {
		c := p.chart
		for _, l := range p.lines {
			points, err := l.points(r)
			if err != nil {
				return nil, err
			}
			c.Series = append(c.Series, chart.Series{Name: l.name, Points: points})
		}
		svg, err := c.SVG()
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", p.file, err)
		}
		files[p.file] = svg
	}
	return files, nil
}

func plots() []plot { return []plot{throughputPlot(), latencyPlot(), readerPlot(), capacityPlot()} }

func toNanoseconds(sec float64) float64 { return sec * 1e9 }

// nanoseconds labels a tick.
func nanoseconds(v float64) string {
	scale, unit := timeScale(v / 1e9)
	return plain(v/1e9*scale) + " " + unit
}

// plain prints the round numbers of ticks without zeros behind the point.
func plain(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }

func throughputPlot() plot {
	p := plot{file: plotThroughput, chart: chart.Chart{
		Title: "Throughput over writers", Text: "Millions of single appends per second by 1, 2 and 8 writers, for each design.",
		X: chart.Axis{Label: "writers", Ticks: []chart.Tick{{At: 0, Label: "1"}, {At: 1, Label: "2"}, {At: 3, Label: "8"}}},
		Y: chart.Scale{Label: "million appends per second", Text: plain},
	}}
	for _, d := range []design{
		{"core", "BenchmarkAppend/design=core"},
		{"core, Lanes", "BenchmarkAppend/design=lanes"},
		{"mutex ring", "BenchmarkReferenceMutexRing"},
		{"eight mutex rings", "BenchmarkReferenceShardedMutexRing"},
		{"channel", "BenchmarkPeerChannel"},
		{"xsync MPMCQueue", "BenchmarkPeerXsyncMPMCQueue"},
		{"go-diodes ManyToOne", "BenchmarkPeerDiode"},
	} {
		p.lines = append(p.lines, line{
			name: d.name, at: []float64{0, 1, 3}, of: byWriters(d.name, "", d.bench, 0).cells, bars: true,
			to: func(sec float64) float64 { return 1e-6 / sec },
		})
	}
	return p
}

// distribution is a plot of percentiles; its x axis stretches towards 100 %.
func distribution(file, title, text string, designs []design) plot {
	p := plot{file: file, chart: chart.Chart{
		Title: title, Text: text, X: chart.Axis{Label: "percent of the appends that took at most this long"},
		Y: chart.Scale{Label: "time of an append, clock included", Log: true, Text: nanoseconds},
	}}
	for _, q := range quantiles {
		p.chart.X.Ticks = append(p.chart.X.Ticks, chart.Tick{At: nines(q.share), Label: fmt.Sprint(percent(q.share))})
	}
	for _, d := range designs {
		l := line{name: d.name, to: toNanoseconds}
		for _, q := range quantiles {
			l.at = append(l.at, nines(q.share))
			l.of = append(l.of, value{d.bench, q.unit, 0})
		}
		p.lines = append(p.lines, l)
	}
	return p
}

var quantiles = []struct {
	share float64
	unit  string
}{{0.1, "p10-sec"}, {0.5, "p50-sec"}, {0.9, "p90-sec"}, {0.99, "p99-sec"}, {0.999, "p99.9-sec"}, {0.9999, "p99.99-sec"}}

// nines is where a share lies on the axis: 1 for 0.9, 2 for 0.99.
func nines(share float64) float64 { return -math.Log10(1 - share) }

// percent avoids the digits of 99.99000000000001.
func percent(share float64) float64 { return math.Round(share*1e6) / 1e4 }

// A design is a line of a plot and the benchmark that has its values.
type design struct{ name, bench string }

func latencyPlot() plot {
	return distribution(plotLatency, "Latency of an append, 1 writer",
		"Percentiles 10 to 99.99 of the time of a single append by one writer, for each design.", []design{
			{"core", "BenchmarkAppendLatency/design=core/writers=1"},
			{"core, Producer", "BenchmarkAppendLatency/design=producer/writers=1"},
			{"core, Lanes", "BenchmarkAppendLatency/design=lanes/writers=1"},
			{"mutex ring", "BenchmarkReferenceMutexRingLatency/writers=1"},
			{"channel", "BenchmarkPeerChannelLatency/writers=1"},
			{"xsync MPMCQueue", "BenchmarkPeerXsyncMPMCQueueLatency/writers=1"},
			{"go-diodes ManyToOne", "BenchmarkPeerDiodeLatency/writers=1"},
		})
}

func readerPlot() plot {
	return distribution(plotReader, "Latency of an append beside a constant reader",
		"Percentiles 10 to 99.99 of the time of a single append while another goroutine reads everything again and again.", []design{
			{"core", "BenchmarkAppendBesideScannerLatency/design=core/writers=1"},
			{"core, Producer", "BenchmarkAppendBesideScannerLatency/design=producer/writers=1"},
			{"core, Lanes", "BenchmarkAppendBesideScannerLatency/design=lanes/writers=1"},
			{"mutex ring", "BenchmarkReferenceMutexRingBesideScannerLatency/writers=1"},
		})
}

func capacityPlot() plot {
	p := plot{file: plotCapacity, chart: chart.Chart{
		Title: "Cost of an append over capacity", Text: "Time per append of one writer to full stores of 1 Ki to 16 Mi events.",
		X: chart.Axis{Label: "capacity in events"}, Y: chart.Scale{Label: "time per append", Text: nanoseconds},
	}}
	core := line{name: "core", to: toNanoseconds, bars: true}
	ring := line{name: "mutex ring", to: toNanoseconds, bars: true}
	for _, c := range shownCapacities {
		at := math.Log2(float64(c))
		p.chart.X.Ticks = append(p.chart.X.Ticks, chart.Tick{At: at, Label: capacityName(c)})
		core.at, ring.at = append(core.at, at), append(ring.at, at)
		core.of = append(core.of, capacityValue("BenchmarkAppendCapacity/design=core", c))
		ring.of = append(ring.of, capacityValue("BenchmarkReferenceMutexRingCapacity", c))
	}
	p.lines = []line{core, ring}
	return p
}
