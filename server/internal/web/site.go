package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/streams"
)

// Inside is the remote address of requests that this process sends to itself. They are logged at level debug only.
const Inside = "this process"

// A Site serves everything that the server shows. Its methods are safe for concurrent use.
type Site struct {
	o        Options
	log      *slog.Logger
	access   access
	figures  *figures
	flights  chan struct{}
	readers  chan struct{}
	open     atomic.Pointer[opened] // nil: not ready
	why      atomic.Pointer[string] // it is not ready
	draining chan struct{}          // closed by Drain
	drain    sync.Once
}

// opened is what there is once everything is restored.
type opened struct {
	state   *state.State
	streams *streams.Handler
	mux     *http.ServeMux
}

// New makes a Site that is not ready yet.
func New(o Options) (*Site, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Site{
		o: o, log: o.Logger, access: newAccess(o), figures: newFigures(o.Version), draining: make(chan struct{}),
		flights: make(chan struct{}, o.MaxInFlight), readers: make(chan struct{}, o.MaxReaders),
	}
	s.NotReady("starting")
	return s, nil
}

// NotReady says why the site is not ready yet: what it is doing.
func (s *Site) NotReady(why string) { s.why.Store(&why) }

// Open begins to serve a state.
func (s *Site) Open(st *state.State) error {
	h, err := streams.NewHandler(st.Log, streams.HandlerOptions{
		MaxBody: s.o.MaxBody, MaxInFlight: s.o.MaxInFlight, MaxReaders: s.o.MaxReaders,
		Heartbeat: s.o.Heartbeat, Timeout: s.o.BodyTimeout, Logger: s.log,
	})
	if err != nil {
		return err
	}
	o := &opened{state: st, streams: h}
	if err := s.figures.observe(st); err != nil {
		return err
	}
	if o.mux, err = s.routes(o); err != nil {
		return err
	}
	s.open.Store(o)
	return nil
}

// Drain says from now on that the site is not ready, and ends subscriptions. Requests go on being answered.
func (s *Site) Drain() {
	s.drain.Do(func() {
		s.NotReady("stopping")
		close(s.draining)
	})
}

func (s *Site) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := &recorder{
		ResponseWriter: w, control: http.NewResponseController(w), timeout: s.o.WriteTimeout,
		hasBody: r.ContentLength != 0, rest: s.o.BodyTimeout,
	}
	x.Header().Set("X-Content-Type-Options", "nosniff")
	x.Header().Set("Referrer-Policy", "no-referrer")
	route := s.routeOf(r)
	defer func() { s.done(x, r, route, begin, recover()) }()
	s.serve(x, r)
}

// done writes the log and counts. A handler that panicked is a failure of the server, and told to the client if it can be.
func (s *Site) done(x *recorder, r *http.Request, route string, begin time.Time, panicked any) {
	if panicked == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		panic(panicked)
	}
	if panicked != nil {
		s.figures.panics.Inc()
		s.log.ErrorContext(r.Context(), "a handler panicked", "route", route, "panic", fmt.Sprint(panicked))
		if x.status == 0 {
			fail(x, http.StatusInternalServerError, "an error of the server; its log says more")
		}
	}
	took := time.Since(begin)
	s.figures.request(route, r.Method, x.code(), took, isFollowing(r))
	level := slog.LevelInfo
	if r.RemoteAddr == Inside {
		level = slog.LevelDebug
	}
	if ctx := r.Context(); s.log.Enabled(ctx, level) {
		s.log.LogAttrs(ctx, level, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", x.code()), slog.Int64("bytes", x.bytes), slog.Duration("took", took), slog.String("remote", r.RemoteAddr))
	}
}

func (s *Site) serve(w *recorder, r *http.Request) {
	if w.hasBody { // whoever reads the body takes the deadline away, or it would end the request's context
		_ = w.control.SetReadDeadline(time.Now().Add(s.o.BodyTimeout))
	}
	if headerBytes(r) > s.o.MaxHeader {
		s.figures.limited.WithLabelValues("header").Inc()
		fail(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("a header of more than %d bytes", s.o.MaxHeader))
		return
	}
	if s.probe(w, r) {
		return
	}
	if !s.access.admit(w, r) {
		return
	}
	slots := s.flights
	if isFollowing(r) {
		slots = s.readers
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		s.figures.limited.WithLabelValues("requests").Inc()
		unavailable(w, "too many requests at once")
		return
	}
	o := s.open.Load()
	switch {
	case o == nil || s.isDraining() && isFollowing(r):
		unavailable(w, "not ready: "+*s.why.Load())
	case isStreams(r.URL.Path):
		r, cancel := s.following(r)
		defer cancel()
		o.streams.ServeHTTP(w, r)
	default:
		r, cancel := s.following(r)
		defer cancel()
		o.mux.ServeHTTP(w, r)
	}
}

// headerBytes is what the header took on the wire under HTTP/1.1.
func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

func isStreams(path string) bool {
	return path == "/streams" || path == "/subscriptions" || strings.HasPrefix(path, "/streams/")
}

// isFollowing tells subscriptions, which last as long as their clients want, from other requests.
func isFollowing(r *http.Request) bool {
	return r.URL.Path == "/subscriptions" ||
		r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// following lets a subscription end with Drain.
func (s *Site) following(r *http.Request) (*http.Request, context.CancelFunc) {
	if !isFollowing(r) {
		return r, func() {}
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		select {
		case <-s.draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	return r.WithContext(ctx), cancel
}
