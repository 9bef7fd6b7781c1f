package dashboard

import (
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/snapshot"
)

// losses says what is lost or may be, and what keeps from saving. Events that a limit pushed out are none: they are in the
// ledger, and forgetting them is what the limit is for.
func losses(s *state.State, v *view) []string {
	out := append(lostAtStart(state.StreamsName, s.Events.Report()), lostAtStart(state.MetricsName, s.Metrics.Report())...)
	for i := range v.Stores {
		if st := &v.Stores[i]; st.Saver.LastError != nil {
			out = append(out, fmt.Sprintf("%s: the last snapshot failed, %d events are at risk: %v",
				st.Name, st.Saver.AtRisk, st.Saver.LastError))
		}
	}
	if w := &v.Window; w.Dropped > 0 {
		out = append(out, fmt.Sprintf("signals: %d were given up unwritten", w.Dropped))
	}
	if w := &v.Window; w.LastError != nil {
		out = append(out, fmt.Sprintf("signals: the last write failed, %d are at risk: %v", w.Pending, w.LastError))
	}
	if n := s.Loaded.Refused; n > 0 {
		out = append(out, fmt.Sprintf("signals: %d of an earlier run did not come back, their names were too many", n))
	}
	return out
}

// lostAtStart says what restoring could not bring back.
func lostAtStart(name string, r snapshot.Report) (out []string) {
	for _, skipped := range r.Skipped {
		out = append(out, fmt.Sprintf("%s: snapshot %d was skipped at the start: %v", name, skipped.Ordinal, skipped.Err))
	}
	if r.Ordinal > 0 && r.NewEpoch {
		out = append(out, fmt.Sprintf("%s: the last run was cut short; what was appended after %s, in %v, is lost if there was any",
			name, r.TakenAt.UTC().Format(time.RFC3339), r.Age.Round(time.Second)))
	}
	return out
}
