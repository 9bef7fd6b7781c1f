package gate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// figures makes output of one benchmark, in rounds of two slots if wanted. The values are repeated until there are n.
func figures(name, unit string, n int, rounds bool, values ...float64) string {
	var out strings.Builder
	for i := range n {
		if rounds {
			fmt.Fprintf(&out, "round: %d\nslot: %d\n", i/2+1, i%2+1)
		}
		fmt.Fprintf(&out, "%s-2 100 %g %s\n", name, values[i%len(values)], unit)
	}
	return out.String()
}

func set(t *testing.T, text ...string) *samples.Set {
	t.Helper()
	s, err := samples.Read("out.txt", strings.NewReader(strings.Join(text, "")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, line string) budget.Budget {
	t.Helper()
	list, err := budget.Parse("budgets.txt", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// Figures around 100, none more than 1 % away.
var around = []float64{100, 99.5, 100.5, 99.8, 100.2, 100.9, 99.1}

func times(factor float64) []float64 {
	var out []float64
	for _, x := range around {
		out = append(out, x*factor)
	}
	return out
}

// halves have a median somewhere from 2 to 4, and a zero.
var halves = []float64{0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}

// noisy are rounds whose two slots differ by more than a fifth, either way.
func noisy(factor float64) string {
	return figures("BenchmarkA", "ns/op", 20, true, 90*factor, 110*factor, 100*factor, 111*factor)
}

var noisyMB = figures("BenchmarkA", "MB/s", 20, true, 90, 110, 100, 111)

// empty is a base that has none of the benchmarks.
const empty = "empty"

var judgements = []struct {
	name, budget, base, head string
	state                    State
	reason                   Reason
	note                     string
}{
	{"absolute in", "BenchmarkA ns/op <= 102", "", figures("BenchmarkA", "ns/op", 10, false, around...), In, "", ""},
	{"absolute tidied", "BenchmarkA sec/op <= 102ns", "", figures("BenchmarkA", "ns/op", 10, false, around...), In, "", ""},
	{"absolute over", "BenchmarkA ns/op <= 98", "", figures("BenchmarkA", "ns/op", 10, false, around...), Over, "", ""},
	{
		"absolute undecided", "BenchmarkA ns/op <= 100", "", figures("BenchmarkA", "ns/op", 10, false, around...),
		Cannot, ReasonUndecided, "limit is inside",
	},
	{
		"absolute thin", "BenchmarkA ns/op <= 102", "", figures("BenchmarkA", "ns/op", 9, false, around...),
		Cannot, ReasonThin, "9 figures, need 10",
	},
	{"one figure", "BenchmarkA ns/op <= 102", "", figures("BenchmarkA", "ns/op", 1, false, 100), Cannot, ReasonThin, "1 figures"},
	{"at least in", "BenchmarkA MB/s >= 98", "", figures("BenchmarkA", "MB/s", 10, false, around...), In, "", ""},
	{"at least over", "BenchmarkA MB/s >= 102", "", figures("BenchmarkA", "MB/s", 10, false, around...), Over, "", ""},
	{
		"outliers do not count", "BenchmarkA ns/op <= 102", "",
		figures("BenchmarkA", "ns/op", 40, false, append(times(1), 5000)...), In, "", "",
	},

	{"exact in", "BenchmarkA allocs/op == 0", "", figures("BenchmarkA", "allocs/op", 10, false, 0), In, "", ""},
	{"exact thin", "BenchmarkA allocs/op == 0", "", figures("BenchmarkA", "allocs/op", 9, false, 0), Cannot, ReasonThin, "need 10"},
	{
		"exact over once", "BenchmarkA allocs/op == 0", "",
		figures("BenchmarkA", "allocs/op", 10, false, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0), Over, "", "",
	},
	{"exact over at one figure", "BenchmarkA allocs/op == 0", "", figures("BenchmarkA", "allocs/op", 1, false, 1), Over, "", ""},
	{"exact zero time", "BenchmarkA p99-ns == 0", "", figures("BenchmarkA", "p99-ns", 10, false, 0), In, "", ""},

	{"exact below", "BenchmarkA allocs/op == 1", "", figures("BenchmarkA", "allocs/op", 10, false, 0, 1), Over, "", ""},
	{"at least equal", "BenchmarkA hits/op >= 100", "", figures("BenchmarkA", "hits/op", 10, false, 100), In, "", ""},
	{"at most equal", "BenchmarkA B/op <= 100", "", figures("BenchmarkA", "B/op", 10, false, 100), In, "", ""},

	{"missing", "BenchmarkB ns/op <= 1", "", figures("BenchmarkA", "ns/op", 10, false, 1), Cannot, ReasonMissing, "no benchmark"},
	{"missing unit", "BenchmarkA p99-ns <= 1", "", figures("BenchmarkA", "ns/op", 10, false, 1), Cannot, ReasonMissing, "unit"},
	{
		"vanished", "BenchmarkB ns/op <= +2%", figures("BenchmarkB", "ns/op", 10, false, 1), figures("BenchmarkA", "ns/op", 10, false, 1),
		Cannot, ReasonVanished, "the head does not",
	},
	{
		"vanished unit", "BenchmarkA p99-ns <= +2%", figures("BenchmarkA", "p99-ns", 10, false, 1),
		figures("BenchmarkA", "ns/op", 10, false, 1), Cannot, ReasonVanished, "the head does not",
	},

	{
		"reference in", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkA", "ns/op", 10, false, times(0.4)...) + figures("BenchmarkR", "ns/op", 12, false, around...), In, "", "",
	},
	{
		"reference over", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkA", "ns/op", 10, false, times(0.6)...) + figures("BenchmarkR", "ns/op", 12, false, around...), Over, "", "",
	},
	{
		"reference in rounds", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkA", "ns/op", 20, true, times(0.4)...) + figures("BenchmarkR", "ns/op", 40, true, around...), In, "", "",
	},
	{
		"reference thin", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkA", "ns/op", 10, false, 1) + figures("BenchmarkR", "ns/op", 9, false, 4), Cannot, ReasonThin, "9 figures on one",
	},
	{
		"reference missing", "BenchmarkA ns/op <= 0.5x BenchmarkR", "", figures("BenchmarkA", "ns/op", 10, false, 1),
		Cannot, ReasonMissingReference, "BenchmarkR has no figures",
	},
	{
		"reference elsewhere", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		"cpu: one\n" + figures("BenchmarkA", "ns/op", 10, false, 1) + "cpu: two\n" + figures("BenchmarkR", "ns/op", 10, false, 4),
		Cannot, ReasonMachines, `measured on "one", the limit on "two"`,
	},

	{
		"base in", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 10, false, around...),
		figures("BenchmarkA", "ns/op", 10, false, around...), In, "", "",
	},
	{
		"base over", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 10, false, around...),
		figures("BenchmarkA", "ns/op", 10, false, times(1.1)...), Over, "", "",
	},
	{
		"base undecided", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 10, false, around...),
		figures("BenchmarkA", "ns/op", 10, false, times(1.05)...), Cannot, ReasonUndecided, "",
	},
	{
		"base at least in", "BenchmarkA MB/s >= -5%", figures("BenchmarkA", "MB/s", 20, true, around...),
		figures("BenchmarkA", "MB/s", 20, true, around...), In, "", "",
	},
	{
		"base at least over", "BenchmarkA MB/s >= -5%", figures("BenchmarkA", "MB/s", 20, true, around...),
		figures("BenchmarkA", "MB/s", 20, true, times(0.9)...), Over, "", "",
	},
	{
		"base at least undecided", "BenchmarkA MB/s >= -5%", figures("BenchmarkA", "MB/s", 20, true, around...),
		figures("BenchmarkA", "MB/s", 20, true, times(0.95)...), Cannot, ReasonUndecided, "",
	},
	{
		"one side in rounds", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 20, true, around...),
		figures("BenchmarkA", "ns/op", 20, false, around...), In, "", "",
	},
	{
		"base seldom measured twice", "BenchmarkA ns/op <= +5%",
		figures("BenchmarkA", "ns/op", 18, true, around...) + "round: 10\nslot: 1\nBenchmarkA-2 1 100 ns/op\n",
		figures("BenchmarkA", "ns/op", 20, true, around...), Cannot, ReasonThin, "9 rounds in which the base was measured twice",
	},
	{
		"improvement kept", "BenchmarkA ns/op <= -5%", figures("BenchmarkA", "ns/op", 20, true, around...),
		figures("BenchmarkA", "ns/op", 20, true, times(0.9)...), In, "", "",
	},
	{
		"improvement missed", "BenchmarkA ns/op <= -5%", figures("BenchmarkA", "ns/op", 20, true, around...),
		figures("BenchmarkA", "ns/op", 20, true, around...), Over, "", "",
	},
	{
		"base thin", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 18, true, around...),
		figures("BenchmarkA", "ns/op", 20, true, around...), Cannot, ReasonThin, "9 rounds",
	},
	{
		"base thin without rounds", "BenchmarkA ns/op <= +5%", figures("BenchmarkA", "ns/op", 20, false, around...),
		figures("BenchmarkA", "ns/op", 9, false, around...), Cannot, ReasonThin, "9 figures on one side",
	},
	{
		"too noisy to be in", "BenchmarkA ns/op <= +2%", noisy(1), figures("BenchmarkA", "ns/op", 20, true, 95), Cannot, ReasonNoisy,
		"differs by up to +2",
	},
	{"in in spite of noise", "BenchmarkA ns/op <= +2%", noisy(1), figures("BenchmarkA", "ns/op", 20, true, 50), In, "", "noise floor +2"},
	{
		"improvement in spite of noise", "BenchmarkA ns/op <= -5%", noisy(1), figures("BenchmarkA", "ns/op", 20, true, 50), In, "",
		"noise floor +2",
	},
	{
		"improvement missed in spite of noise", "BenchmarkA ns/op <= -5%", noisy(1), figures("BenchmarkA", "ns/op", 20, true, 200), Over, "",
		"noise floor +2",
	},
	{"more is better, in in spite of noise", "BenchmarkA MB/s >= -2%", noisyMB, figures("BenchmarkA", "MB/s", 20, true, 200), In, "", "+2"},
	{"more is better, over in spite of noise", "BenchmarkA MB/s >= -2%", noisyMB, figures("BenchmarkA", "MB/s", 20, true, 50), Over, "", "+2"},
	{
		"more is better, too noisy", "BenchmarkA MB/s >= -2%", noisyMB, figures("BenchmarkA", "MB/s", 20, true, 90), Cannot, ReasonNoisy,
		"differs by up to +2",
	},
	{
		"reference too noisy to be over", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkA", "ns/op", 20, true, times(0.6)...) + strings.ReplaceAll(noisy(1), "BenchmarkA", "BenchmarkR"),
		Cannot, ReasonNoisy, "differs by up to +2",
	},
	{
		"case too noisy to be over", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkR", "ns/op", 20, true, times(1)...) + noisy(0.55), Cannot, ReasonNoisy, "differs by up to +2",
	},
	{
		"reference over in spite of noise", "BenchmarkA ns/op <= 0.5x BenchmarkR", "",
		figures("BenchmarkR", "ns/op", 20, true, times(1)...) + noisy(0.9), Over, "", "noise floor +2",
	},
	{
		"reference, more is better, too noisy", "BenchmarkR ns/op >= 2x BenchmarkA", "",
		figures("BenchmarkR", "ns/op", 20, true, times(1)...) + noisy(0.55), Cannot, ReasonNoisy, "differs by up to +2",
	},
	{
		"reference, more is better, over in spite of noise", "BenchmarkR ns/op >= 2x BenchmarkA", "",
		figures("BenchmarkR", "ns/op", 20, true, times(1)...) + noisy(0.9), Over, "", "noise floor +2",
	},
	{
		"reference seldom measured twice", "BenchmarkA ns/op <= 0.5x BenchmarkR", "", figures("BenchmarkA", "ns/op", 20, true, around...) +
			figures("BenchmarkR", "ns/op", 18, true, around...) + "round: 10\nslot: 1\nBenchmarkR-2 1 100 ns/op\n",
		Cannot, ReasonThin, "9 rounds in which the same benchmark was measured twice",
	},
	{
		"too noisy to be over", "BenchmarkA ns/op <= +2%", figures("BenchmarkA", "ns/op", 20, true, 90, 110, 100, 111),
		figures("BenchmarkA", "ns/op", 20, true, 111), Cannot, ReasonNoisy, "differs by up to +2",
	},
	{
		"over in spite of noise", "BenchmarkA ns/op <= +2%", figures("BenchmarkA", "ns/op", 20, true, 90, 110, 100, 111),
		figures("BenchmarkA", "ns/op", 20, true, 200), Over, "", "noise floor +2",
	},
	{
		"too noisy to miss an improvement", "BenchmarkA ns/op <= -5%", figures("BenchmarkA", "ns/op", 20, true, 90, 110, 100, 111),
		figures("BenchmarkA", "ns/op", 20, true, 105), Cannot, ReasonNoisy, "",
	},
	{"no base", "BenchmarkA ns/op <= +5%", "", figures("BenchmarkA", "ns/op", 10, false, 1), Cannot, ReasonMissingBase, "no base"},
	{"new", "BenchmarkA ns/op <= +5%", empty, figures("BenchmarkA", "ns/op", 10, false, 1), New, "", "no such benchmark"},
	{
		"new unit", "BenchmarkA p99-ns <= +5%", figures("BenchmarkA", "ns/op", 10, false, 1),
		figures("BenchmarkA", "p99-ns", 10, false, 1), New, "", "does not report this unit",
	},
	{
		"other processors", "BenchmarkA ns/op <= +5%", "BenchmarkA-4 1 1 ns/op\n", figures("BenchmarkA", "ns/op", 10, false, 1),
		Cannot, ReasonMachines, "2 processors, the limit with 4",
	},
	{
		"other system", "BenchmarkA ns/op <= +5%", "goos: plan9\n" + figures("BenchmarkA", "ns/op", 10, false, 1),
		figures("BenchmarkA", "ns/op", 10, false, 1), Cannot, ReasonMachines, "plan9",
	},

	{"zeros", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 20, true, 0), figures("BenchmarkA", "B/op", 20, true, 0), In, "", ""},
	{
		"zeros, improvement", "BenchmarkA B/op <= -2%", figures("BenchmarkA", "B/op", 20, true, 0),
		figures("BenchmarkA", "B/op", 20, true, 0), In, "", "",
	},
	{"from zero", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 20, true, 0), figures("BenchmarkA", "B/op", 20, true, 8), Over, "", ""},
	{
		"from zero, more is better", "BenchmarkA hits/op >= -2%", figures("BenchmarkA", "hits/op", 20, true, 0),
		figures("BenchmarkA", "hits/op", 20, true, 8), In, "", "",
	},
	{"to zero", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 20, true, 8), figures("BenchmarkA", "B/op", 20, true, 0), In, "", ""},
	{
		"to zero, more is better", "BenchmarkA hits/op >= -2%", figures("BenchmarkA", "hits/op", 20, true, 8),
		figures("BenchmarkA", "hits/op", 20, true, 0), Over, "", "",
	},
	{
		"zeros among others", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 20, true, 0, 1, 2, 3),
		figures("BenchmarkA", "B/op", 20, true, 0, 1, 2, 3), Cannot, ReasonUndecided, "",
	},
	{
		"less than medians tell", "BenchmarkA hits/op >= -2%", figures("BenchmarkA", "hits/op", 20, true, halves...),
		figures("BenchmarkA", "hits/op", 20, true, 3), Cannot, ReasonUndecided, "",
	},
	{
		"more than medians tell", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 20, true, halves...),
		figures("BenchmarkA", "B/op", 20, true, 3), Cannot, ReasonUndecided, "",
	},
	{
		"zeros thin", "BenchmarkA B/op <= +2%", figures("BenchmarkA", "B/op", 9, false, 0), figures("BenchmarkA", "B/op", 9, false, 0),
		Cannot, ReasonThin, "need 10",
	},
	{
		"negative", "BenchmarkA x/op <= +2%", figures("BenchmarkA", "x/op", 20, true, -1), figures("BenchmarkA", "x/op", 20, true, -1),
		Cannot, ReasonNegative, "below 0",
	},
	{"equal figures", "BenchmarkA ns/op <= +0%", figures("BenchmarkA", "ns/op", 20, true, 7), figures("BenchmarkA", "ns/op", 20, true, 7), In, "", ""},

	{
		"instructions in", "BenchmarkA instr/op <= +1%", figures("BenchmarkA", "instr/op", 3, true, 1000, 1001),
		figures("BenchmarkA", "instr/op", 3, true, 1002, 1003), In, "", "",
	},
	{
		"instructions over", "BenchmarkA instr/op <= +1%", figures("BenchmarkA", "instr/op", 3, true, 1000, 1001),
		figures("BenchmarkA", "instr/op", 3, true, 1020, 1021), Over, "", "",
	},
	{"instructions thin", "BenchmarkA instr/op <= 2000", "", figures("BenchmarkA", "instr/op", 2, true, 1000), Cannot, ReasonThin, "need 3"},
	{"instructions absolute", "BenchmarkA instr/op <= 2000", "", figures("BenchmarkA", "instr/op", 3, true, 1000), In, "", ""},

	{
		"this machine", "BenchmarkA ns/op <= 2 machine=Fast * 9000", "",
		"cpu: Fast CPU 9000\n" + figures("BenchmarkA", "ns/op", 10, false, 1), In, "", "",
	},
	{
		"other machine", "BenchmarkA ns/op <= 2 machine=Fast*", "",
		"cpu: Slow CPU\n" + figures("BenchmarkA", "ns/op", 10, false, 9), OtherMachine, "", `this is "Slow CPU"`,
	},
	{"every machine", "BenchmarkA ns/op <= 2 machine=*", "", figures("BenchmarkA", "ns/op", 10, false, 9), Over, "", ""},
	{
		"nameless machine", "BenchmarkA ns/op <= 2 machine=?*", "", figures("BenchmarkA", "ns/op", 10, false, 1),
		Cannot, ReasonUnknownMachine, "--machine",
	},
	{
		"thin on a nameless machine", "BenchmarkA ns/op <= 2 machine=?*", "", figures("BenchmarkA", "ns/op", 9, false, 1),
		Cannot, ReasonUnknownMachine, "--machine",
	},
	{
		"missing on a nameless machine", "BenchmarkB ns/op <= 2 machine=?*", "", figures("BenchmarkA", "ns/op", 10, false, 9),
		Cannot, ReasonMissing, "",
	},
	{
		"vanished on a nameless machine", "BenchmarkB ns/op <= +2% machine=?*", figures("BenchmarkB", "ns/op", 1, false, 1),
		figures("BenchmarkA", "ns/op", 10, false, 9), Cannot, ReasonVanished, "",
	},
	{
		"vanished on this machine", "BenchmarkB ns/op <= 5 machine=F*", "cpu: Fast\n" + figures("BenchmarkB", "ns/op", 1, false, 1),
		empty, Cannot, ReasonVanished, "",
	},
	{
		"vanished on other machine", "BenchmarkB ns/op <= 5 machine=F*", "cpu: Slow\n" + figures("BenchmarkB", "ns/op", 1, false, 1),
		empty, OtherMachine, "", "Slow",
	},
	{
		"missing on other machine", "BenchmarkB ns/op <= 2 machine=Fast*", "",
		"cpu: Slow CPU\n" + figures("BenchmarkA", "ns/op", 10, false, 9), OtherMachine, "", `this is "Slow CPU"`,
	},
}

