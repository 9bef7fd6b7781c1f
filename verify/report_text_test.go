package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// String is the last line of a programme.
func (r *report) String() string {
	cycles := 0
	for _, k := range r.Parts {
		cycles += k.Cycles
	}
	return fmt.Sprintf("%.0f s, %d cycles, %d failed: lost=%d of %d events and %d signals, %d snapshots, %d kills, %d histories, worst p99 of an append %v",
		r.Seconds, cycles, len(r.Failures), r.Lost, r.Appended, r.Signals, r.Snapshots, r.Kills, r.Histories, time.Duration(r.WorstP99Ns))
}

// text is the report for people, in Markdown.
func (r *report) text() string {
	var b strings.Builder
	state := "passed"
	if !r.Passed {
		state = "FAILED"
	}
	if r.Interrupted {
		state += ", interrupted"
	}
	fmt.Fprintf(&b, "# Reliability: %s\n\nSeed %d, %s, %.0f seconds, %s, %s, %d processors. The output names the seed of every cycle.\n\n",
		state, r.Seed, r.Started.Format(time.RFC3339), r.Seconds, r.Go, r.Platform, r.Processors)
	b.WriteString("| part | cycles | failed | seconds | slowest | its seed |\n|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.Parts)) {
		k := r.Parts[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %.1f | %.1f s | %d |\n", name, k.Cycles, k.Failures, k.Seconds, k.Slowest, k.Seed)
	}
	b.WriteString("\n| figure | value |\n|---|---|\n")
	for _, row := range r.rows() {
		fmt.Fprintf(&b, "| %s | %v |\n", row.name, row.value)
	}
	b.WriteString("\n## Failures\n\n")
	if len(r.Failures) == 0 {
		b.WriteString("None.\n")
	}
	for _, c := range r.Failures {
		fmt.Fprintf(&b, "- cycle %d, %s, seed %d: `%s`\n\n      %s\n", c.Number, c.Part, c.Seed, c.Repeat, strings.ReplaceAll(c.Error, "\n", "\n      "))
	}
	return b.String()
}

type reportRow struct {
	name  string
	value any
}

func (r *report) rows() []reportRow {
	return []reportRow{
		{"events appended to stores", r.Appended},
		{"of them discarded, counted", r.Discarded},
		{"events lost", r.Lost},
		{"histories checked, undecided", fmt.Sprint(r.Histories, ", ", r.Unknown)},
		{"calls to streams in histories", r.StreamCalls},
		{"appends to streams repeated, stored once", r.Repeated},
		{"signals raised, persisted, left pending by runs that were cut off", fmt.Sprint(r.Signals, ", ", r.Persisted, ", ", r.LeftPending)},
		{"signals given up or refused by overload, counted", r.GivenUp},
		{"snapshots, failed by faults", fmt.Sprint(r.Snapshots, ", ", r.FailedSaves)},
		{"events restored", r.RestoredEvents},
		{"most events at risk", r.MaxAtRisk},
		{"processes killed", r.Kills},
		{"appends to servers", r.ServerAppends},
		{"acknowledged events lost in crashes, within the bound told", r.LostInCrashes},
		{"worst p99 of an append", time.Duration(r.WorstP99Ns)},
		{"worst append", time.Duration(r.WorstAppendNs)},
		{"worst p99 of an append over HTTP", time.Duration(r.WorstServerP99)},
		{"worst pause of the collector", time.Duration(r.WorstGCPauseNs)},
		{"most heap", fmt.Sprintf("%d MiB", r.MaxHeapBytes>>20)},
		{"most live heap of a soak, of its limit", fmt.Sprintf("%.2f", r.MaxLiveToLimit)},
	}
}
