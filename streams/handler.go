package streams

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// Defaults of HandlerOptions.
const (
	DefaultMaxBody     = 1 << 20
	DefaultMaxInFlight = 1024
	DefaultMaxReaders  = 1024
	DefaultHeartbeat   = 15 * time.Second
)

// HandlerOptions configures a Handler. The zero value is ready.
type HandlerOptions struct {
	MaxBody     int64         // bytes of a request's body, also after unpacking gzip; more is 413. 0 means DefaultMaxBody
	MaxInFlight int           // requests at once; more are 503. 0 means DefaultMaxInFlight
	MaxReaders  int           // subscriptions at once; more are 503. 0 means DefaultMaxReaders
	Heartbeat   time.Duration // between comments on a silent subscription; 0 means DefaultHeartbeat
	Durability  func() string // what an append's reply says; nil: "memory"
	Logger      *slog.Logger  // told of failures that are not the client's; nil means silence
}

// A Handler serves a Log over HTTP: POST, GET, DELETE and PUT of /streams/{name}, GET of /streams, POST of /subscriptions.
// It takes paths as they are, so do not put it behind a mux that cleans them. It neither authenticates nor limits the time
// of requests: the server around it does.
type Handler struct {
	log     Log
	o       HandlerOptions
	flights chan struct{}
	readers chan struct{}
}

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
	} {
		if x.bad {
			p = append(p, fmt.Errorf("%w: %s", ErrOption, x.name))
		}
	}
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
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
	if o.Durability == nil {
		o.Durability = func() string { return "memory" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{log, o, make(chan struct{}, o.MaxInFlight), make(chan struct{}, o.MaxReaders)}, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	name, isStream := strings.CutPrefix(path, "/streams/")
	follows := path == "/subscriptions" || strings.Contains(r.Header.Get("Accept"), typeSSE)
	slots := h.flights
	if follows {
		slots = h.readers
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		w.Header().Set("Retry-After", "1")
		h.fail(w, r, problem{Status: http.StatusServiceUnavailable, Detail: "too many requests at once"})
		return
	}
	switch {
	case path == "/subscriptions":
		h.route(w, r, map[string]func(){http.MethodPost: func() { h.subscriptions(w, r) }})
	case path == "/streams":
		h.route(w, r, map[string]func(){http.MethodGet: func() { h.list(w, r) }})
	case isStream:
		stream, err := url.PathUnescape(name)
		if err == nil {
			err = CheckName(stream)
		}
		if err != nil {
			h.fail(w, r, problem{Status: http.StatusBadRequest, Detail: err.Error()})
			return
		}
		h.route(w, r, map[string]func(){
			http.MethodPost:   func() { h.append(w, r, stream) },
			http.MethodGet:    func() { h.get(w, r, stream) },
			http.MethodPut:    func() { h.limits(w, r, stream) },
			http.MethodDelete: func() { h.remove(w, r, stream) },
		})
	default:
		h.fail(w, r, problem{Status: http.StatusNotFound, Detail: "no such path; /streams/{name}, /streams and /subscriptions are"})
	}
}

func (h *Handler) route(w http.ResponseWriter, r *http.Request, methods map[string]func()) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if f := methods[method]; f != nil {
		f()
		return
	}
	var allowed []string
	for m := range methods {
		allowed = append(allowed, m)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	h.fail(w, r, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not for this path"})
}

// query refuses parameters that nobody reads.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed query", ErrInvalid)
	}
	for name, values := range q {
		if !contains(known, name) {
			return nil, fmt.Errorf("%w: unknown parameter %q; %s are known", ErrInvalid, name, strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return nil, fmt.Errorf("%w: parameter %q twice", ErrInvalid, name)
		}
	}
	return q, nil
}

// number reads an unsigned parameter; absent is 0.
func number(q url.Values, name string, most uint64) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("%w: parameter %q is %q; 0 to %d are allowed", ErrInvalid, name, text, most)
	}
	return n, nil
}

func boolean(q url.Values, name string) (bool, error) {
	switch text := q.Get(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fmt.Errorf("%w: parameter %q is %q; true or false", ErrInvalid, name, text)
	}
}