func TestJudge(t *testing.T) {
	for _, test := range judgements {
		t.Run(test.name, func(t *testing.T) {
			var base *samples.Set
			switch test.base {
			case "":
			case empty:
				base = &samples.Set{}
			default:
				base = set(t, test.base)
			}
			head := &samples.Set{}
			if test.head != empty {
				head = set(t, test.head)
			}
			verdicts := Judge(parse(t, test.budget), base, head, Options{})
			if len(verdicts) != 1 {
				t.Fatalf("%d verdicts: %v", len(verdicts), verdicts)
			}
			v := verdicts[0]
			if v.State != test.state || v.Reason != test.reason || !strings.Contains(v.Note(), test.note) {
				t.Errorf("%v\nis %q, %q, note %q; want %q, %q, note with %q", v, v.State, v.Reason, v.Note(), test.state, test.reason, test.note)
			}
			if v.Measured && !(v.Low <= v.Estimate && v.Estimate <= v.High) {
				t.Errorf("%v: the estimate is outside of its interval", v)
			}
		})
	}
}

func TestJudgeListsAllThatMatch(t *testing.T) {
	head := set(t, figures("BenchmarkA/x", "ns/op", 10, false, 1), figures("BenchmarkA/y", "ns/op", 10, false, 3), figures("BenchmarkB", "ns/op", 10, false, 9))
	base := set(t, figures("BenchmarkA/z", "ns/op", 10, false, 1), figures("BenchmarkA/w", "ns/op", 1, false, 1),
		figures("BenchmarkA/x", "ns/op", 1, false, 1), figures("BenchmarkA/u", "p99-ns", 1, false, 1), figures("BenchmarkC", "ns/op", 1, false, 1))
	got := Judge(parse(t, "BenchmarkA/* ns/op <= 2"), base, head, Options{
		Failures: []Failure{
			{Benchmark: "BenchmarkA/v", Cause: "it\nbroke"},
			{Benchmark: "BenchmarkA/x", Unit: "instr/op", Cause: "no counter"},
			{Benchmark: "BenchmarkB", Cause: "no"},
			{Benchmark: "BenchmarkA/y", Base: true, Cause: "the base has no beans"},
		},
	})
	want := []struct {
		name  string
		state State
		why   Reason
	}{
		{"BenchmarkA/v", Cannot, ReasonFailed},
		{"BenchmarkA/w", Cannot, ReasonVanished},
		{"BenchmarkA/x", In, ""},
		{"BenchmarkA/y", Over, ""},
		{"BenchmarkA/z", Cannot, ReasonVanished},
	}
	if len(got) != len(want) {
		t.Fatalf("verdicts %v", got)
	}
	for i, w := range want {
		if v := got[i]; v.Benchmark != w.name || v.State != w.state || v.Reason != w.why {
			t.Errorf("verdict %d is %v, want %v", i, v, w)
		}
		if strings.ContainsAny(got[i].String(), "\n\t") {
			t.Errorf("%q is more than one plain line", got[i])
		}
	}
}

