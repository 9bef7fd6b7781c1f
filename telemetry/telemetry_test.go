package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	mnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tnoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/telemetry"
	"github.com/ephemera-go/ephemera/window"
)

// meter remembers instruments and collects on demand, as an SDK would.
type meter struct {
	mnoop.Meter
	refuse   string
	callback metric.Callback
}

type intCounter struct {
	mnoop.Int64ObservableCounter
	name, unit string
}
type intGauge struct {
	mnoop.Int64ObservableGauge
	name, unit string
}
type floatGauge struct {
	mnoop.Float64ObservableGauge
	name, unit string
}

func (m *meter) Int64ObservableCounter(name string, o ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	if name == m.refuse {
		return nil, errors.New("refused")
	}
	return intCounter{name: name, unit: metric.NewInt64ObservableCounterConfig(o...).Unit()}, nil
}

func (m *meter) Int64ObservableGauge(name string, o ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	return intGauge{name: name, unit: metric.NewInt64ObservableGaugeConfig(o...).Unit()}, nil
}

func (m *meter) Float64ObservableGauge(name string, o ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return floatGauge{name: name, unit: metric.NewFloat64ObservableGaugeConfig(o...).Unit()}, nil
}

func (m *meter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	m.callback = f
	return mnoop.Registration{}, nil
}

// collect returns "name unit" to value.
func (m *meter) collect(t *testing.T) map[string]any {
	t.Helper()
	o := observer{t: t, values: map[string]any{}}
	if err := m.callback(context.Background(), &o); err != nil {
		t.Error(err)
	}
	return o.values
}

type observer struct {
	mnoop.Observer
	t      *testing.T
	values map[string]any
}

func (o *observer) ObserveInt64(x metric.Int64Observable, v int64, options ...metric.ObserveOption) {
	if c, ok := x.(intCounter); ok {
		o.add(c.name, c.unit, v, options)
	} else {
		g := x.(intGauge)
		o.add(g.name, g.unit, v, options)
	}
}

func (o *observer) ObserveFloat64(x metric.Float64Observable, v float64, options ...metric.ObserveOption) {
	g := x.(floatGauge)
	o.add(g.name, g.unit, v, options)
}

func (o *observer) add(name, unit string, v any, options []metric.ObserveOption) {
	set := metric.NewObserveConfig(options).Attributes()
	if got, _ := set.Value("ephemera.name"); got.AsString() != "orders" {
		o.t.Errorf("%s has attributes %v", name, set.ToSlice())
	}
	if _, twice := o.values[name+" "+unit]; twice {
		o.t.Errorf("%s observed twice", name)
	}
	o.values[name+" "+unit] = v
}

func check(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
}

// TestTwoReaders: an SDK calls back for each of its readers, at the same time. No reader sees a counter go back.
func TestTwoReaders(t *testing.T) {
	s, err := core.New(core.Options[int]{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := &meter{}
	if _, err := telemetry.Store(m, "orders", s); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			last := int64(0)
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				now := m.collect(t)["ephemera.store.discarded {event}"].(int64)
				if now < last {
					t.Errorf("discarded went from %d to %d", last, now)
				}
				last = now
			}
		})
	}
	for i := range 100_000 {
		if _, err := s.Append(i); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}