// body reads a request's body within the limit.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var src io.Reader = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
	switch e := r.Header.Get("Content-Encoding"); e {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, readError(err, h.o.MaxBody)
		}
		src = z
	default:
		return nil, fmt.Errorf("%w: Content-Encoding %q; gzip is", errMediaType, e)
	}
	b, err := io.ReadAll(io.LimitReader(src, h.o.MaxBody+1))
	if err != nil {
		return nil, readError(err, h.o.MaxBody)
	}
	if int64(len(b)) > h.o.MaxBody {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, h.o.MaxBody)
	}
	return b, nil
}

func readError(err error, most int64) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return fmt.Errorf("%w: the body cannot be read: %w", ErrInvalid, err)
}

// expectation reads the preconditions of an append.
func expectation(r *http.Request) (e Expect, epoch core.Epoch, err error) {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case match != "" && none != "":
		return e, epoch, fmt.Errorf("%w: If-Match and If-None-Match together", ErrInvalid)
	case none == "*":
		e = NoStream
	case none != "":
		return e, epoch, fmt.Errorf("%w: If-None-Match %q; * is wanted", ErrInvalid, none)
	case match == "*":
		e = Exists
	case match != "":
		text, ok := strings.CutPrefix(match, `"`)
		text, tail := strings.CutSuffix(text, `"`)
		v, err := strconv.ParseUint(text, 10, 64)
		if !ok || !tail || err != nil {
			return e, epoch, fmt.Errorf("%w: If-Match %q; \"<version>\" is wanted, with quotes, or *", ErrInvalid, match)
		}
		e = Version(v)
	}
	if text := r.Header.Get(headerEpoch); text != "" {
		if err := epoch.UnmarshalText([]byte(text)); err != nil {
			return e, epoch, fmt.Errorf("%w: %s %q", ErrInvalid, headerEpoch, text)
		}
	}
	return e, epoch, nil
}

