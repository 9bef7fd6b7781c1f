package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ephemera-go/ephemera/server/internal/state"
)

// figures are what GET /metrics shows.
type figures struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	panics   prometheus.Counter
}

func newFigures(version string) *figures {
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ephemera_http_requests_total", Help: "Requests that were answered.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ephemera_http_request_seconds", Help: "Time from the header of a request to the end of its reply, without subscriptions.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ephemera_limit_hits_total", Help: "What a limit refused: requests, connections, header, login.",
		}, []string{"limit"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ephemera_http_panics_total", Help: "Panics of handlers that were contained.",
		}),
	}
	for _, limit := range []string{"requests", "connections", "header", "login"} {
		f.limited.WithLabelValues(limit)
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ephemera_build_info", Help: "1, with the version of the program.",
	}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	f.registry.MustRegister(f.requests, f.seconds, f.limited, f.panics, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f.handler = promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{})
	return f
}

func (f *figures) observe(s *state.State) error { return f.registry.Register(newCollector(s)) }

func (f *figures) get(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	f.handler.ServeHTTP(w, r)
	return nil
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE"}

func (f *figures) request(route, method string, code int, took time.Duration, follows bool) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	f.requests.WithLabelValues(route, method, strconv.Itoa(code)).Inc()
	if !follows {
		f.seconds.WithLabelValues(route, method).Observe(took.Seconds())
	}
}

// CountRefusedConnection counts a connection beyond the limit of the listener.
func (s *Site) CountRefusedConnection() { s.figures.limited.WithLabelValues("connections").Inc() }
