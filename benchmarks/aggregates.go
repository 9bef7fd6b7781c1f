package benchmarks

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Buckets are the upper bounds of the measured histograms: doublings that cover every value of an event.
func Buckets() []float64 { return prometheus.ExponentialBuckets(1, 2, 11) }

// An Aggregate takes the value of every event and keeps no event. It answers for less than a store with a rollup does:
// for all time, or for one window that slides in large steps.
type Aggregate struct {
	Name    string
	Observe Op
	Count   func() (uint64, error) // how many values it took
	Close   func() error
}

// PrometheusHistogram is a histogram of client_golang without labels.
func PrometheusHistogram() Aggregate {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "value", Help: "value of an event", Buckets: Buckets()})
	return observed("prometheus histogram", h, h)
}

// PrometheusSummary is a summary of client_golang with the median and the 99th percentile of the last ten minutes,
// which is its default age.
func PrometheusSummary() Aggregate {
	s := prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "value", Help: "value of an event", Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001},
		MaxAge: 10 * time.Minute,
	})
	return observed("prometheus summary", s, s)
}

func observed(name string, o prometheus.Observer, c prometheus.Collector) Aggregate {
	return Aggregate{
		Name:    name,
		Observe: func(x uint64) { e := Make(x); o.Observe(e.Value) },
		Count: func() (uint64, error) {
			r := prometheus.NewRegistry()
			if err := r.Register(c); err != nil {
				return 0, err
			}
			families, err := r.Gather()
			if err != nil {
				return 0, err
			}
			m := families[0].GetMetric()[0]
			return m.GetHistogram().GetSampleCount() + m.GetSummary().GetSampleCount(), nil
		},
		Close: func() error { return nil },
	}
}

// OTelHistogram is a histogram of the OpenTelemetry SDK, with one attribute that was prepared beforehand and a reader
// that is asked only when somebody wants to know.
func OTelHistogram() Aggregate {
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	h, err := provider.Meter("benchmarks").Float64Histogram("value", metric.WithExplicitBucketBoundaries(Buckets()...))
	if err != nil {
		panic(fmt.Sprintf("benchmarks: %v", err)) // the name and the bounds are fixed
	}
	ctx := context.Background()
	// A slice that exists already saves the allocation that the variadic argument costs otherwise.
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("source", "benchmark")))}
	return Aggregate{
		Name:    "otel histogram",
		Observe: func(x uint64) { e := Make(x); h.Record(ctx, e.Value, options...) },
		Count: func() (n uint64, err error) {
			var all metricdata.ResourceMetrics
			if err := reader.Collect(ctx, &all); err != nil {
				return 0, err
			}
			for _, s := range all.ScopeMetrics {
				for _, m := range s.Metrics {
					data, ok := m.Data.(metricdata.Histogram[float64])
					if !ok {
						return 0, fmt.Errorf("benchmarks: histogram has data of type %T", m.Data)
					}
					for _, p := range data.DataPoints {
						n += p.Count
					}
				}
			}
			return n, nil
		},
		Close: func() error { return provider.Shutdown(ctx) },
	}
}