func (h *Handler) append(w http.ResponseWriter, r *http.Request, stream string) {
	_, err := query(r)
	var a Append
	if err == nil {
		a, err = h.readAppend(w, r, stream)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	// Whoever has sent the whole request gets it done, also if it does not wait for the reply.
	result, err := h.log.Append(context.WithoutCancel(r.Context()), a)
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	status := http.StatusCreated
	if result.Duplicate {
		status = http.StatusOK
	}
	setVersion(w, result.Last, result.Epoch)
	reply(w, status, wireResult{
		stream, result.First, result.Last, result.Epoch, result.Duplicate, h.o.Durability(),
	})
}

func (h *Handler) readAppend(w http.ResponseWriter, r *http.Request, stream string) (Append, error) {
	a := Append{Stream: stream, Key: r.Header.Get(headerKey)}
	var err error
	if a.Expect, a.Epoch, err = expectation(r); err != nil {
		return a, err
	}
	body, err := h.body(w, r)
	if err != nil {
		return a, err
	}
	a.Events, err = parseBody(r.Header, body)
	return a, err
}

func setVersion(w http.ResponseWriter, version uint64, epoch core.Epoch) {
	w.Header().Set("ETag", `"`+strconv.FormatUint(version, 10)+`"`)
	w.Header().Set(headerEpoch, epoch.String())
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_ = encode(w, v) // the client has gone: nobody to tell
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, stream string) {
	q, err := query(r, "from", "limit", "backward", "aggregate", "by", "field", "info")
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	aggregate, err1 := boolean(q, "aggregate")
	info, err2 := boolean(q, "info")
	if err := errors.Join(err1, err2); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	switch accept := r.Header.Get("Accept"); {
	case info:
		i, err := h.log.Info(r.Context(), stream)
		if err != nil {
			h.failed(w, r, stream, err)
			return
		}
		setVersion(w, i.Version, i.Epoch)
		reply(w, http.StatusOK, toWireInfo(i))
	case aggregate:
		h.aggregate(w, r, stream, q)
	case strings.Contains(accept, typeSSE):
		h.tail(w, r, stream, q)
	default:
		h.read(w, r, stream, q, strings.Contains(accept, typeNDJSON))
	}
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request, stream string, q url.Values, lines bool) {
	from, err1 := number(q, "from", 1<<64-1)
	limit, err2 := number(q, "limit", MaxPage)
	backward, err3 := boolean(q, "backward")
	if err := errors.Join(err1, err2, err3); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	page, err := h.log.Read(r.Context(), Read{Stream: stream, From: from, Limit: int(limit), Backward: backward})
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	setVersion(w, page.Version, page.Epoch)
	w.Header().Set("Ephemera-Oldest", strconv.FormatUint(page.Oldest, 10))
	if page.More {
		w.Header().Set("Ephemera-More", "true")
	}
	if g := page.Gap; g != nil {
		w.Header().Set(headerGap, fmt.Sprintf("%d-%d; cause=%s", g.From, g.To, g.Cause))
	}
	list := make([]wireEvent, len(page.Events))
	for i := range list {
		list[i] = toWire(&page.Events[i])
	}
	if !lines {
		reply(w, http.StatusOK, list)
		return
	}
	w.Header().Set("Content-Type", typeNDJSON)
	for i := range list {
		if encode(w, &list[i]) != nil {
			return
		}
	}
}

func (h *Handler) aggregate(w http.ResponseWriter, r *http.Request, stream string, q url.Values) {
	a := Aggregate{Stream: stream, Field: "valor", By: "gatewayId"}
	if q.Has("field") {
		a.Field = q.Get("field")
	}
	if q.Has("by") {
		a.By = q.Get("by")
	}
	begin := time.Now()
	s, err := h.log.Aggregate(r.Context(), a)
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	out := wireSummary{
		Stream: stream, TotalEvents: s.Events, TotalValor: s.Numbers.Sum, Gateways: map[string]wireGroup{},
		Version: s.Version, Epoch: s.Epoch, Field: a.Field, By: a.By, Numbers: s.Numbers.Count, NotNumbers: s.NotNumbers,
	}
	out.Min, out.Max, out.Avg = extremes(&s.Numbers)
	for name, g := range s.Groups {
		x := wireGroup{Count: g.Events, Sum: g.Numbers.Sum, Numbers: g.Numbers.Count}
		x.Min, x.Max, _ = extremes(&g.Numbers)
		out.Gateways[name] = x
	}
	for p, v := range s.Percentile {
		if out.Percentiles == nil {
			out.Percentiles = map[string]float64{}
		}
		out.Percentiles["p"+strconv.Itoa(p)] = v
	}
	out.DurationMs = float64(time.Since(begin).Microseconds()) / 1000
	setVersion(w, s.Version, s.Epoch)
	reply(w, http.StatusOK, out)
}

// extremes are nil without a number.
func extremes(s *core.Summary) (least, most, avg *float64) {
	if s.Count == 0 {
		return nil, nil, nil
	}
	a := s.Sum / float64(s.Count)
	return &s.Min, &s.Max, &a
}

func (h *Handler) limits(w http.ResponseWriter, r *http.Request, stream string) {
	q, err := query(r, "limits")
	if err == nil && q.Get("limits") != "true" {
		err = fmt.Errorf("%w: PUT is for ?limits=true", ErrInvalid)
	}
	var body []byte
	if err == nil {
		body, err = h.body(w, r)
	}
	var in wireLimits
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.DisallowUnknownFields()
		if e := d.Decode(&in); e != nil {
			err = fmt.Errorf("%w: limits: %w", ErrInvalid, e)
		}
	}
	var m Limits
	if err == nil {
		m, err = in.limits()
	}
	if err == nil {
		err = h.log.SetLimits(r.Context(), stream, m)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request, stream string) {
	_, err := query(r)
	if err == nil {
		err = h.log.Delete(r.Context(), stream)
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) {
	q, err := query(r, "pattern", "after", "limit")
	var limit uint64
	if err == nil {
		limit, err = number(q, "limit", MaxPage)
	}
	var found []Info
	if err == nil {
		found, err = h.log.List(r.Context(), q.Get("pattern"), q.Get("after"), int(limit))
	}
	if err != nil {
		h.failed(w, r, "", err)
		return
	}
	out := make([]wireInfo, len(found))
	for i := range found {
		out[i] = toWireInfo(found[i])
	}
	reply(w, http.StatusOK, out)
}
