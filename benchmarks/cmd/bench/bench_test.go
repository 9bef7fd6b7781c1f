package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// Every row is measured in a run that is much too short for figures.
func TestEveryRowIsMeasured(t *testing.T) {
	o := options{rounds: 2, divisor: 1000, only: regexp.MustCompile("")}
	r, err := measureAll(o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != len(rows()) {
		t.Fatalf("%d of %d rows", len(r.Rows), len(rows()))
	}
	for _, row := range r.Rows {
		if v := row.Value.Median; math.IsNaN(v) || math.IsInf(v, 0) || row.Value.Min > row.Value.Max {
			t.Errorf("%s: value %+v", row.Measure, row.Value)
		}
		if row.Case != nil && (row.Case.Min <= 0 || row.Reference.Min <= 0) {
			t.Errorf("%s: case %+v, reference %+v", row.Measure, row.Case, row.Reference)
		}
	}
	var text, table bytes.Buffer
	if r.writeText(&text) != nil || r.writeMarkdown(&table) != nil {
		t.Error("writing to memory failed")
	}
	if got := strings.Count(text.String(), "\n"); got != len(r.Rows)+2 {
		t.Errorf("the text has %d lines", got)
	}
	for line := range strings.Lines(table.String()) {
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|-") && strings.Count(line, "|") != 8 {
			t.Errorf("no line of seven columns: %s", line)
		}
	}
}

func TestEachJobIsNamedOnceAndUsed(t *testing.T) {
	used, known := map[string]bool{}, map[string]bool{}
	for _, r := range rows() {
		for _, k := range r.keys() {
			used[jobOf(k)] = true
		}
	}
	for _, j := range jobs() {
		if known[j.name] {
			t.Errorf("two jobs are named %q", j.name)
		}
		known[j.name] = true
		if !used[j.name] {
			t.Errorf("no row uses job %q", j.name)
		}
	}
	measures := map[string]bool{}
	for _, r := range rows() {
		if measures[r.measure] {
			t.Errorf("two rows are named %q", r.measure)
		}
		measures[r.measure] = true
	}
}

func TestJudge(t *testing.T) {
	samples := map[string][]float64{
		"fast": {1, 2, 4}, "slow": {10, 10, 100}, "slow CPU/wall": {1.5, 2, 1.9}, "spread": {1, 1.01, 1.02, 1.03, 1.04, 1.05},
	}
	for _, c := range []struct {
		name    string
		row     row
		want    measure.Spread
		verdict string
		reached bool
	}{
		{"ratio of the same round", row{of: "fast", by: "slow", must: atMost(0.1), goal: atMost(0.05)}, measure.Spread{Median: 0.1, Min: 0.04, Max: 0.2}, verdictOK, false},
		{"missed", row{of: "fast", by: "slow", must: atMost(0.09)}, measure.Spread{Median: 0.1, Min: 0.04, Max: 0.2}, verdictMissed, false},
		{"faster", row{of: "fast", by: "slow", faster: true, must: atLeast(10), goal: atLeast(9)}, measure.Spread{Median: 10, Min: 5, Max: 25}, verdictOK, true},
		{"too little faster", row{of: "fast", by: "slow", faster: true, must: atLeast(11)}, measure.Spread{Median: 10, Min: 5, Max: 25}, verdictMissed, false},
		{"alone", row{of: "fast", unit: "ns"}, measure.Spread{Median: 2, Min: 1, Max: 4}, verdictNone, false},
		{"series", row{series: []string{"fast", "slow"}, must: atMost(4)}, measure.Spread{Median: 5, Min: 5, Max: 25}, verdictMissed, false},
		{"interval", row{of: "spread", unit: "x", interval: true, must: limit{"<", 1.05}}, measure.Spread{Median: 1.025, Min: 1, Max: 1.05}, verdictMissed, false},
	} {
		got, err := judge(c.row, samples)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !near(got.Value, c.want) || got.Verdict != c.verdict || got.Reached != c.reached {
			t.Errorf("%s: %+v %s %v, want %+v %s %v", c.name, got.Value, got.Verdict, got.Reached, c.want, c.verdict, c.reached)
		}
	}
	if _, err := judge(row{measure: "m", of: "fast", by: "gone"}, samples); err == nil {
		t.Error("a reference that was not measured must be an error")
	}
	if got, _ := judge(row{of: "slow", by: "fast"}, samples); len(got.Overlap) != 1 || got.Overlap[0] != 1.9 {
		t.Errorf("CPU/wall %v", got.Overlap)
	}
}

func near(a, b measure.Spread) bool {
	const eps = 1e-12
	return math.Abs(a.Median-b.Median) < eps && math.Abs(a.Min-b.Min) < eps && math.Abs(a.Max-b.Max) < eps
}

func TestGate(t *testing.T) {
	r := report{Rows: []result{{Measure: "a", Verdict: verdictOK}, {Measure: "b", Verdict: verdictMissed}, {Measure: "c", Verdict: verdictNone}}}
	if got := r.missed(); len(got) != 1 || got[0] != "b" {
		t.Errorf("missed %v", got)
	}
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"-run nothing-is-named-so", exitFailed, "no row matches"},
		{"-run (", exitFailed, "missing closing"},
		{"-json -markdown", exitFailed, "exclude"},
		{"-rounds -1", exitFailed, "rounds"},
		{"surplus", exitFailed, "surplus"},
	} {
		var out, errs bytes.Buffer
		if code := run(strings.Fields(c.args), &out, &errs); code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: exit code %d, %q", c.args, code, errs.String())
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"-quick", "-rounds", "1", "-json", "-run", "^cut resolved"}, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d, %q", code, errs.String())
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Rows) != 1 || r.Rounds != 1 || !r.Quick || r.Machine.Cores == 0 {
		t.Errorf("%v: %+v", err, r)
	}
}
