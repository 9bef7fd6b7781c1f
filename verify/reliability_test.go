package verify

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestReliability is the long programme: EPHEMERA_HOURS of random cycles. EPHEMERA_SEED repeats their order and options,
// EPHEMERA_REPORT names the file of the report. An interrupt ends it with the report.
func TestReliability(t *testing.T) {
	text := os.Getenv("EPHEMERA_HOURS")
	if text == "" {
		t.Skip("EPHEMERA_HOURS is not set")
	}
	hours, err := strconv.ParseFloat(text, 64)
	if err != nil || hours <= 0 {
		t.Fatalf("EPHEMERA_HOURS=%s is not a positive number", text)
	}
	p := &programme{
		seed: seedOf(t), limit: time.Duration(hours * float64(time.Hour)), say: t.Logf,
		file: cmp.Or(os.Getenv("EPHEMERA_REPORT"), filepath.Join("..", "out", "reliability", "report.json")),
	}
	runProgramme(t, p)
}

// runProgramme fails for whatever the report says is wrong, and returns it as it was written.
func runProgramme(t *testing.T, p *programme) report {
	t.Helper()
	r, err := p.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v; report in %s", r, p.file)
	for _, c := range r.Failures {
		t.Errorf("cycle %d: %s", c.Number, c.Error)
	}
	if r.Lost > 0 || !r.Passed {
		t.Errorf("lost=%d passed=%t", r.Lost, r.Passed)
	}
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	var written report
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	return written
}

// TestProgramme is the short form: it shows that the long one runs and reports what it did.
func TestProgramme(t *testing.T) {
	p := &programme{
		seed: seedOf(t), limit: 3 * time.Second, small: true, say: t.Logf,
		file: filepath.Join(t.TempDir(), "new", "report.json"),
	}
	r := runProgramme(t, p)
	if r.Seed != p.seed || !r.Passed || r.Interrupted || r.Seconds < 2 {
		t.Errorf("report %+v", r)
	}
	for _, kind := range []string{"conservation", "linearizability", "soak", "window", "snapshot"} {
		if r.Cycles[kind] == 0 {
			t.Errorf("no cycle of %s: %v", kind, r.Cycles)
		}
	}
	if r.Appended == 0 || r.Discarded == 0 || r.Histories == 0 || r.Signals == 0 || r.RestoredEvents == 0 || r.WorstAppendNs == 0 || r.MaxHeapBytes == 0 {
		t.Errorf("the report does not say what happened: %+v", r)
	}
}

// TestProgrammeInterrupted: an interrupt ends a programme of an hour, and the report says so.
func TestProgrammeInterrupted(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &programme{
		seed: seedOf(t), limit: time.Hour, small: true, say: t.Logf,
		file: filepath.Join(t.TempDir(), "report.json"),
	}
	p.stepped = func() {
		if p.Latest.Number == 0 {
			if err := self.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	if r := runProgramme(t, p); !r.Interrupted || !r.Passed || r.Cycles["conservation"] != 1 {
		t.Errorf("report %+v", r)
	}
}
