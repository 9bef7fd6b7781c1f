package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// registrar makes instruments and observes them together, all from one T that read returns at the beginning of each
// collection. Collections may run at the same time, one for each reader of the SDK.
type registrar[T any] struct {
	meter       metric.Meter
	prefix      string
	options     metric.MeasurementOption
	read        func() T
	observe     []func(metric.Observer, *T)
	instruments []metric.Observable
	problems    []error
}

func newRegistrar[T any](meter metric.Meter, prefix, name string, read func() T) *registrar[T] {
	options := metric.WithAttributes(attribute.String("ephemera.name", name))
	return &registrar[T]{meter: meter, prefix: prefix, options: options, read: read}
}

func (r *registrar[T]) add(what string, x metric.Observable, err error, observe func(metric.Observer, *T)) {
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("telemetry: %s%s: %w", r.prefix, what, err))
		return
	}
	r.instruments = append(r.instruments, x)
	r.observe = append(r.observe, observe)
}

// counter never goes back: whoever reads it would take that for a restart. A few events may move from one fate to another
// when they are settled; then the counter stands still until the figure has caught up.
func (r *registrar[T]) counter(what, unit, description string, get func(*T) uint64) {
	x, err := r.meter.Int64ObservableCounter(r.prefix+what, metric.WithUnit(unit), metric.WithDescription(description))
	var peak atomic.Int64
	r.add(what, x, err, func(o metric.Observer, from *T) { o.ObserveInt64(x, highest(&peak, count(get(from))), r.options) })
}

// highest raises peak to n, if that is more, and returns it.
func highest(peak *atomic.Int64, n int64) int64 {
	for {
		old := peak.Load()
		if n <= old {
			return old
		}
		if peak.CompareAndSwap(old, n) {
			return n
		}
	}
}

func (r *registrar[T]) gauge(what, unit, description string, get func(*T) int64) {
	x, err := r.meter.Int64ObservableGauge(r.prefix+what, metric.WithUnit(unit), metric.WithDescription(description))
	r.add(what, x, err, func(o metric.Observer, from *T) { o.ObserveInt64(x, get(from), r.options) })
}

func (r *registrar[T]) value(what, unit, description string, get func(*T) float64) {
	x, err := r.meter.Float64ObservableGauge(r.prefix+what, metric.WithUnit(unit), metric.WithDescription(description))
	r.add(what, x, err, func(o metric.Observer, from *T) { o.ObserveFloat64(x, get(from), r.options) })
}

func (r *registrar[T]) register() (metric.Registration, error) {
	if err := errors.Join(r.problems...); err != nil {
		return nil, err
	}
	return r.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		from := r.read()
		for _, f := range r.observe {
			f(o, &from)
		}
		return nil
	}, r.instruments...)
}

// count turns a counter into what OpenTelemetry takes; none of ours comes near the limit.
func count(n uint64) int64 { return int64(min(n, 1<<63-1)) }
