package gate

import (
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/samples"
)

// A benchmark without figures is missing until the listing, or the user, says that this is another machine.
func TestJudgeListedMachine(t *testing.T) {
	b := parse(t, "BenchmarkA ns/op <= 2 machine=Fast*")
	failed := []Failure{{Benchmark: "BenchmarkA", Cause: "killed"}}
	for _, test := range []struct {
		o     Options
		state State
		why   Reason
	}{
		{Options{}, Cannot, ReasonMissing},
		{Options{Failures: failed}, Cannot, ReasonFailed},
		{Options{CPU: "Fast 3"}, Cannot, ReasonMissing},
		{Options{CPU: "Fast 3", Failures: failed}, Cannot, ReasonFailed},
		{Options{CPU: "Slow 3"}, OtherMachine, ""},
		{Options{CPU: "Slow 3", Machine: "Faster"}, Cannot, ReasonMissing},
		{Options{Machine: "lab 3"}, OtherMachine, ""},
	} {
		if v := Judge(b, nil, &samples.Set{}, test.o)[0]; v.State != test.state || v.Reason != test.why {
			t.Errorf("%+v: %v", test.o, v)
		}
	}
}

// What broke at the base matters to budgets against it only.
func TestJudgeFailedBase(t *testing.T) {
	head := set(t, figures("BenchmarkA", "ns/op", 10, false, 1), figures("BenchmarkB", "ns/op", 10, false, 1))
	o := Options{Failures: []Failure{{Benchmark: "BenchmarkA", Base: true, Cause: "no beans"}}}
	for line, want := range map[string]Reason{
		"BenchmarkA ns/op <= +2%": ReasonFailed, "BenchmarkA ns/op <= 2": "", "BenchmarkB ns/op <= 2x BenchmarkA": "",
	} {
		if v := Judge(parse(t, line), &samples.Set{}, head, o)[0]; v.Reason != want || (v.State == In) != (want == "") {
			t.Errorf("%v", v)
		}
	}
}

// Nobody counts the instructions of a benchmark that is gone.
func TestJudgeVanishedInstructions(t *testing.T) {
	base := set(t, figures("BenchmarkGone", "ns/op", 1, false, 1), figures("BenchmarkA", "ns/op", 1, false, 1))
	head := set(t, figures("BenchmarkA", "instr/op", 3, false, 1))
	got := Judge(parse(t, "Benchmark* instr/op <= 2"), base, head, Options{})
	if len(got) != 2 || got[0].State != In || got[1].Reason != ReasonVanished {
		t.Errorf("%v", got)
	}
}