func TestStore(t *testing.T) {
	s, err := core.New(core.Options[int]{Capacity: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := &meter{}
	if _, err := telemetry.Store(m, "orders", s); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if _, err := s.Append(i); err != nil {
			t.Fatal(err)
		}
	}
	check(t, m.collect(t), map[string]any{
		"ephemera.store.appended {event}": int64(7), "ephemera.store.discarded {event}": int64(3),
		"ephemera.store.visible {event}": int64(4), "ephemera.store.capacity {event}": int64(4),
		"ephemera.store.cuts.open {cut}": int64(0), "ephemera.store.panics {panic}": int64(0),
	})
	cut := s.Cut()
	defer cut.Close()
	if _, err := s.Append(7); err != nil {
		t.Fatal(err)
	}
	check(t, m.collect(t), map[string]any{
		"ephemera.store.appended {event}": int64(8), "ephemera.store.cuts.open {cut}": int64(1),
	})
}

func TestWindow(t *testing.T) {
	w, err := window.New(context.Background(), window.Options{Capacity: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	m := &meter{}
	if _, err := telemetry.Window(m, "orders", w); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := w.Raise("order.completed", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = w.Raise("", "")
	check(t, m.collect(t), map[string]any{
		"ephemera.window.raised {signal}": int64(3), "ephemera.window.visible {signal}": int64(2),
		"ephemera.window.discarded {signal}": int64(1), "ephemera.window.refused {signal}": int64(1),
		"ephemera.window.names {name}": int64(1),
	})
}

func TestSnapshots(t *testing.T) {
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blobs.Close() }()
	tr := &tracer{}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := snapshot.Open(ctx, blobs, core.Options[int]{}, snapshot.Options[int]{
		Manual: true, Observer: telemetry.Spans(tr), Clock: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{}
	if _, err := telemetry.Snapshots(m, "orders", s); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		_, _ = s.Store().Append(i)
		if i == 2 {
			if err := s.Save(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	now = now.Add(90 * time.Second)
	check(t, m.collect(t), map[string]any{
		"ephemera.snapshot.taken {snapshot}": int64(1), "ephemera.snapshot.at_risk {event}": int64(2),
		"ephemera.snapshot.age s": 90.0, "ephemera.snapshot.events {event}": int64(3),
		"ephemera.snapshot.failures {snapshot}": int64(0),
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range tr.spans {
		names = append(names, s.name)
		if !s.ended || s.status != codes.Unset {
			t.Errorf("span %+v", s)
		}
	}
	want := []string{"snapshot.restore", "snapshot.save", "snapshot.prune", "snapshot.save", "snapshot.prune"}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	save := tr.spans[1].attributes
	if save["snapshot.outcome"] != "success" || save["snapshot.events"] != int64(3) || save["snapshot.attempts"] != int64(1) {
		t.Errorf("attributes of snapshot.save: %v", save)
	}
}

func TestSpanOfAFailure(t *testing.T) {
	tr := &tracer{}
	_, end := telemetry.Spans(tr).Start(context.Background(), "snapshot.save")
	end(errors.New("disk full"), slog.Bool("b", true), slog.Float64("f", 1.5), slog.Duration("d", time.Second), slog.Int("i", -1))
	s := tr.spans[0]
	want := map[string]any{"snapshot.b": true, "snapshot.f": 1.5, "snapshot.d": "1s", "snapshot.i": int64(-1)}
	if d := cmp.Diff(want, s.attributes); d != "" || s.status != codes.Error || s.err != "disk full" || !s.ended {
		t.Errorf("span %+v\n%s", s, d)
	}
}

func TestRefusedInstrument(t *testing.T) {
	s, err := core.New(core.Options[int]{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := &meter{refuse: "ephemera.store.purged"}
	if _, err := telemetry.Store(m, "orders", s); err == nil || m.callback != nil {
		t.Errorf("an instrument that is refused: %v", err)
	}
}

// tracer remembers spans.
type tracer struct {
	tnoop.Tracer
	spans []*span
}

type span struct {
	tnoop.Span
	name       string
	attributes map[string]any
	status     codes.Code
	err        string
	ended      bool
}

func (t *tracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s := &span{name: name, attributes: map[string]any{}}
	t.spans = append(t.spans, s)
	return ctx, s
}

func (s *span) SetAttributes(list ...attribute.KeyValue) {
	for _, a := range list {
		s.attributes[string(a.Key)] = a.Value.AsInterface()
	}
}
func (s *span) SetStatus(c codes.Code, _ string)              { s.status = c }
func (s *span) RecordError(err error, _ ...trace.EventOption) { s.err = err.Error() }
func (s *span) End(...trace.SpanEndOption)                    { s.ended = true }