func TestJudgeFailedReference(t *testing.T) {
	head := set(t, figures("BenchmarkA", "ns/op", 10, false, 1), figures("BenchmarkR", "ns/op", 10, false, 3))
	v := Judge(parse(t, "BenchmarkA ns/op <= 1x BenchmarkR"), nil, head, Options{Failures: []Failure{{Benchmark: "BenchmarkR", Cause: "killed"}}})[0]
	if v.State != Cannot || v.Reason != ReasonFailed || !strings.Contains(v.Note(), "BenchmarkR: killed") {
		t.Errorf("verdict %v", v)
	}
}

func TestJudgeGivenMachine(t *testing.T) {
	head := set(t, figures("BenchmarkA", "ns/op", 10, false, 1))
	if v := Judge(parse(t, "BenchmarkA ns/op <= 2 machine=lab*"), nil, head, Options{Machine: "lab 3"})[0]; v.State != In {
		t.Errorf("verdict %v", v)
	}
}

func TestExit(t *testing.T) {
	noisy, thin := Verdict{State: Cannot, Reason: ReasonNoisy}, Verdict{State: Cannot, Reason: ReasonThin}
	open := Verdict{State: Cannot, Reason: ReasonUndecided}
	in, over := Verdict{State: In}, Verdict{State: Over}
	tests := []struct {
		verdicts     []Verdict
		want, forgiv int
	}{
		{nil, 2, 2},
		{[]Verdict{in}, 0, 0},
		{[]Verdict{in, {State: New}, {State: OtherMachine}}, 0, 0},
		{[]Verdict{in, noisy, open}, 2, 0},
		{[]Verdict{noisy, thin}, 2, 2},
		{[]Verdict{thin, over, noisy}, 1, 1},
		{[]Verdict{over, thin}, 1, 1},
	}
	for _, test := range tests {
		if a, b := Exit(test.verdicts, false), Exit(test.verdicts, true); a != test.want || b != test.forgiv {
			t.Errorf("%v: exit %d and %d, want %d and %d", test.verdicts, a, b, test.want, test.forgiv)
		}
	}
}

func TestUndecided(t *testing.T) {
	b := budget.Budget{Reference: "BenchmarkR"}
	got := Undecided([]Verdict{
		{Budget: b, Benchmark: "BenchmarkD", State: Cannot, Reason: ReasonUndecided},
		{Benchmark: "BenchmarkC", State: Cannot, Reason: ReasonNoisy},
		{Benchmark: "BenchmarkB", State: Cannot, Reason: ReasonThin},
		{Benchmark: "BenchmarkX", State: Cannot, Reason: ReasonVanished},
		{Budget: b, Benchmark: "BenchmarkY", State: Over},
	})
	if fmt.Sprint(got) != "[BenchmarkB BenchmarkC BenchmarkD BenchmarkR]" {
		t.Errorf("got %v", got)
	}
}
