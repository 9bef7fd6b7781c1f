package web

import (
	"net/http"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/snapshot"
)

// adminRoutes change or check everything. Limits of one stream are PUT /streams/{name}?limits=true.
type adminRoutes struct{ state *state.State }

func (a *adminRoutes) clear(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if err := a.state.Clear(); err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]bool{"cleared": true})
	return nil
}

func (a *adminRoutes) reset(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if err := a.state.Reset(r.Context()); err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]bool{"reset": true})
	return nil
}

// purge takes olderThan, a moment, or olderThanMinutes; with both the moment counts.
func (a *adminRoutes) purge(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "olderThan", "olderThanMinutes")
	if err != nil {
		return err
	}
	before, err := moment(q, "olderThan")
	if err != nil {
		return err
	}
	minutes, err := count(q, "olderThanMinutes", 0, 0, maxMinutes)
	if err != nil {
		return err
	}
	switch {
	case before.After(time.Now()): // what is appended until then would be gone at once, acknowledged or not
		return bad("olderThan is %s, which lies in the future", *shown(before))
	case !before.IsZero():
	case q.Has("olderThanMinutes"):
		before = time.Now().UTC().Add(-time.Duration(minutes) * time.Minute)
	default:
		return bad("olderThan or olderThanMinutes is wanted")
	}
	if err := a.state.Purge(before); err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]string{"purgedBefore": *shown(before)})
	return nil
}

// snapshot saves everything now; when the reply comes it is durable.
func (a *adminRoutes) snapshot(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if err := a.state.Save(r.Context()); err != nil {
		return err
	}
	reply(w, http.StatusOK, a.saved())
	return nil
}

func (a *adminRoutes) saved() map[string]any {
	return map[string]any{
		state.StreamsName: saverStats(a.state.Events.Stats()), state.MetricsName: saverStats(a.state.Metrics.Stats()),
	}
}

func saverStats(s snapshot.Stats) map[string]any {
	out := map[string]any{
		"ordinal": s.Ordinal, "takenAt": nil, "ageSeconds": s.Age.Seconds(), "eventsAtRisk": s.AtRisk, "snapshots": s.Snapshots,
		"unchanged": s.Unchanged, "failures": s.Failures, "bytes": s.Bytes, "lastError": nil,
	}
	if !s.TakenAt.IsZero() {
		out["takenAt"] = s.TakenAt.UTC()
	}
	if s.LastError != nil {
		out["lastError"] = s.LastError.Error()
	}
	return out
}

// verify reads all that is stored. What is damaged is an error that names it.
func (a *adminRoutes) verify(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	found, err := a.state.Verify(r.Context())
	if err != nil {
		return err
	}
	out := map[string]any{}
	for name, v := range found {
		out[name] = map[string]any{"snapshots": len(v.Snapshots), "objects": v.Objects, "bytes": v.Bytes, "unused": len(v.Unused)}
	}
	reply(w, http.StatusOK, map[string]any{"verified": true, "stores": out})
	return nil
}

// stats tells what is kept, saved and at risk.
func (a *adminRoutes) stats(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{
		"epoch":   a.state.Log.Epoch(),
		"ledgers": map[string]any{state.StreamsName: a.state.Events.Store().Ledger(), state.MetricsName: a.state.Metrics.Store().Ledger()},
		"rates": map[string]float64{
			state.StreamsName: a.state.Events.Store().Stats().Rate, state.MetricsName: a.state.Metrics.Store().Stats().Rate,
		},
		"snapshots": a.saved(),
		"signals":   signalStats(a.state.Signals.Stats()),
	})
	return nil
}
