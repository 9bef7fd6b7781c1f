package web

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/window"
)

// A series is one metric and where its value comes from.
type series[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*T) float64
}

func counterOf[T any](name, help string, get func(*T) float64) series[T] {
	return series[T]{prometheus.NewDesc("ephemera_"+name, help, labelsOf[T](), nil), prometheus.CounterValue, get}
}

func gaugeOf[T any](name, help string, get func(*T) float64) series[T] {
	return series[T]{prometheus.NewDesc("ephemera_"+name, help, labelsOf[T](), nil), prometheus.GaugeValue, get}
}

// labelsOf: there is one window of signals, and a store and a saver each of streams and metrics.
func labelsOf[T any]() []string {
	if _, ok := any(new(T)).(*window.Stats); ok {
		return nil
	}
	return []string{"store"}
}

// kept is what is known of a store.
type kept struct {
	core.Ledger
	core.Stats
}

var storeSeries = []series[kept]{
	counterOf("events_appended_total", "Events appended in this run.", func(k *kept) float64 { return float64(k.Ledger.Appended) }),
	counterOf("events_restored_total", "Events restored at the start.", func(k *kept) float64 { return float64(k.Ledger.Restored) }),
	counterOf("events_discarded_total", "Events pushed out by limits of number and bytes.",
		func(k *kept) float64 { return float64(k.Ledger.Discarded) }),
	counterOf("events_expired_total", "Events that became too old.", func(k *kept) float64 { return float64(k.Expired) }),
	counterOf("events_purged_total", "Events purged.", func(k *kept) float64 { return float64(k.Purged) }),
	counterOf("events_cleared_total", "Events cleared, or deleted with their stream.", func(k *kept) float64 { return float64(k.Cleared) }),
	gaugeOf("events_visible", "Events that can be read.", func(k *kept) float64 { return float64(k.Ledger.Visible) }),
	gaugeOf("events_hidden", "Events that are too old and still in memory.", func(k *kept) float64 { return float64(k.Hidden) }),
	gaugeOf("append_rate", "Appends per second over about the last two.", func(k *kept) float64 { return k.Rate }),
	counterOf("contained_panics_total", "Panics in functions of queries that were contained.", func(k *kept) float64 { return float64(k.Panics) }),
}

var saverSeries = []series[snapshot.Stats]{
	counterOf("snapshots_total", "Snapshots taken.", func(s *snapshot.Stats) float64 { return float64(s.Snapshots) }),
	counterOf("snapshots_unchanged_total", "Snapshots not taken, for nothing had changed.",
		func(s *snapshot.Stats) float64 { return float64(s.Unchanged) }),
	counterOf("snapshot_failures_total", "Snapshots not taken, for an error.", func(s *snapshot.Stats) float64 { return float64(s.Failures) }),
	counterOf("snapshot_retries_total", "Writes that were tried again.", func(s *snapshot.Stats) float64 { return float64(s.Retries) }),
	counterOf("snapshot_bytes_total", "Bytes written.", func(s *snapshot.Stats) float64 { return float64(s.Bytes) }),
	gaugeOf("snapshot_events_at_risk", "Events appended that no snapshot holds, those that have left memory included: what a crash now would lose at most.",
		func(s *snapshot.Stats) float64 { return float64(s.AtRisk) }),
	gaugeOf("snapshot_age_seconds", "Since the newest snapshot; 0 without one.", func(s *snapshot.Stats) float64 { return s.Age.Seconds() }),
}

var signalSeries = []series[window.Stats]{
	counterOf("signals_raised_total", "Signals raised in this run.", func(s *window.Stats) float64 { return float64(s.Raised) }),
	counterOf("signals_restored_total", "Signals of earlier runs in the window.", func(s *window.Stats) float64 { return float64(s.Restored) }),
	counterOf("signals_discarded_total", "Signals that left for the capacity.", func(s *window.Stats) float64 { return float64(s.Discarded) }),
	counterOf("signals_expired_total", "Signals that left for their age.", func(s *window.Stats) float64 { return float64(s.Expired) }),
	counterOf("signals_persisted_total", "Signals written to their store.", func(s *window.Stats) float64 { return float64(s.Persisted) }),
	counterOf("signals_dropped_total", "Signals given up unwritten.", func(s *window.Stats) float64 { return float64(s.Dropped) }),
	counterOf("signals_refused_total", "Signals not raised.", func(s *window.Stats) float64 { return float64(s.Refused.Total()) }),
	counterOf("signal_flushes_total", "Rounds that wrote something.", func(s *window.Stats) float64 { return float64(s.Flushes) }),
	counterOf("signal_flush_failures_total", "Failed writes.", func(s *window.Stats) float64 { return float64(s.FlushFailures) }),
	gaugeOf("signals_pending", "Signals that wait for their store: what a crash now would lose.",
		func(s *window.Stats) float64 { return float64(s.Pending) }),
	gaugeOf("signals_visible", "Signals that the window shows.", func(s *window.Stats) float64 { return float64(s.Visible) }),
}

// A collector reads the counters of a State when somebody asks.
type collector struct {
	state *state.State
	peaks peaks
}

func newCollector(s *state.State) *collector {
	return &collector{state: s, peaks: peaks{seen: map[peak]float64{}}}
}

// peaks are the highest values of counters so far. A few events may move from one fate to another when they are settled, and
// a counter that goes back counts as a restart; it stands still instead.
type peaks struct {
	mu   sync.Mutex
	seen map[peak]float64
}

type peak struct {
	desc  *prometheus.Desc
	store string
}

func (p *peaks) raise(desc *prometheus.Desc, store string, v float64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := peak{desc, store}
	p.seen[k] = max(p.seen[k], v)
	return p.seen[k]
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	describe1(out, storeSeries)
	describe1(out, saverSeries)
	describe1(out, signalSeries)
}

func describe1[T any](out chan<- *prometheus.Desc, list []series[T]) {
	for i := range list {
		out <- list[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	events, metrics := c.state.Events, c.state.Metrics
	collect(c, out, storeSeries, kept{events.Store().Ledger(), events.Store().Stats()}, state.StreamsName)
	collect(c, out, storeSeries, kept{metrics.Store().Ledger(), metrics.Store().Stats()}, state.MetricsName)
	collect(c, out, saverSeries, events.Stats(), state.StreamsName)
	collect(c, out, saverSeries, metrics.Stats(), state.MetricsName)
	collect(c, out, signalSeries, c.state.Signals.Stats())
}

func collect[T any](c *collector, out chan<- prometheus.Metric, list []series[T], from T, labels ...string) {
	for i := range list {
		s := &list[i]
		v := s.get(&from)
		if s.kind == prometheus.CounterValue {
			v = c.peaks.raise(s.desc, strings.Join(labels, ""), v)
		}
		out <- prometheus.MustNewConstMetric(s.desc, s.kind, v, labels...)
	}
}
