package streams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ephemera-go/ephemera/core"
)

// A problem is the body of an error reply, as in RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Stream string `json:"stream,omitempty"`

	CurrentVersion *uint64     `json:"currentVersion,omitempty"`
	Epoch          *core.Epoch `json:"epoch,omitempty"`
	IDs            []string    `json:"ids,omitempty"`
	Partial        bool        `json:"partial,omitempty"`
	Index          *int        `json:"index,omitempty"`
	Line           int         `json:"line,omitempty"`
	Field          string      `json:"field,omitempty"`
	Code           string      `json:"code,omitempty"` // which error of this package
}

func (h *Handler) fail(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	w.Header().Set("Content-Type", typeProblem)
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // texts and numbers can be written
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n'))
}

// failed tells the client of an error of the log or of the request.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, stream string, err error) {
	p := problem{Status: http.StatusInternalServerError, Stream: stream, Detail: bare(err).Error()}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			p.Status, p.Code = known.status, known.code
			break
		}
	}
	if c := (*ConflictError)(nil); errors.As(err, &c) {
		p.CurrentVersion, p.Epoch = &c.Version, &c.Epoch
		setVersion(w, c.Version, c.Epoch.String())
	}
	if k := (*KeyError)(nil); errors.As(err, &k) {
		p.IDs, p.Partial = k.Keys, k.Partial
	}
	if b := (*placeError)(nil); errors.As(err, &b) {
		p.Line, p.Field = b.Line, b.Field
		if b.Index >= 0 {
			p.Index = &b.Index
		}
	}
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusConflict:
		w.Header().Set("Retry-After", "1")
	}
	if p.Status == http.StatusInternalServerError {
		h.o.Logger.ErrorContext(r.Context(), "streams: a request failed", "method", r.Method, "stream", stream, "error", err)
	}
	h.fail(w, p)
}

// statuses say what is told to the client, and how the client recognises it.
var statuses = []struct {
	err    error
	status int
	code   string
}{
	{ErrUnknownOutcome, http.StatusServiceUnavailable, "unknown_outcome"},
	{ErrConflict, http.StatusPreconditionFailed, "conflict"},
	{ErrKeyReused, http.StatusUnprocessableEntity, "key_reused"},
	{ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{errInFlight, http.StatusConflict, "in_flight"},
	{errSlow, http.StatusRequestTimeout, "slow"},
	{errBusy, http.StatusServiceUnavailable, "busy"},
	{errMediaType, http.StatusUnsupportedMediaType, "media_type"},
	{ErrTooManyStreams, http.StatusTooManyRequests, "too_many_streams"},
	{ErrFull, http.StatusTooManyRequests, "full"},
	{ErrInvalid, http.StatusBadRequest, "invalid"},
	{ErrClosed, http.StatusServiceUnavailable, "closed"},
	{ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
	{ErrDenied, http.StatusForbidden, "denied"},
	{context.Canceled, 499, "canceled"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
}
