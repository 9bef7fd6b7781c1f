package streams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A bodyError says where a request's body is wrong.
type bodyError struct {
	Index int    // of the event; -1: the whole
	Line  int    // of the body, from 1 on; 0: unknown
	Field string // of the event; may be empty
	Err   error
}

func (e *bodyError) Error() string {
	var b strings.Builder
	if e.Index >= 0 {
		fmt.Fprintf(&b, "event %d: ", e.Index)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "field %q: ", e.Field)
	}
	return b.String() + e.Err.Error()
}

func (e *bodyError) Unwrap() error { return e.Err }

var errMediaType = errors.New("unsupported media type")

// parseBody returns the events of a request.
func parseBody(h http.Header, body []byte) ([]Event, error) {
	kind := typeJSON
	if t := h.Get("Content-Type"); t != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(t); err != nil {
			return nil, fmt.Errorf("%w: %q", errMediaType, t)
		}
	}
	if h.Get("Ce-Id") != "" || h.Get("Ce-Specversion") != "" {
		return parseBinaryCloud(h, kind, body)
	}
	switch kind {
	case typeJSON, "text/json":
		return parseJSON(body, plainEvent, false)
	case typeNDJSON, "application/ndjson", "application/jsonl":
		return parseLines(body)
	case typeCloud:
		return parseJSON(body, cloudEvent, false)
	case typeCloudBatch:
		return parseJSON(body, cloudEvent, true)
	}
	return nil, fmt.Errorf("%w: %q; %s, %s, %s and %s are", errMediaType, kind, typeJSON, typeNDJSON, typeCloud, typeCloudBatch)
}

// parseJSON reads one event or an array of them.
func parseJSON(body []byte, read func(json.RawMessage) (Event, string, error), onlyArray bool) ([]Event, error) {
	text, err := canonical(nil, body)
	if err != nil {
		return nil, &bodyError{Index: -1, Err: err}
	}
	var list []json.RawMessage
	switch {
	case text[0] == '[':
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, &bodyError{Index: -1, Err: fmt.Errorf("%w: %w", ErrInvalid, err)}
		}
	case onlyArray:
		return nil, &bodyError{Index: -1, Err: fmt.Errorf("%w: an array is wanted", ErrInvalid)}
	default:
		list = []json.RawMessage{text}
	}
	if len(list) > MaxAppend {
		return nil, fmt.Errorf("%w: %d events; at most %d", ErrTooLarge, len(list), MaxAppend)
	}
	events := make([]Event, len(list))
	for i, raw := range list {
		e, field, err := read(raw)
		if err != nil {
			return nil, &bodyError{Index: i, Field: field, Err: err}
		}
		events[i] = e
	}
	return events, nil
}

// parseLines reads one event a line; empty lines are passed over.
func parseLines(body []byte) ([]Event, error) {
	var events []Event
	line := 0
	for raw := range bytes.Lines(body) {
		line++
		if raw = bytes.TrimSpace(raw); len(raw) == 0 {
			continue
		}
		if len(events) == MaxAppend {
			return nil, fmt.Errorf("%w: more than %d events", ErrTooLarge, MaxAppend)
		}
		text, err := canonical(nil, raw)
		field := ""
		var e Event
		if err == nil {
			e, field, err = plainEvent(text)
		}
		if err != nil {
			return nil, &bodyError{Index: len(events), Line: line, Field: field, Err: err}
		}
		events = append(events, e)
	}
	return events, nil
}

