package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
	"unicode/utf8"
)

var (
	errTooLarge  = errors.New("the body is too large")
	errSlow      = errors.New("the body came too slowly")
	errUnflushed = errors.New("raised, but perhaps not on disk")
)

// body reads a request's body within the limit.
func (o *Options) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	defer func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }()
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, o.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlow
	case err != nil:
		return nil, bad("the body cannot be read")
	case !utf8.Valid(b): // the decoder would put another text there
		return nil, bad("the body is not UTF-8")
	}
	return b, nil
}

// list reads a body that is one JSON object, an array of them, or a line for each, into a list.
func list[T any](b []byte, contentType string) (found []T, one bool, err error) {
	lines := false
	if contentType != "" {
		kind, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return nil, false, bad("Content-Type %q", contentType)
		}
		lines = kind == "application/x-ndjson" || kind == "application/ndjson"
	}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return nil, false, bad("the body is empty")
	case lines:
		for line := range bytes.Lines(b) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			var x T
			if err := strict(line, &x); err != nil {
				return nil, false, bad("line %d: %w", len(found)+1, err)
			}
			found = append(found, x)
		}
		return found, false, nil
	case b[0] == '[':
		if err := strict(b, &found); err != nil {
			return nil, false, bad("%w", err)
		}
		if len(found) == 0 {
			return nil, false, bad("the array is empty")
		}
		return found, false, nil
	}
	found = make([]T, 1)
	if err := strict(b, &found[0]); err != nil {
		return nil, false, bad("%w", err)
	}
	return found, true, nil
}

// strict refuses unknown members and what follows.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}
