package main

import (
	"bytes"
	"fmt"
	"net/http"
)

// figures writes what Prometheus reads: for each figure what it is, its type and its value.
func (s *sensors) figures(w http.ResponseWriter, _ *http.Request) {
	l, x := s.store.Ledger(), s.saver.Stats()
	var text bytes.Buffer
	for _, f := range []struct {
		name, kind, help string
		value            float64
	}{
		{"sensors_events_appended_total", "counter", "Events appended by this process.", float64(l.Appended)},
		{"sensors_events_restored_total", "counter", "Events that came back when this process was started.", float64(l.Restored)},
		{"sensors_events_discarded_total", "counter", "Events that the capacity pushed out.", float64(l.Discarded)},
		{"sensors_events", "gauge", "Events in memory.", float64(l.Visible)},
		{"sensors_events_at_risk", "gauge", "Events that are in no snapshot yet.", float64(x.AtRisk)},
		{"sensors_snapshots_total", "counter", "Snapshots taken.", float64(x.Snapshots)},
		{"sensors_snapshot_failures_total", "counter", "Snapshots not taken because of an error.", float64(x.Failures)},
		{"sensors_snapshot_bytes_total", "counter", "Bytes written to snapshots.", float64(x.Bytes)},
		{"sensors_snapshot_age_seconds", "gauge", "Time since the newest snapshot; 0 without one.", x.Age.Seconds()},
	} {
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n%s %g\n", f.name, f.help, f.name, f.kind, f.name, f.value)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text.Bytes()) // to somebody who may have left
}
