package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"
)

// A report says what a run of the programme did. It is written after every cycle, so that a run that is killed leaves
// one too.
type report struct {
	Seed        uint64    `json:"seed"`
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"`
	Go          string    `json:"go"`
	Platform    string    `json:"platform"`
	Processors  int       `json:"processors"`
	Interrupted bool      `json:"interrupted"`
	Passed      bool      `json:"passed"`

	Parts map[string]*partTally `json:"parts"`

	Appended  uint64 `json:"appended"`
	Discarded uint64 `json:"discarded"`
	Lost      uint64 `json:"lost"`
	Stalls    uint64 `json:"forced_stalls"` // 0 without the build tag stall
	Scanned   uint64 `json:"events_scanned"`
	Histories int    `json:"histories"`
	Conflicts int    `json:"conflicts"`
	Unknown   int    `json:"histories_undecided"`

	Signals      uint64 `json:"signals"`
	Persisted    uint64 `json:"signals_persisted"`
	LeftPending  uint64 `json:"signals_left_pending"` // by runs that end without a last flush
	GivenUp      uint64 `json:"signals_given_up"`     // dropped or refused by overload, and counted
	Restored     uint64 `json:"signals_restored"`
	FailedWrites uint64 `json:"signal_writes_failed"`

	Snapshots      uint64 `json:"snapshots"`
	FailedSaves    uint64 `json:"snapshots_failed"` // by faults
	RestoredEvents uint64 `json:"events_restored"`
	MaxAtRisk      uint64 `json:"max_events_at_risk"` // in no snapshot, when one was taken by hand, and at the ends of lives

	Kills         int    `json:"kills"`
	LostInCrashes uint64 `json:"events_lost_in_crashes"` // acknowledged, but in no snapshot yet: within the bound that was told
	StreamCalls   int    `json:"calls_to_streams"`
	Repeated      int    `json:"appends_repeated"` // and stored once
	ServerAppends int    `json:"appends_to_servers"`

	WorstP99Ns     int64   `json:"worst_p99_append_ns"`        // of the soaks, every 64th append
	WorstServerP99 int64   `json:"worst_p99_server_append_ns"` // over HTTP, snapshots beside
	WorstAppendNs  int64   `json:"worst_append_ns"`
	WorstGCPauseNs int64   `json:"worst_gc_pause_ns"`
	MaxHeapBytes   uint64  `json:"max_heap_bytes"`
	MaxLiveToLimit float64 `json:"max_live_heap_of_limit"` // of soaks; above 1 is a failure

	Latest   cycle   `json:"latest"`
	Failures []cycle `json:"failures"`
}

// A partTally sums up the cycles of a part.
type partTally struct {
	Cycles   int     `json:"cycles"`
	Failures int     `json:"failures"`
	Seconds  float64 `json:"seconds"`
	Slowest  float64 `json:"slowest_seconds"`
	Seed     uint64  `json:"seed_of_slowest"`
}

// A cycle is one step of the programme, with everything that was drawn for it.
type cycle struct {
	Repeat     string `json:"repeat"` // the command
	Number     int    `json:"number"`
	Part       string `json:"part"`
	Seed       uint64 `json:"seed"`
	Plan       any    `json:"plan"`
	Processors int    `json:"gomaxprocs"`
	GC         int    `json:"gogc"`
	MemLimit   int64  `json:"gomemlimit"`
	Error      string `json:"error,omitempty"`
}

func newReport(seed uint64) *report {
	return &report{
		Seed: seed, Started: time.Now().UTC(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Processors: runtime.NumCPU(), Passed: true, Parts: map[string]*partTally{}, Failures: []cycle{},
	}
}

// finish takes in a cycle that has ended.
func (r *report) finish(c cycle, took time.Duration, err error) {
	if r.Parts[c.Part] == nil {
		r.Parts[c.Part] = &partTally{}
	}
	k := r.Parts[c.Part]
	k.Cycles++
	k.Seconds += took.Seconds()
	if took.Seconds() > k.Slowest {
		k.Slowest, k.Seed = took.Seconds(), c.Seed
	}
	if err != nil {
		k.Failures++
		c.Error = err.Error()
		r.Failures = append(r.Failures, c)
	}
	r.Passed = r.Passed && err == nil && r.Lost == 0
	r.Latest = c
	r.MaxHeapBytes = max(r.MaxHeapBytes, heapNow())
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	for i, p := range gc.Pause {
		if gc.PauseEnd[i].After(r.Started) {
			r.WorstGCPauseNs = max(r.WorstGCPauseNs, int64(p))
		}
	}
	r.Seconds = time.Since(r.Started).Seconds()
}

// write puts the report in place, as JSON and as text, each as a whole.
func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{file + ".json": append(text, '\n'), file + ".md": []byte(r.text())} {
		if err := os.WriteFile(name+".tmp", content, 0o644); err != nil {
			return err
		}
		if err := os.Rename(name+".tmp", name); err != nil {
			return err
		}
	}
	return nil
}
