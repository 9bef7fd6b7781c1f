package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"strings"
)

// missing collects what is wrong with the samples of all tables, each fault once.
type missing struct {
	errs []error
	seen map[string]bool
}

func (m *missing) add(err error) {
	if err != nil && !m.seen[err.Error()] {
		m.seen[err.Error()] = true
		m.errs = append(m.errs, err)
	}
}

// A document is what a report consists of.
type document struct {
	tables []table
	plots  []plot
}

// whole is the report of this repository.
func whole() document { return document{tables(), plots()} }

// markdown writes the report. The plots and the raw results are linked below folder. It fails with all that is missing;
// no cell of a table is left out.
func (d document) markdown(r *results, folder string) ([]byte, error) {
	var b bytes.Buffer
	m := missing{seen: map[string]bool{}}
	overlap, err := r.overlap()
	m.add(err)
	writeIntro(&b, r, folder, overlap)
	for _, t := range d.tables {
		t.write(&b, r, &m)
		if t.plot != "" {
			fmt.Fprintf(&b, "\n![%s](%s/%s)\n", d.plotTitle(t.plot), folder, t.plot)
		}
	}
	b.WriteString(closing)
	if err := errors.Join(m.errs...); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeIntro(b *bytes.Buffer, r *results, folder, overlap string) {
	h := func(key string) string { return escape(r.header[key]) }
	b.WriteString("# Benchmarks\n\nWritten by `go run ./benchmarks/cmd/report`; do not edit.\n\n")
	if r.header[keyMode] == modeQuick {
		b.WriteString("**A quick run: it shows that everything works. Its figures mean nothing.**\n\n")
	}
	b.WriteString("| | |\n|---|---|\n")
	for _, line := range [][2]string{
		{"measured", h(keyDate)},
		{"machine", fmt.Sprintf("%s; %s cores, GOMAXPROCS %s; %s/%s", h(keyCPU), h(keyCores), h(keyProcs), h(keyOS), h(keyArch))},
		{"Go", h(keyGo)},
		{"revision", h(keyRevision)},
		{"command", "`" + strings.ReplaceAll(h(keyCommand), "`", "") + "`"},
		{"rounds", h(keyRounds)},
		{"load average", fmt.Sprintf("%s before, %s after", h(keyLoadBefore), h(keyLoadAfter))},
		{"CPU/wall, 2 writers", overlap},
		{"raw results", fmt.Sprintf("[%s](%s/%s), for benchstat and for `-from`", rawFile, folder, rawFile)},
	} {
		fmt.Fprintf(b, "| %s | %s |\n", line[0], line[1])
	}
	b.WriteString(howToRead)
	if r.rounds < judgedRounds {
		fmt.Fprintf(b, "\n**Only %d of the %d rounds that a verdict needs: the tables have none.**\n", r.rounds, judgedRounds)
	}
}

const howToRead = `
## How to read the tables

Every benchmark ran once per round, in a process of its own, every other round in reverse order. A cell is the median of
the rounds and, in brackets, the least and the greatest of them. Events are 32 bytes and stores keep 65,536 of them unless it
says otherwise; a store was filled three times before it was measured.

The last column compares a row with the one that its heading names, round by round: "0.5 ×" is half the time or memory.
"Faster" or "smaller", in bold, says that this row wins: the whole 95 % interval of the median ratio is below 1. "No clear
difference" says that the interval includes 1. Below 6 rounds there is no such interval and no verdict.

Every design appends through a closure of the same kind. With 8 writers on fewer processors goroutines take turns. CPU/wall
tells how many processors worked in the runs with 2 writers: near 1 they took turns, and such a run says nothing about
contention. A machine with other work to do makes every figure doubtful: see the load average.
`

func (t table) write(b *bytes.Buffer, r *results, m *missing) {
	head := append([]string{"", ""}, t.columns...)
	if t.base != "" {
		head = append(head, "against “"+t.base+"”")
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| %s |\n|%s\n", t.title, t.text, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, line := range t.rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(t.cells(line, r, m), " | "))
	}
	for _, line := range t.servers {
		if r.has(line.row) {
			fmt.Fprintf(b, "| %s |\n", strings.Join(t.cells(line.row, r, m), " | "))
		}
	}
}

func (d document) plotTitle(file string) string {
	for _, p := range d.plots {
		if p.file == file {
			return p.chart.Title
		}
	}
	panic("report: no plot " + file) // tables and plots are part of this program
}

// cells returns the columns of a row.
func (t table) cells(line row, r *results, m *missing) []string {
	out := []string{line.name, line.kind}
	base := t.baseRow()
	var words []string
	for i, v := range line.cells {
		if v.bench == "" {
			out = append(out, "")
			continue
		}
		samples, err := r.of(v)
		m.add(err)
		out = append(out, spread(v.unit, samples))
		if base == nil || base.name == line.name || base.cells[i].bench == "" {
			continue
		}
		by, err := r.of(base.cells[i])
		m.add(err)
		less, more := "faster", "slower"
		if !isTime(v.unit) {
			less, more = "smaller", "larger"
		}
		text, err := compare(samples, by, less, more)
		m.add(err)
		words = append(words, t.columns[i]+" "+text)
	}
	switch {
	case base == nil:
	case base.name == line.name:
		out = append(out, "")
	default:
		out = append(out, strings.Join(words, "; "))
	}
	return out
}

// baseRow returns the row that others are compared with; nil if there is none.
func (t table) baseRow() *row {
	for i := range t.rows {
		if t.base != "" && t.rows[i].name == t.base {
			return &t.rows[i]
		}
	}
	return nil
}

// escape keeps a text of the machine from being read as Markdown.
func escape(s string) string { return strings.ReplaceAll(html.EscapeString(s), "|", "\\|") }

const closing = `
## What is compared

Each of the others is used the way its documentation recommends, and as fast as we know how.

| name | how it is used |
|---|---|
| mutex ring | an array, a counter and a mutex; reading copies under the lock |
| eight mutex rings | a writer takes the first free one from a random start; order is lost |
| add, store, exchange; atomic add | floors: the least that a shared append can cost; no store, for nothing protects a reader |
| channel | a buffered channel; a writer that finds it full takes the oldest event away |
| [xsync](https://github.com/puzpuzpuz/xsync) MPMCQueue | bounded queue; a writer that finds it full takes the oldest event away |
| [go-diodes](https://code.cloudfoundry.org/go-diodes) | overwrites its oldest by itself; takes pointers, so every event is allocated; one reader at most |
| [Workiva](https://github.com/Workiva/go-datastructures) RingBuffer | ` + "`Offer`, and `Get`" + ` when it is full; holds interfaces, so every event is allocated |
| [prometheus](https://github.com/prometheus/client_golang) histogram, summary | 11 buckets; median and p99 of the last 10 minutes; no labels; nobody scrapes |
| [OpenTelemetry](https://go.opentelemetry.io/otel) histogram | the same buckets, one attribute set made beforehand, a manual reader that nobody asks |

None of them can show a consistent view of many events to several readers while writers go on; that is what the
difference pays for, where there is one.

Not measured, because on 2026-11-23 the module proxy refused ` + "`go get …@latest`" + ` of them ("403 Forbidden: This module version
is not available"):
` + "`github.com/smarty/go-disruptor`, `github.com/hedzr/go-ringbuf/v2`, `github.com/LENSHOOD/go-lock-free-ring-buffer`,\n" +
	"`github.com/asecurityteam/rolling`, `github.com/alphadose/zenq/v2`" + `.
`
