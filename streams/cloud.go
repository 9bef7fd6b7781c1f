package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// metaMembers is what goes into meta: members of an object, without its braces.
type metaMembers []byte

func (m metaMembers) comma() metaMembers {
	if len(m) > 0 {
		m = append(m, ',')
	}
	return m
}

// add appends a member. The name has its quotes.
func (m metaMembers) add(name, raw []byte) metaMembers {
	return append(append(append(m.comma(), name...), ':'), raw...)
}

// addAll appends the members of an object.
func (m metaMembers) addAll(raw []byte) metaMembers {
	if inside := raw[1 : len(raw)-1]; len(inside) > 0 {
		return append(m.comma(), inside...)
	}
	return m
}

// object returns the meta of an event, nil if there is nothing in it.
func (m metaMembers) object() ([]byte, error) {
	if len(m) == 0 {
		return nil, nil
	}
	text := append(append([]byte{'{'}, m...), '}')
	out, err := canonical(make([]byte, 0, len(text)), text)
	if j := (*jsonError)(nil); errors.As(err, &j) { // all of them are JSON: the same member is in meta and beside it, or one is too deep
		return nil, fmt.Errorf("%w: as members of meta: %s", ErrInvalid, j.what)
	}
	return out, nil
}

// cloudEvent reads a CloudEvent of version 1.0 in JSON. Its source and id together are the id; other attributes travel in
// meta, source and the plain id among them.
func (p *parser) cloudEvent() (e Event, field string, err error) {
	if p.peek() != '{' {
		_, err := p.next()
		if err == nil {
			err = fmt.Errorf("%w: an object is wanted", ErrInvalid)
		}
		return e, "", err
	}
	o, _, err := p.nextObject()
	if err != nil {
		return e, "", err
	}
	return o.cloudEvent()
}

func (o object) cloudEvent() (e Event, field string, err error) {
	attributes := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		raw, _ := o.get(name)
		s, ok := unquoted(raw)
		if !ok || s == "" {
			return e, name, fmt.Errorf("%w: a CloudEvent needs it, as a string that is not empty", ErrInvalid)
		}
		attributes[name] = s
	}
	source := attributes["source"]
	switch {
	case attributes["specversion"] != "1.0":
		return e, "specversion", fmt.Errorf("%w: %q; 1.0 is supported", ErrInvalid, attributes["specversion"])
	case strings.Contains(source, " "):
		return e, "source", fmt.Errorf("%w: a URI reference holds no space", ErrInvalid)
	}
	e = Event{ID: source + " " + attributes["id"], Type: attributes["type"], Data: []byte("null")}
	var meta metaMembers
	for i := 0; i < len(o); i += 2 {
		switch string(o[i]) {
		case `"type"`:
		case `"data"`:
			e.Data = o[i+1]
		case `"time"`:
			if json.Unmarshal(o[i+1], &e.Time) != nil {
				return e, "time", fmt.Errorf("%w: a time as in RFC 3339 is wanted", ErrInvalid)
			}
		default: // data_base64 too: it is not JSON
			meta = meta.add(o[i], o[i+1])
		}
	}
	e.Meta, err = meta.object()
	return e, "", err
}

// binaryCloud reads a CloudEvent whose attributes are headers and whose data is the body.
func binaryCloud(h http.Header, kind string, body []byte) (Event, error) {
	at := func(field string, err error) (Event, error) {
		return Event{}, &placeError{Index: 0, Line: 1, Field: field, Err: err}
	}
	if len(body) > 0 && kind != typeJSON && !strings.HasSuffix(kind, "+json") {
		return Event{}, fmt.Errorf("%w: %q as data of a CloudEvent; JSON is", errMediaType, kind)
	}
	var text metaMembers
	for name, values := range h {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		value := attributeOf(values[0])
		if len(values) > 1 || !utf8.ValidString(value) || attribute == "data" || attribute == "datacontenttype" {
			return at(attribute, fmt.Errorf("%w: an attribute with one value, in UTF-8, is wanted", ErrInvalid))
		}
		text = text.add(appendQuoted(nil, attribute), appendQuoted(nil, value))
	}
	if len(body) > 0 {
		data, err := canonical(make([]byte, 0, len(body)), body)
		if j := (*jsonError)(nil); errors.As(err, &j) {
			return Event{}, &placeError{0, j.line, strings.TrimSuffix("data."+j.field(), "."), fmt.Errorf("%w: %s", ErrInvalid, j.what)}
		}
		text = text.add([]byte(`"data"`), data)
		text = text.add([]byte(`"datacontenttype"`), appendQuoted(nil, strings.ToValidUTF8(h.Get("Content-Type"), "")))
	}
	p := newParser(append(append([]byte{'{'}, text...), '}'))
	e, field, err := p.cloudEvent()
	if err != nil {
		return at(field, err)
	}
	return e, nil
}

// attributeOf returns what a header says: it may be quoted, and escaped as in URLs. Senders that escape nothing, as the SDK for
// Go, may send a percent sign that begins no escape; it stays.
func attributeOf(value string) string {
	if inside, ok := strings.CutPrefix(value, `"`); ok && strings.HasSuffix(inside, `"`) {
		value = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.TrimSuffix(inside, `"`))
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}
