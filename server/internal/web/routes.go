package web

import (
	"context"
	"errors"
	"net/http"
	"sort"
	"strings"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/server/internal/dashboard"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// probe answers what needs neither a token nor a restored state.
func (s *Site) probe(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.Path
	if path != "/healthz" && path != "/readyz" && path != "/health" {
		return false
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, r.Method+" is not for this path")
	case path == "/readyz" && s.open.Load() == nil, path == "/readyz" && s.isDraining():
		unavailable(w, "not ready: "+*s.why.Load())
	default:
		reply(w, http.StatusOK, "OK")
	}
	return true
}

// A handler replies, or returns an error that failed turns into a reply.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Site) routes(o *opened) (*http.ServeMux, error) {
	m := http.NewServeMux()
	board, err := dashboard.New(o.state, dashboard.Options{Version: s.o.Version, Login: s.access.needed})
	if err != nil {
		return nil, err
	}
	m.Handle("GET /{$}", board)
	m.Handle("GET /static/", board)
	signals := signalRoutes{o.state.Signals, s.o, o.state.Runs}
	metrics := metricRoutes{o.state.Metrics.Store(), s.o}
	admin := adminRoutes{o.state}
	table := map[string]map[string]handler{
		"/signals":                {"GET": signals.get, "POST": signals.post},
		"/signals/stats":          {"GET": signals.stats},
		"/metrics":                {"GET": s.figures.get, "POST": metrics.post},
		"/metrics/sum":            {"GET": metrics.sum},
		"/metrics/sum-window":     {"GET": metrics.sumWindow},
		"/metrics/window":         {"GET": metrics.window},
		"/metrics/top":            {"GET": metrics.top},
		"/metrics/snapshot-views": {"GET": metrics.views},
		"/admin/clear":            {"POST": admin.clear},
		"/admin/reset":            {"POST": admin.reset},
		"/admin/purge":            {"POST": admin.purge},
		"/admin/snapshot":         {"POST": admin.snapshot},
		"/admin/verify":           {"POST": admin.verify},
		"/admin/stats":            {"GET": admin.stats},
	}
	for path, methods := range table {
		m.Handle(path, s.methods(methods))
	}
	m.HandleFunc("GET /login", s.loginForm)
	m.HandleFunc("POST /login", s.login)
	m.HandleFunc("POST /logout", s.logout)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "no such path; see docs/server.md")
	})
	return m, nil
}

// methods replies 405 for all others, with what is allowed. HEAD is GET; net/http leaves the body out.
func (s *Site) methods(known map[string]handler) http.Handler {
	var allowed []string
	for name := range known {
		allowed = append(allowed, name)
		if name == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	sort.Strings(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h := known[method]
		if h == nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			fail(w, http.StatusMethodNotAllowed, r.Method+" is not for this path")
			return
		}
		if err := h(w, r); err != nil {
			s.failed(w, r, err)
		}
	})
}

// statuses say what is told of an error.
var statuses = []struct {
	err    error
	status int
}{
	{errUnflushed, http.StatusGatewayTimeout}, // no status that says that nothing was done
	{errBad, http.StatusBadRequest},
	{errTooLarge, http.StatusRequestEntityTooLarge},
	{errSlow, http.StatusRequestTimeout},
	{window.ErrInvalid, http.StatusUnprocessableEntity},
	{window.ErrPattern, http.StatusBadRequest},
	{window.ErrNamesFull, http.StatusTooManyRequests},
	{window.ErrOverloaded, http.StatusServiceUnavailable},
	{window.ErrClosed, http.StatusServiceUnavailable},
	{sinks.ErrClosed, http.StatusServiceUnavailable},
	{core.ErrClosed, http.StatusServiceUnavailable},
	{context.DeadlineExceeded, http.StatusGatewayTimeout},
}

func (s *Site) failed(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			if known.status == http.StatusServiceUnavailable || known.status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "1")
			}
			fail(w, known.status, err.Error())
			return
		}
	}
	s.log.ErrorContext(r.Context(), "a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	detail := "an error of the server; its log says more"
	if e := (*state.Error)(nil); errors.As(err, &e) {
		detail = err.Error()
	}
	fail(w, http.StatusInternalServerError, detail)
}

// routeOf is the path as a label: few values, whatever clients ask for.
func (s *Site) routeOf(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/streams/"):
		return "/streams/{name}"
	case isStreams(path), path == "/healthz", path == "/readyz", path == "/health":
		return path
	}
	if o := s.open.Load(); o != nil {
		if _, pattern := o.mux.Handler(r); pattern != "" && pattern != "/" {
			if _, only, ok := strings.Cut(pattern, " "); ok {
				return only
			}
			return pattern
		}
	}
	return "other"
}
