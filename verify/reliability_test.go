package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestReliability is the long programme: EPHEMERA_HOURS of random cycles. EPHEMERA_SEED repeats their order and options,
// EPHEMERA_CYCLE is one cycle and no other, EPHEMERA_REPORT names the files of the report. An interrupt ends it with the report.
func TestReliability(t *testing.T) {
	text, cycle := os.Getenv("EPHEMERA_HOURS"), os.Getenv("EPHEMERA_CYCLE")
	if text == "" && cycle == "" {
		t.Skip("EPHEMERA_HOURS is not set")
	}
	hours, err := strconv.ParseFloat(cmp.Or(text, "1"), 64)
	if err != nil || hours <= 0 {
		t.Fatalf("EPHEMERA_HOURS=%s is not a positive number", text)
	}
	p := &programme{
		seed: seedOf(t), limit: time.Duration(hours * float64(time.Hour)), parts: allParts(), say: t.Logf,
		file: cmp.Or(os.Getenv("EPHEMERA_REPORT"), filepath.Join("..", "out", "reliability", "report")),
	}
	if cycle != "" {
		if p.only, err = parseChoice(cycle); err != nil {
			t.Fatal("EPHEMERA_CYCLE: ", err)
		}
	}
	runProgramme(t, p)
}

// runProgramme fails for whatever the report says is wrong, and returns it as it was written.
func runProgramme(t *testing.T, p *programme) report {
	t.Helper()
	p.t = t
	if slices.ContainsFunc(p.parts, func(x part) bool { return x.name == serverKill && (p.only == nil || p.only.name == serverKill) }) {
		p.server = buildServer(t)
	}
	r, err := p.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v; report in %s.md", r, p.file)
	for _, c := range r.Failures {
		t.Errorf("cycle %d, %s, seed %d: %s\nexactly this cycle again: %s", c.Number, c.Part, c.Seed, c.Error, c.Repeat)
	}
	if r.Lost > 0 || !r.Passed {
		t.Errorf("lost=%d passed=%t", r.Lost, r.Passed)
	}
	return written(t, p)
}

// written reads the report.
func written(t *testing.T, p *programme) (r report) {
	t.Helper()
	text, err := os.ReadFile(p.file + ".json")
	must(t, err)
	must(t, json.Unmarshal(text, &r))
	return r
}

// TestProgramme is the short form: it shows that the long one runs every part and reports what it did.
func TestProgramme(t *testing.T) {
	p := &programme{
		seed: seedOf(t), limit: time.Second, small: true, parts: allParts(), say: t.Logf, file: filepath.Join(t.TempDir(), "new", "report"),
	}
	if testing.Short() { // the workspace, in which the server can be built, may be absent
		p.parts = slices.DeleteFunc(p.parts, func(k part) bool { return k.name == serverKill })
	}
	r := runProgramme(t, p)
	if r.Seed != p.seed || !r.Passed || r.Interrupted || r.Seconds < 1 {
		t.Errorf("report %+v", r)
	}
	text, err := os.ReadFile(p.file + ".md")
	must(t, err)
	for _, k := range p.parts {
		if r.Parts[k.name] == nil || r.Parts[k.name].Cycles == 0 || !strings.Contains(string(text), "\n| "+k.name+" | ") {
			t.Errorf("no cycle of %s", k.name)
		}
	}
	if r.Appended == 0 || r.Discarded == 0 || r.Histories == 0 || r.StreamCalls == 0 || r.Signals == 0 || r.Snapshots == 0 ||
		r.Kills == 0 || r.WorstP99Ns == 0 || r.WorstAppendNs < r.WorstP99Ns || r.MaxHeapBytes == 0 ||
		!testing.Short() && (r.ServerAppends == 0 || r.WorstServerP99 == 0) {
		t.Errorf("the report does not say what happened: %+v\n%s", r, text)
	}
}

// TestProgrammeInterrupted: an interrupt ends a programme of an hour, and the report says so.
func TestProgrammeInterrupted(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &programme{
		seed: seedOf(t), limit: time.Hour, small: true, parts: allParts()[:2], say: t.Logf, file: filepath.Join(t.TempDir(), "report"),
	}
	p.stepped = func(ctx context.Context) {
		if err := self.Signal(os.Interrupt); err != nil {
			t.Error(err)
			return
		}
		<-ctx.Done() // a signal takes its time
	}
	r := runProgramme(t, p)
	if k := r.Parts["conservation"]; !r.Interrupted || !r.Passed || len(r.Parts) != 1 || k == nil || k.Cycles != 1 {
		t.Errorf("report %+v", r)
	}
}

// TestProgrammeFails: a failure is in both reports with the command that repeats it, and that draws exactly the same.
func TestProgrammeFails(t *testing.T) {
	fails := part{"planted", 1, func(p *programme, _ context.Context, _ *testing.T, seed uint64) (any, error) {
		plan := []int{p.between(1, 1e6), p.rng.IntN(1000)}
		if n := rand.New(rand.NewPCG(seed, 0)).IntN(3); n == 0 {
			return plan, errors.New("planted mistake")
		}
		return plan, nil
	}}
	p := &programme{t: t, seed: seedOf(t), limit: time.Hour, parts: []part{fails}, say: t.Logf, file: filepath.Join(t.TempDir(), "report")}
	r, err := p.run(t.Context())
	must(t, err)
	if r.Passed || len(r.Failures) != maxFailures || r.Parts["planted"].Failures != maxFailures {
		t.Fatalf("report %+v", r)
	}
	first := written(t, p).Failures[0]
	text, err := os.ReadFile(p.file + ".md")
	must(t, err)
	command, cycle, _ := strings.Cut(first.Repeat, "=")
	if command != "make reliability CYCLE" || !strings.Contains(string(text), "FAILED") || !strings.Contains(string(text), "`"+first.Repeat+"`\n\n      planted mistake\n") {
		t.Errorf("%q in\n%s", first.Repeat, text)
	}
	again := &programme{t: t, seed: 1, limit: time.Hour, parts: []part{fails}, say: t.Logf, file: filepath.Join(t.TempDir(), "report")}
	again.only, err = parseChoice(cycle)
	must(t, err)
	_, err = again.run(t.Context())
	must(t, err)
	same := written(t, again).Failures[0]
	same.Number = first.Number
	a, err := json.Marshal(first)
	must(t, err)
	b, err := json.Marshal(same)
	must(t, err)
	if string(a) != string(b) {
		t.Errorf("again it is\n%s\ninstead of\n%s", b, a)
	}
	for _, bad := range []string{"", "window", "window:", "window:x", "small:window"} {
		if _, err := parseChoice(bad); err == nil {
			t.Errorf("%q is no choice", bad)
		}
	}
}
