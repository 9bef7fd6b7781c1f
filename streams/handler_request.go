package streams

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// Errors of requests that are not those of a Log.
var (
	errBusy     = errors.New("too many requests at once")
	errInFlight = errors.New("an append with this key is in flight")
	errSlow     = errors.New("the body did not come in time")
)

// query refuses parameters that nobody reads.
func query(r *http.Request, known ...string) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed query", ErrInvalid)
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, fieldError(name, "is no parameter of this request; %s are", strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return nil, fieldError(name, "is there twice")
		}
	}
	return q, nil
}

// fieldError names a parameter or header.
func fieldError(name, format string, args ...any) error {
	return &placeError{Index: -1, Field: name, Err: fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)}
}

// number reads an unsigned parameter; absent is 0.
func number(q url.Values, name string, least, most uint64) (uint64, error) {
	if !q.Has(name) {
		return 0, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fieldError(name, "%q; %d to %d are allowed", q.Get(name), least, most)
	}
	return n, nil
}

func boolean(q url.Values, name string) (bool, error) {
	switch text := q.Get(name); {
	case !q.Has(name) || text == "false":
		return false, nil
	case text == "true":
		return true, nil
	default:
		return false, fieldError(name, "%q; true or false", text)
	}
}

// header returns the one value of a header, or nothing.
func header(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) > 1 {
		return "", fieldError(name, "is there twice")
	}
	return strings.Join(values, ""), nil
}

// said is header, and refuses one that is empty: it would look as if it had protected the append.
func said(r *http.Request, name string) (string, error) {
	text, err := header(r, name)
	if err == nil && text == "" && len(r.Header.Values(name)) > 0 {
		err = fieldError(name, "is empty")
	}
	return text, err
}

// body reads a request's body within the limits of size and time.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// net/http lifts it when the body has come. After an error it limits what net/http does about the rest. A writer that
	// cannot limit waits as its server wants.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.o.Timeout))
	var src io.Reader = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
	encoding, err := header(r, "Content-Encoding")
	switch {
	case err != nil:
		return nil, err
	case encoding == "" || strings.EqualFold(encoding, "identity"):
	case strings.EqualFold(encoding, "gzip"):
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, h.readError(err)
		}
		src = io.LimitReader(z, h.o.MaxBody+1)
	default:
		return nil, fmt.Errorf("%w: Content-Encoding %q; gzip is", errMediaType, encoding)
	}
	b, err := readAll(src, min(r.ContentLength, h.o.MaxBody))
	if err != nil {
		return nil, h.readError(err)
	}
	if int64(len(b)) > h.o.MaxBody {
		return nil, h.tooLarge()
	}
	return b, nil
}

// readAll reads what is probably so long; below 0: unknown.
func readAll(src io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		length = bytes.MinRead
	}
	b := make([]byte, 0, length+1) // one more, so that the end is seen in what there is
	for {
		n, err := src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		case len(b) == cap(b):
			b = slices.Grow(b, len(b))
		}
	}
}

func (h *Handler) tooLarge() error {
	return fmt.Errorf("%w: a body of more than %d bytes", ErrTooLarge, h.o.MaxBody)
}

func (h *Handler) readError(err error) error {
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return h.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %v", errSlow, h.o.Timeout)
	}
	return fmt.Errorf("%w: the body cannot be read: %w", ErrInvalid, err)
}

// strict decodes a body that is one JSON object with known members, each once.
func strict(body []byte, into any) error {
	p := newParser(body)
	text, err := canonical(make([]byte, 0, len(body)), body)
	if err != nil {
		e := p.located(err, "", 1)
		if place := (*placeError)(nil); errors.As(e, &place) {
			place.Index = -1
		}
		return e
	}
	if text[0] != '{' { // null would be read as an object without members
		return fieldError("", "an object is wanted")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		field := ""
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			field = wrong.Field
		}
		return fieldError(field, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// expectation reads the preconditions of an append.
func expectation(r *http.Request) (e Expect, epoch core.Epoch, err error) {
	match, err1 := said(r, "If-Match")
	none, err2 := said(r, "If-None-Match")
	text, err3 := said(r, headerEpoch)
	if err := errors.Join(err1, err2, err3); err != nil {
		return e, epoch, err
	}
	switch {
	case match != "" && none != "":
		return e, epoch, fieldError("If-Match", "stands beside If-None-Match")
	case none == "*":
		e = ExpectNoStream
	case none != "":
		return e, epoch, fieldError("If-None-Match", "%q; * is wanted", none)
	case match == "*":
		e = ExpectExists
	case match != "":
		v, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
		if err != nil || etag(v) != match {
			return e, epoch, fieldError("If-Match", "%q; \"<version>\" is wanted, with quotes, or *", match)
		}
		e = ExpectVersion(v)
	}
	if text != "" {
		if err := epoch.UnmarshalText([]byte(text)); err != nil || epoch.IsZero() { // which would be none
			return e, epoch, fieldError(headerEpoch, "%q", text)
		}
	}
	return e, epoch, nil
}

func etag(version uint64) string {
	var b [22]byte
	return string(append(strconv.AppendUint(append(b[:0], '"'), version, 10), '"'))
}
