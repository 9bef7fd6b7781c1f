package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A problem is the body of an error reply, as in RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = encode(w, problem{"about:blank", http.StatusText(status), status, detail})
}

func unavailable(w http.ResponseWriter, detail string) {
	w.Header().Set("Retry-After", "1")
	fail(w, http.StatusServiceUnavailable, detail)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = encode(w, v) // the client has gone: nobody to tell
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// errBad marks what the client got wrong: 400.
var errBad = errors.New("bad request")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errBad}, args...)...)
}

// query refuses parameters that nobody reads.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("malformed query")
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, bad("unknown parameter %q; %s", name, describe(known))
		}
		if len(values) > 1 {
			return nil, bad("parameter %q twice", name)
		}
	}
	return q, nil
}

func describe(known []string) string {
	if len(known) == 0 {
		return "there are none here"
	}
	return strings.Join(known, ", ") + " are known"
}

// count reads a number from low to high; absent is otherwise.
func count(q url.Values, name string, otherwise, low, high uint64) (uint64, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil || n < low || n > high {
		return 0, bad("parameter %q is %q; %d to %d", name, q.Get(name), low, high)
	}
	return n, nil
}

// maxMinutes is 292 years: more is no time.Duration, and would lie in the future.
const maxMinutes = uint64(math.MaxInt64 / time.Minute)

// moment reads a time; absent is zero. A time without a zone is UTC.
func moment(q url.Values, name string) (time.Time, error) {
	if !q.Has(name) {
		return time.Time{}, nil
	}
	t, err := parseTime(q.Get(name))
	if err != nil {
		return t, bad("parameter %q is %q; a time as in RFC 3339, such as 2026-01-31T12:00:00Z", name, q.Get(name))
	}
	return t, nil
}

func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", text)
	}
	if year := t.UTC().Year(); err == nil && (year < 1 || year > 9999) {
		return time.Time{}, bad("a time in year %d", year)
	}
	return t.UTC(), err
}