// plainEvent reads {id?, type?, time?, data, meta?}. What has no data is the data as a whole, and its id, if that is a
// string, the id. Other members beside data become members of meta.
func plainEvent(raw json.RawMessage) (e Event, field string, err error) {
	var members map[string]json.RawMessage
	if raw[0] != '{' {
		return Event{Data: raw}, "", nil
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return Event{}, "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	data, whole := members["data"]
	if !whole {
		_ = json.Unmarshal(members["id"], &e.ID) // a number, say, is only data
		e.Data = raw
		return e, "", nil
	}
	e.Data = data
	for _, m := range []struct {
		name string
		into any
	}{{"id", &e.ID}, {"type", &e.Type}, {"time", &e.Time}} {
		if raw, ok := members[m.name]; ok && string(raw) != "null" {
			if err := json.Unmarshal(raw, m.into); err != nil {
				return Event{}, m.name, fmt.Errorf("%w: %s", ErrInvalid, wantOf(m.into))
			}
		}
	}
	e.Meta, err = metaOf(members, "id", "type", "time", "data")
	return e, "meta", err
}

func wantOf(into any) string {
	if _, ok := into.(*time.Time); ok {
		return "a time as in RFC 3339 is wanted"
	}
	return "a string is wanted"
}

// metaOf gathers the members that have no place of their own, and those of meta.
func metaOf(members map[string]json.RawMessage, known ...string) ([]byte, error) {
	rest := map[string]json.RawMessage{}
	if m, ok := members["meta"]; ok {
		if err := json.Unmarshal(m, &rest); err != nil || m[0] != '{' {
			return nil, fmt.Errorf("%w: an object is wanted", ErrInvalid)
		}
	}
	for name, raw := range members {
		if name == "meta" || contains(known, name) {
			continue
		}
		if _, twice := rest[name]; twice {
			return nil, fmt.Errorf("%w: %q stands in meta and beside it", ErrInvalid, name)
		}
		rest[name] = raw
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return json.Marshal(rest)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// cloudEvent reads a CloudEvent of version 1.0 in JSON. Its source and id together are the id; other attributes travel in
// meta, source and the plain id among them.
func cloudEvent(raw json.RawMessage) (e Event, field string, err error) {
	var members map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &members) != nil {
		return Event{}, "", fmt.Errorf("%w: an object is wanted", ErrInvalid)
	}
	attributes := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		var s string
		if json.Unmarshal(members[name], &s) != nil || s == "" {
			return Event{}, name, fmt.Errorf("%w: a CloudEvent needs it, as a string that is not empty", ErrInvalid)
		}
		attributes[name] = s
	}
	if attributes["specversion"] != "1.0" {
		return Event{}, "specversion", fmt.Errorf("%w: %q; 1.0 is supported", ErrInvalid, attributes["specversion"])
	}
	e = Event{ID: cloudID(attributes["source"], attributes["id"]), Type: attributes["type"]}
	if t, ok := members["time"]; ok {
		if err := json.Unmarshal(t, &e.Time); err != nil {
			return Event{}, "time", fmt.Errorf("%w: a time as in RFC 3339 is wanted", ErrInvalid)
		}
	}
	known := []string{"type", "time", "data"}
	if e.Data = members["data"]; e.Data == nil {
		e.Data = []byte("null") // data_base64, if there, travels in meta
	}
	e.Meta, err = metaOf(members, known...)
	return e, "meta", err
}

// cloudID joins source and id by a space, which no source holds.
func cloudID(source, id string) string { return source + " " + id }

// parseBinaryCloud reads a CloudEvent whose attributes are headers and whose data is the body.
func parseBinaryCloud(h http.Header, kind string, body []byte) ([]Event, error) {
	members := map[string]json.RawMessage{}
	for name, values := range h {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok || len(values) == 0 {
			continue
		}
		value, err := url.PathUnescape(values[0]) // so that headers can carry any text
		if err != nil {
			return nil, &bodyError{Index: 0, Field: attribute, Err: fmt.Errorf("%w: a malformed escape", ErrInvalid)}
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		members[attribute] = raw
	}
	switch {
	case len(body) == 0:
	case kind == typeJSON || strings.HasSuffix(kind, "+json"):
		members["data"] = body
	default:
		return nil, fmt.Errorf("%w: %q as data of a CloudEvent; JSON is", errMediaType, kind)
	}
	if data, ok := members["data"]; ok {
		text, err := canonical(nil, data)
		if err != nil {
			return nil, &bodyError{Index: 0, Field: "data", Err: err}
		}
		members["data"] = text
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	e, field, err := cloudEvent(raw)
	if err != nil {
		return nil, &bodyError{Index: 0, Field: field, Err: err}
	}
	return []Event{e}, nil
}
