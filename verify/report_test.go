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
	Seed        uint64         `json:"seed"`
	Started     time.Time      `json:"started"`
	Seconds     float64        `json:"seconds"`
	Go          string         `json:"go"`
	Platform    string         `json:"platform"`
	Processors  int            `json:"processors"`
	Interrupted bool           `json:"interrupted"`
	Passed      bool           `json:"passed"`
	Cycles      map[string]int `json:"cycles"` // by kind

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
	GivenUp      uint64 `json:"signals_given_up"` // dropped or refused by overload, and counted
	Restored     uint64 `json:"signals_restored"`
	FailedWrites uint64 `json:"signal_writes_failed"`

	Snapshots      uint64 `json:"snapshots"`
	FailedSaves    uint64 `json:"snapshots_failed"` // by faults
	RestoredEvents uint64 `json:"events_restored"`

	WorstAppendNs  int64   `json:"worst_append_ns"`
	WorstGCPauseNs int64   `json:"worst_gc_pause_ns"`
	MaxHeapBytes   uint64  `json:"max_heap_bytes"`
	MaxLiveToLimit float64 `json:"max_live_heap_of_limit"` // of soaks; above 1 is a failure

	Latest   cycle   `json:"latest"`
	Failures []cycle `json:"failures"`
}

// A cycle is one step of the programme, with everything that was drawn for it.
type cycle struct {
	Number     int    `json:"number"`
	Kind       string `json:"kind"`
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
		Processors: runtime.NumCPU(), Passed: true, Cycles: map[string]int{}, Failures: []cycle{},
	}
}

// finish takes in a cycle that has ended.
func (r *report) finish(c cycle, err error) {
	r.Cycles[c.Kind]++
	if err != nil {
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

// write puts the report in place as a whole.
func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}
