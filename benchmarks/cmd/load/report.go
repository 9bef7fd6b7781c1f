package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// errWrong says that a server failed at what was measured.
var errWrong = errors.New("appends failed, or are not accounted for")

// A report is everything that was measured. Its members are stable.
type report struct {
	Measured    time.Time         `json:"measured"`
	Command     string            `json:"command"`
	Machine     machine           `json:"machine"`
	Servers     map[string]string `json:"servers"` // what they say is their version
	Connections int               `json:"connections"`
	Runs        []result          `json:"runs"`
	Accounts    []account         `json:"accounts"`
}

// A machine says where figures come from.
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	LoadBefore string `json:"loadBefore"`
	LoadAfter  string `json:"loadAfter"`
}

func newReport(o *options, w *workplace) *report {
	return &report{
		Measured: time.Now().UTC().Truncate(time.Second), Command: o.command, Servers: w.versions, Connections: o.connections,
		Machine: machine{measure.CPUModel(), runtime.NumCPU(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, measure.LoadAverage(), ""},
	}
}

func (r *report) save(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// wrong returns what must not be.
func (r *report) wrong() error {
	var p []error
	for i := range r.Runs {
		if x := &r.Runs[i]; x.Errors > 0 {
			p = append(p, fmt.Errorf("%w: round %d, %s, %s: %d appends, the first: %s", errWrong, x.Round, x.Target, x.Phase, x.Errors, x.Error))
		}
	}
	for _, a := range r.Accounts {
		if a.Stored != a.Acknowledged {
			p = append(p, fmt.Errorf("%w: round %d, %s: it acknowledged %d and has got %d", errWrong, a.Round, a.Target, a.Acknowledged, a.Stored))
		}
	}
	return errors.Join(p...)
}

// A column is one of the tables.
type column struct {
	name  string
	value func(*result) float64
}

var columns = []column{
	{"appends/s", func(x *result) float64 { return x.Rate }},
	{"p50, µs", func(x *result) float64 { return x.P50 }},
	{"p99, µs", func(x *result) float64 { return x.P99 }},
	{"p99.9, µs", func(x *result) float64 { return x.P999 }},
	{"max, µs", func(x *result) float64 { return x.Max }},
	{"CPU s/100k, server", func(x *result) float64 { return x.CPU }},
	{"generator", func(x *result) float64 { return x.OwnCPU }},
	{"others, %", func(x *result) float64 { return x.Others }},
	{"memory first, MiB", func(x *result) float64 { return mebibytes(x.Memory[0]) }},
	{"last", func(x *result) float64 { return mebibytes(x.Memory[len(x.Memory)-1]) }},
	{"peak", func(x *result) float64 { return mebibytes(x.Peak) }},
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// write prints a table for each phase.
func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s, %s, load average before %s, after %s; %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Go,
		r.Machine.OS, r.Machine.LoadBefore, r.Machine.LoadAfter, r.Measured.Format(time.RFC3339))
	for _, name := range slices.Sorted(maps.Keys(r.Servers)) {
		fmt.Fprintf(w, "%s: %s\n", name, r.Servers[name])
	}
	for _, phase := range []string{phaseOpen, phaseClosed} {
		r.table(w, phase)
	}
}

// table prints the median of all rounds, and the least and the greatest.
func (r *report) table(w io.Writer, phase string) {
	by := map[string][]*result{}
	var names []string
	for i := range r.Runs {
		x := &r.Runs[i]
		if x.Phase != phase {
			continue
		}
		if by[x.Target] == nil {
			names = append(names, x.Target)
		}
		by[x.Target] = append(by[x.Target], x)
	}
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| %s |", phase)
	for _, c := range columns {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(columns)))
	for _, name := range names {
		fmt.Fprintf(w, "| %s |", name)
		for _, c := range columns {
			var values []float64
			for _, x := range by[name] {
				values = append(values, c.value(x))
			}
			fmt.Fprintf(w, " %s |", measure.Summarize(values).Text(""))
		}
		fmt.Fprintln(w)
	}
}
