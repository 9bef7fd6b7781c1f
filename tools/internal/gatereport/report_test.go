package gatereport

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/gate"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

func example() Report {
	b := budget.Budget{
		File: "budgets.txt", Line: 3, Text: "BenchmarkA* ns/op <= +2%", Name: "BenchmarkA*", Unit: "sec/op",
		Op: budget.AtMost, Kind: budget.VersusBase, Limit: 1.02,
	}
	return Report{
		Exit:     gate.ExitOver,
		Machines: []samples.Origin{{CPU: "Fast | CPU", OS: "linux"}},
		Verdicts: []gate.Verdict{
			{
				Budget: b, Benchmark: "BenchmarkA/in", State: gate.In, Measured: true, N: 10,
				Estimate: 1, Low: 0.99, High: 1.01, Figure: 2e-9, Against: 2e-9, Floor: 1.005,
			},
			{Budget: b, Benchmark: "BenchmarkA/a|b", State: gate.Cannot, Reason: gate.ReasonFailed, Detail: "exit *status* <1>\nlost"},
			{
				Budget: b, Benchmark: "BenchmarkA/over", State: gate.Over, Measured: true, N: 10,
				Estimate: 1.1, Low: 1.05, High: math.Inf(1), Figure: 2.2e-9, Against: 2e-9,
			},
		},
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	if err := Text(&out, example()); err != nil {
		t.Fatal(err)
	}
	const want = `in budget: BenchmarkA/in sec/op: +0.00% [-1.00%, +1.00%] (n=10, 2.000n against 2.000n), budget <= +2%; noise floor +0.50% (budgets.txt:3)
cannot judge: BenchmarkA/a|b sec/op: budget <= +2%; failed: exit *status* <1> lost (budgets.txt:3)
over budget: BenchmarkA/over sec/op: +10.00% [+5.00%, +∞%] (n=10, 2.200n against 2.000n), budget <= +2% (budgets.txt:3)
over budget: 1 over budget, 1 cannot judge, 1 in budget
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestMarkdown(t *testing.T) {
	var out bytes.Buffer
	if err := Markdown(&out, example()); err != nil {
		t.Fatal(err)
	}
	const want = "### Benchmarks: over budget: 1 over budget, 1 cannot judge, 1 in budget\n\n" +
		"| verdict | benchmark | unit | measured | budget | note |\n" +
		"|---|---|---|---|---|---|\n" +
		"| over budget | `BenchmarkA/over` | sec/op | +10.00% \\[+5.00%, +∞%\\] (n=10, 2.200n against 2.000n) | `<= +2%` |  |\n" +
		"| cannot judge | `BenchmarkA/a\\|b` | sec/op |  | `<= +2%` | failed: exit \\*status\\* &lt;1&gt; lost |\n" +
		"| in budget | `BenchmarkA/in` | sec/op | +0.00% \\[-1.00%, +1.00%\\] (n=10, 2.000n against 2.000n) | `<= +2%` | noise floor +0.50% |\n" +
		"\nMeasured on Fast \\| CPU, linux/unknown.\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, example()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema, Exit int
		Machines     []map[string]string
		Verdicts     []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != 1 || doc.Exit != 1 || len(doc.Verdicts) != 3 || doc.Machines[0]["cpu"] != "Fast | CPU" {
		t.Errorf("%+v", doc)
	}
	for i, fields := range []map[string]any{
		{"state": "in", "reason": "", "low": 0.99, "noise_floor": 1.005, "figure": 2e-9, "against": 2e-9, "n": 10.0},
		{"state": "cannot", "reason": "failed", "low": nil, "noise_floor": nil, "figure": nil, "against": nil, "n": 0.0},
		{"state": "over", "high": nil, "noise_floor": nil, "estimate": 1.1, "benchmark": "BenchmarkA/over"},
	} {
		for name, want := range fields {
			if got, ok := doc.Verdicts[i][name]; !ok || got != want {
				t.Errorf("verdict %d: %s is %v, want %v", i, name, got, want)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	in, noisy := gate.Verdict{State: gate.In}, gate.Verdict{State: gate.Cannot, Reason: gate.ReasonNoisy}
	for want, r := range map[string]Report{
		"cannot judge: no verdict": {Exit: 2},
		"in budget: 1 in budget":   {Verdicts: []gate.Verdict{in}},
		"nothing judged: 1 new":    {Verdicts: []gate.Verdict{{State: gate.New}}},
		"in budget as far as noise allows: 1 cannot judge, 1 in budget": {Verdicts: []gate.Verdict{in, noisy}},
		"cannot judge: 1 cannot judge, 1 in budget":                     {Verdicts: []gate.Verdict{in, noisy}, Exit: 2},
		"nothing judged: 1 cannot judge":                                {Verdicts: []gate.Verdict{noisy}},
		"nothing judged: 2 other machine":                               {Verdicts: []gate.Verdict{{State: gate.OtherMachine}, {State: gate.OtherMachine}}},
	} {
		if got := r.Summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Names come from other people's programs.
func TestOddNamesAreEscaped(t *testing.T) {
	r := example()
	r.Verdicts = r.Verdicts[:1]
	r.Verdicts[0].Benchmark = "BenchmarkA/\x1b[2J\xff\n|`x`"
	r.Verdicts[0].Budget.Unit = "u\x1b/op"
	r.Machines[0].CPU = "Fast\x1b[31m"
	for _, write := range []func(io.Writer, Report) error{Text, Markdown} {
		var out bytes.Buffer
		if err := write(&out, r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); strings.Contains(got, "\x1b") || !utf8.ValidString(got) || !strings.Contains(got, `x1b`) {
			t.Errorf("%q", got)
		}
	}
	r.Verdicts[0].Benchmark = "BenchmarkA/\x1b[2J\xff|x"
	var out bytes.Buffer
	if err := Markdown(&out, r); err != nil || !strings.Contains(out.String(), "| `BenchmarkA/\\x1b[2J\\xff\\|x` |") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
