package streams

import (
	_ "embed" // openapi.yaml
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Defaults of HandlerOptions.
const (
	DefaultMaxBody     = 1 << 20
	DefaultMaxInFlight = 1024
	DefaultMaxReaders  = 1024
	DefaultHeartbeat   = 15 * time.Second
	DefaultTimeout     = 30 * time.Second
)

// HandlerOptions configures a Handler. The zero value is ready.
type HandlerOptions struct {
	MaxBody     int64         // bytes of a request's body, also after unpacking gzip; more is 413. 0 means DefaultMaxBody
	MaxInFlight int           // requests at once; more are 503. 0 means DefaultMaxInFlight
	MaxReaders  int           // subscriptions at once; more are 503. 0 means DefaultMaxReaders
	Heartbeat   time.Duration // between comments on a silent subscription; 0 means DefaultHeartbeat
	Timeout     time.Duration // for a request's body to come (else 408), and for each piece of a reply to go; 0 means DefaultTimeout
	Durability  func() string // what an append's reply says; nil: "memory"
	Logger      *slog.Logger  // told of failures that are not the client's; nil means silence
}

// A Handler serves a Log over HTTP: POST, GET, DELETE and PUT of /streams/{name}, GET of /streams, POST of /subscriptions, and
// its description at /openapi.yaml. It takes paths as they are, so do not put it behind a mux that cleans them. It does not
// authenticate, and the server around it limits headers and connections. A handler in front of it that wraps
// http.ResponseWriter must offer Unwrap, as http.ResponseController wants it.
type Handler struct {
	log     Log
	o       HandlerOptions
	flights chan struct{}
	readers chan struct{}
	keys    flyingKeys
}

//go:embed openapi.yaml
var openAPI []byte

// NewHandler serves a log. Bad options are refused together.
func NewHandler(log Log, o HandlerOptions) (*Handler, error) {
	var p []error
	for _, x := range []struct {
		bad  bool
		name string
	}{
		{log == nil, "Log: nil"},
		{o.MaxBody < 0, "MaxBody is negative"},
		{o.MaxInFlight < 0, "MaxInFlight is negative"},
		{o.MaxReaders < 0, "MaxReaders is negative"},
		{o.Heartbeat < 0, "Heartbeat is negative"},
		{o.Timeout < 0, "Timeout is negative"},
	} {
		if x.bad {
			p = append(p, fmt.Errorf("%w: %s", ErrOption, x.name))
		}
	}
	if err := errors.Join(p...); err != nil {
		return nil, wrap("serve", "", err)
	}
	o.setDefaults()
	return &Handler{log: log, o: o, flights: make(chan struct{}, o.MaxInFlight), readers: make(chan struct{}, o.MaxReaders)}, nil
}

func (o *HandlerOptions) setDefaults() {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxReaders == 0 {
		o.MaxReaders = DefaultMaxReaders
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Durability == nil {
		o.Durability = func() string { return "memory" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// methods are what a path has, for the stream that it names; GET answers HEAD, too.
type methods map[string]func(h *Handler, w http.ResponseWriter, r *http.Request, stream string)

var (
	listMethods         = methods{http.MethodGet: (*Handler).list}
	subscriptionMethods = methods{http.MethodPost: (*Handler).subscriptions}
	descriptionMethods  = methods{http.MethodGet: (*Handler).description}
	streamMethods       = methods{
		http.MethodPost: (*Handler).append, http.MethodGet: (*Handler).get,
		http.MethodPut: (*Handler).limits, http.MethodDelete: (*Handler).remove,
	}
)

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // a version says nothing about what limits have discarded since
	path := r.URL.EscapedPath()
	name, isStream := strings.CutPrefix(path, "/streams/")
	switch {
	case path == "/subscriptions":
		h.route(w, r, h.readers, subscriptionMethods, "")
	case path == "/streams":
		h.route(w, r, h.flights, listMethods, "")
	case path == "/openapi.yaml":
		h.route(w, r, h.flights, descriptionMethods, "")
	case isStream:
		stream, err := url.PathUnescape(name)
		if err == nil {
			err = CheckName(stream)
		} else {
			err = fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err != nil {
			h.failed(w, r, "", err)
			return
		}
		h.stream(w, r, stream)
	default:
		h.fail(w, problem{Status: http.StatusNotFound, Detail: "no such path; /streams/{name}, /streams, /subscriptions and /openapi.yaml are"})
	}
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request, stream string) {
	slots := h.flights
	if follows := r.Method == http.MethodGet && wants(r, typeSSE); follows {
		slots = h.readers
	}
	h.route(w, r, slots, streamMethods, stream)
}

func (h *Handler) description(w http.ResponseWriter, _ *http.Request, _ string) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI)
}

func wants(r *http.Request, kind string) bool { return strings.Contains(r.Header.Get("Accept"), kind) }

// route calls the method, while there is a slot for it.
func (h *Handler) route(w http.ResponseWriter, r *http.Request, slots chan struct{}, m methods, stream string) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	f := m[method]
	if f == nil {
		allowed := slices.Sorted(maps.Keys(m))
		if m[http.MethodGet] != nil {
			allowed = append(allowed, http.MethodHead)
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		h.fail(w, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not for this path"})
		return
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		f(h, w, r, stream)
	default:
		h.failed(w, r, "", errBusy)
	}
}
