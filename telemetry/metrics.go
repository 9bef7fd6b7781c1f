package telemetry

import (
	"go.opentelemetry.io/otel/metric"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/window"
)

// Store observes a store under a name: ephemera.store.* with events appended, restored, discarded, expired, purged, cleared,
// undelivered, visible and hidden, capacity, the append rate, open cuts, contained panics and events whose key was refused.
// Unregister it when the store is closed, and before the same name is observed again.
func Store[E any](meter metric.Meter, name string, s *core.Store[E]) (metric.Registration, error) {
	type picture struct {
		ledger   core.Ledger
		stats    core.Stats
		capacity int
	}
	r := newRegistrar(meter, "ephemera.store.", name, func() picture { return picture{s.Ledger(), s.Stats(), s.Capacity()} })
	const event = "{event}"
	r.counter("appended", event, "Events appended.", func(p *picture) uint64 { return p.ledger.Appended })
	r.counter("restored", event, "Events restored at the start.", func(p *picture) uint64 { return p.ledger.Restored })
	r.counter("discarded", event, "Events pushed out by capacity or bytes.", func(p *picture) uint64 { return p.ledger.Discarded })
	r.counter("expired", event, "Events that became too old.", func(p *picture) uint64 { return p.ledger.Expired })
	r.counter("purged", event, "Events purged.", func(p *picture) uint64 { return p.ledger.Purged })
	r.counter("cleared", event, "Events cleared.", func(p *picture) uint64 { return p.ledger.Cleared })
	r.counter("undelivered", event, "Discarded events of which OnDiscard was not told.", func(p *picture) uint64 { return p.ledger.Undelivered })
	r.gauge("visible", event, "Events that a cut shows.", func(p *picture) int64 { return count(p.ledger.Visible) })
	r.gauge("hidden", event, "Events that are too old and still in memory.", func(p *picture) int64 { return count(p.ledger.Hidden) })
	r.gauge("cuts.open", "{cut}", "Cuts held open.", func(p *picture) int64 { return int64(p.ledger.OpenCuts) })
	r.gauge("capacity", event, "Events that the store holds at most.", func(p *picture) int64 { return int64(p.capacity) })
	r.value("append.rate", "{event}/s", "Appends per second of late.", func(p *picture) float64 { return p.stats.Rate })
	r.counter("panics", "{panic}", "Panics of callbacks that were contained.", func(p *picture) uint64 { return p.stats.Panics })
	r.counter("keys.refused", event, "Events refused for their key.", func(p *picture) uint64 { return p.stats.KeysRefused })
	return r.register()
}

// Window observes a window under a name: ephemera.window.* with signals raised, restored, discarded, expired, cleared,
// persisted, dropped, refused, pruned, pending and visible, names, and flushes. Unregister it when the window is closed, and
// before the same name is observed again.
func Window(meter metric.Meter, name string, w *window.Window) (metric.Registration, error) {
	r := newRegistrar(meter, "ephemera.window.", name, w.Stats)
	const signal = "{signal}"
	r.counter("raised", signal, "Signals raised.", func(s *window.Stats) uint64 { return s.Raised })
	r.counter("restored", signal, "Signals of earlier runs.", func(s *window.Stats) uint64 { return s.Restored })
	r.counter("discarded", signal, "Signals that left because of the capacity.", func(s *window.Stats) uint64 { return s.Discarded })
	r.counter("expired", signal, "Signals that became too old.", func(s *window.Stats) uint64 { return s.Expired })
	r.counter("cleared", signal, "Signals cleared.", func(s *window.Stats) uint64 { return s.Cleared })
	r.counter("persisted", signal, "Signals written to the store.", func(s *window.Stats) uint64 { return s.Persisted })
	r.counter("dropped", signal, "Signals given up unwritten.", func(s *window.Stats) uint64 { return s.Dropped })
	r.counter("refused", signal, "Signals not raised.", func(s *window.Stats) uint64 { return s.Refused.Total() })
	r.counter("pruned", signal, "Signals removed from the store.", func(s *window.Stats) uint64 { return s.Pruned })
	r.gauge("pending", signal, "Signals that a crash now would lose.", func(s *window.Stats) int64 { return count(s.Pending) })
	r.gauge("visible", signal, "Signals that the window shows.", func(s *window.Stats) int64 { return int64(s.Visible) })
	r.gauge("names", "{name}", "Names in use.", func(s *window.Stats) int64 { return int64(s.Names) })
	r.counter("flushes", "{flush}", "Rounds that wrote something.", func(s *window.Stats) uint64 { return s.Flushes })
	r.counter("flush.failures", "{flush}", "Failed writes.", func(s *window.Stats) uint64 { return s.FlushFailures })
	return r.register()
}

// Snapshots observes a Saver under a name: ephemera.snapshot.* with snapshots taken, unchanged and failed, bytes, objects
// and events written, retries, events at risk and age. Unregister it when the Saver is closed, and before the same name is
// observed again.
func Snapshots[E any](meter metric.Meter, name string, s *snapshot.Saver[E]) (metric.Registration, error) {
	r := newRegistrar(meter, "ephemera.snapshot.", name, s.Stats)
	const one = "{snapshot}"
	r.counter("taken", one, "Snapshots taken.", func(t *snapshot.Stats) uint64 { return t.Snapshots })
	r.counter("unchanged", one, "Snapshots not taken, for nothing had changed.", func(t *snapshot.Stats) uint64 { return t.Unchanged })
	r.counter("failures", one, "Snapshots not taken, for an error.", func(t *snapshot.Stats) uint64 { return t.Failures })
	r.counter("pruned", one, "Snapshots removed.", func(t *snapshot.Stats) uint64 { return t.Pruned })
	r.counter("prune.failures", "{prune}", "Failures to remove.", func(t *snapshot.Stats) uint64 { return t.PruneFailures })
	r.counter("retries", "{try}", "Writes that were tried again.", func(t *snapshot.Stats) uint64 { return t.Retries })
	r.counter("postponed", "{partition}", "Partitions left for the next snapshot.", func(t *snapshot.Stats) uint64 { return t.Postponed })
	r.counter("events", "{event}", "Events written.", func(t *snapshot.Stats) uint64 { return t.Events })
	r.counter("objects", "{object}", "Objects written.", func(t *snapshot.Stats) uint64 { return t.Objects })
	r.counter("bytes", "By", "Bytes written.", func(t *snapshot.Stats) uint64 { return t.Bytes })
	r.gauge("at_risk", "{event}", "Events that a crash now would lose.", func(t *snapshot.Stats) int64 { return count(t.AtRisk) })
	r.value("age", "s", "Time since the newest snapshot; 0 without one.", func(t *snapshot.Stats) float64 { return t.Age.Seconds() })
	return r.register()
}
