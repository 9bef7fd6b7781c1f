package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/window"
)

// Store observes a store under a name: ephemera.store.* with events appended, restored, discarded, expired, purged, cleared,
// undelivered, visible and hidden, the append rate, open cuts and contained panics. Unregister it when the store is closed.
func Store[E any](meter metric.Meter, name string, s *core.Store[E]) (metric.Registration, error) {
	r := newRegistrar(meter, "ephemera.store.", name)
	counters := map[string]func(*core.Ledger) uint64{
		"appended":    func(l *core.Ledger) uint64 { return l.Appended },
		"restored":    func(l *core.Ledger) uint64 { return l.Restored },
		"discarded":   func(l *core.Ledger) uint64 { return l.Discarded },
		"expired":     func(l *core.Ledger) uint64 { return l.Expired },
		"purged":      func(l *core.Ledger) uint64 { return l.Purged },
		"cleared":     func(l *core.Ledger) uint64 { return l.Cleared },
		"undelivered": func(l *core.Ledger) uint64 { return l.Undelivered },
	}
	var ledger core.Ledger
	r.before(func() { ledger = s.Ledger() })
	for what, get := range counters {
		r.counter(what, "{event}", func() int64 { return count(get(&ledger)) })
	}
	r.gauge("visible", "{event}", func() int64 { return count(ledger.Visible) })
	r.gauge("hidden", "{event}", func() int64 { return count(ledger.Hidden) })
	r.gauge("cuts.open", "{cut}", func() int64 { return int64(ledger.OpenCuts) })
	r.gauge("capacity", "{event}", func() int64 { return int64(s.Capacity()) })
	var stats core.Stats
	r.before(func() { stats = s.Stats() })
	r.value("append.rate", "{event}/s", func() float64 { return stats.Rate })
	r.counter("panics", "{panic}", func() int64 { return count(stats.Panics) })
	r.counter("keys.refused", "{event}", func() int64 { return count(stats.KeysRefused) })
	return r.register()
}

// Window observes a window under a name: ephemera.window.* with signals raised, restored, evicted, expired, cleared,
// persisted, dropped, refused, pending and in memory, and flushes. Unregister it when the window is closed.
func Window(meter metric.Meter, name string, w *window.Window) (metric.Registration, error) {
	r := newRegistrar(meter, "ephemera.window.", name)
	var s window.Stats
	r.before(func() { s = w.Stats() })
	counters := map[string]func() uint64{
		"raised": func() uint64 { return s.Raised }, "restored": func() uint64 { return s.Restored },
		"evicted": func() uint64 { return s.Evicted }, "cleared": func() uint64 { return s.Cleared },
		"persisted": func() uint64 { return s.Persisted }, "dropped": func() uint64 { return s.Dropped },
		"refused": func() uint64 { return s.Refused.Total() }, "pruned": func() uint64 { return s.Pruned },
	}
	for what, get := range counters {
		r.counter(what, "{signal}", func() int64 { return count(get()) })
	}
	r.gauge("expired", "{signal}", func() int64 { return count(s.Expired) })
	r.gauge("pending", "{signal}", func() int64 { return count(s.Pending) })
	r.gauge("in_memory", "{signal}", func() int64 { return int64(s.InMemory) })
	r.gauge("names", "{name}", func() int64 { return int64(s.Names) })
	r.counter("flushes", "{flush}", func() int64 { return count(s.Flushes) })
	r.counter("flush.failures", "{flush}", func() int64 { return count(s.FlushFailures) })
	return r.register()
}

// Snapshots observes a Saver under a name: ephemera.snapshot.* with snapshots taken, unchanged and failed, bytes, objects
// and events written, retries, events at risk and age. Unregister it when the Saver is closed.
func Snapshots[E any](meter metric.Meter, name string, s *snapshot.Saver[E]) (metric.Registration, error) {
	r := newRegistrar(meter, "ephemera.snapshot.", name)
	var t snapshot.Stats
	r.before(func() { t = s.Stats() })
	for what, x := range map[string]struct {
		unit string
		get  func() uint64
	}{
		"taken":          {"{snapshot}", func() uint64 { return t.Snapshots }},
		"unchanged":      {"{snapshot}", func() uint64 { return t.Unchanged }},
		"failures":       {"{snapshot}", func() uint64 { return t.Failures }},
		"pruned":         {"{snapshot}", func() uint64 { return t.Pruned }},
		"prune.failures": {"{prune}", func() uint64 { return t.PruneFailures }},
		"retries":        {"{try}", func() uint64 { return t.Retries }},
		"postponed":      {"{partition}", func() uint64 { return t.Postponed }},
		"events":         {"{event}", func() uint64 { return t.Events }},
		"objects":        {"{object}", func() uint64 { return t.Objects }},
		"bytes":          {"By", func() uint64 { return t.Bytes }},
	} {
		r.counter(what, x.unit, func() int64 { return count(x.get()) })
	}
	r.gauge("at_risk", "{event}", func() int64 { return count(t.AtRisk) })
	r.value("age", "s", func() float64 { return t.Age.Seconds() })
	return r.register()
}

// count turns a counter into what OpenTelemetry takes; none of ours comes near the limit.
func count(n uint64) int64 { return int64(min(n, 1<<63-1)) }

// registrar makes instruments and observes them together.
type registrar struct {
	meter       metric.Meter
	prefix      string
	options     metric.MeasurementOption
	prepare     []func()
	observe     []func(metric.Observer)
	instruments []metric.Observable
	problems    []error
}

func newRegistrar(meter metric.Meter, prefix, name string) *registrar {
	return &registrar{meter: meter, prefix: prefix, options: metric.WithAttributes(attribute.String("ephemera.name", name))}
}

// before is called at the beginning of each collection.
func (r *registrar) before(f func()) { r.prepare = append(r.prepare, f) }

func (r *registrar) add(what string, x metric.Observable, err error, observe func(metric.Observer)) {
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("telemetry: %s%s: %w", r.prefix, what, err))
		return
	}
	r.instruments = append(r.instruments, x)
	r.observe = append(r.observe, observe)
}

func (r *registrar) counter(what, unit string, get func() int64) {
	x, err := r.meter.Int64ObservableCounter(r.prefix+what, metric.WithUnit(unit))
	r.add(what, x, err, func(o metric.Observer) { o.ObserveInt64(x, get(), r.options) })
}

func (r *registrar) gauge(what, unit string, get func() int64) {
	x, err := r.meter.Int64ObservableGauge(r.prefix+what, metric.WithUnit(unit))
	r.add(what, x, err, func(o metric.Observer) { o.ObserveInt64(x, get(), r.options) })
}

func (r *registrar) value(what, unit string, get func() float64) {
	x, err := r.meter.Float64ObservableGauge(r.prefix+what, metric.WithUnit(unit))
	r.add(what, x, err, func(o metric.Observer) { o.ObserveFloat64(x, get(), r.options) })
}

func (r *registrar) register() (metric.Registration, error) {
	if err := errors.Join(r.problems...); err != nil {
		return nil, err
	}
	return r.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, f := range r.prepare {
			f()
		}
		for _, f := range r.observe {
			f(o)
		}
		return nil
	}, r.instruments...)
}
