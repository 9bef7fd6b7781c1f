package snapshot

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A Codec turns runs of events into bytes and back. It must be safe for concurrent use and give the same bytes for the
// same events.
type Codec[E any] interface {
	// Name goes into every snapshot; one of another name is refused with ErrSchema. Change it, or Options.Schema, when
	// the bytes come to mean something else.
	Name() string

	// Append appends the encoding of events to dst: at least one byte for each. It keeps neither. An error makes the
	// snapshot fail, and the next ones as long as the event is in the store.
	Append(dst []byte, events []E) ([]byte, error)

	// Decode appends n events to dst. src holds exactly their encoding, or damage that the checksums have missed, and is
	// not kept. It must not allocate more than the bytes of src justify. Everything that it finds wrong is ErrCorrupt.
	Decode(dst []E, src []byte, n int) ([]E, error)
}

// JSON is a codec for every type that encoding/json handles: one line per event. It is the slowest and the most
// patient: fields may be added, and unknown ones are ignored.
//
// Types with unexported fields, or with several fields of one name in JSON, embedded ones included, which encoding/json would
// leave out without a word, are refused, unless they write themselves (json.Marshaler, encoding.TextMarshaler) or the field is
// tagged json:"-". Otherwise events come back as encoding/json reads what it has written: without fields that their tags leave
// out, with U+FFFD in place of bytes in strings that are not UTF-8, and with numbers in fields of type any as float64. A NaN,
// an infinity and a time after the year 9999 are errors. Where that matters use Columns or Fixed.
func JSON[E any]() Codec[E] { return jsonCodec[E]{} }

type jsonCodec[E any] struct{}

func (jsonCodec[E]) Name() string { return "json" }

func (jsonCodec[E]) check() error {
	if lost := lostByJSON(reflect.TypeFor[E](), map[reflect.Type]bool{}); lost != "" {
		return fmt.Errorf("%w: Codec: JSON would lose %s: export it under a name of its own, tag it `json:\"-\"` if it may be lost, "+
			"or choose another codec", ErrOption, lost)
	}
	return nil
}

// lostByJSON returns a field that encoding/json leaves out although nobody says so, and why, or nothing.
func lostByJSON(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || writesItself(t) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return lostByJSON(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			switch {
			case notForJSON(f):
				continue
			case !f.IsExported() && !(f.Anonymous && f.Type.Kind() == reflect.Struct):
				return t.String() + "." + f.Name + ", which is unexported"
			}
			if lost := lostByJSON(f.Type, seen); lost != "" {
				return lost
			}
		}
		return doubledInJSON(t, map[string]bool{}, nil)
	}
	return ""
}

func notForJSON(f reflect.StructField) bool {
	return f.Tag.Get("json") == "-" || f.Name == "_" || f.Type.Size() == 0
}

// doubledInJSON returns a field of a struct, or of one embedded in it, whose name another one has: encoding/json writes at most
// one of them. above are the types that it is embedded in.
func doubledInJSON(t reflect.Type, names map[string]bool, above []reflect.Type) string {
	if slices.Contains(above, t) {
		return ""
	}
	above = append(above, t)
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case notForJSON(f):
			continue
		case name == "" && f.Anonymous && inner.Kind() == reflect.Struct:
			if lost := doubledInJSON(inner, names, above); lost != "" {
				return lost
			}
			continue
		case name == "":
			name = f.Name
		}
		if names[name] {
			return fmt.Sprintf("%v.%s, or another field that is %q in JSON", t, f.Name, name)
		}
		names[name] = true
	}
	return ""
}

func writesItself(t reflect.Type) bool {
	for _, able := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(able) || reflect.PointerTo(t).Implements(able) {
			return true
		}
	}
	return false
}

func (jsonCodec[E]) Append(dst []byte, events []E) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return nil, fmt.Errorf("json: event %d of %d: %w", i, len(events), err)
		}
	}
	return b.Bytes(), nil
}

func (jsonCodec[E]) Decode(dst []E, src []byte, n int) ([]E, error) {
	if n < 0 || n > len(src) {
		return dst, corrupt("json: %d events in %d bytes", n, len(src))
	}
	at := len(dst)
	for i := range n {
		line, rest, found := bytes.Cut(src, []byte{'\n'})
		if !found {
			return dst[:at], corrupt("json: %d lines instead of %d", i, n)
		}
		var zero E
		dst, src = append(dst, zero), rest
		if err := json.Unmarshal(line, &dst[len(dst)-1]); err != nil {
			return dst[:at], corrupt("json: event %d of %d: %w", i, n, err)
		}
	}
	if len(src) > 0 {
		return dst[:at], corrupt("json: %d bytes left over", len(src))
	}
	return dst, nil
}

// Fixed is a codec for events of a fixed size in bytes, at least 1: put writes an event into the size bytes that it
// gets, get reads it from them. name goes into the snapshot, see Codec.
func Fixed[E any](name string, size int, put func([]byte, *E), get func([]byte, *E) error) Codec[E] {
	return fixedCodec[E]{name, size, put, get}
}

type fixedCodec[E any] struct {
	name string
	size int
	put  func([]byte, *E)
	get  func([]byte, *E) error
}

func (c fixedCodec[E]) Name() string { return c.name }

func (c fixedCodec[E]) check() error {
	if c.name == "" || c.size < 1 || c.put == nil || c.get == nil {
		return fmt.Errorf("%w: Codec: Fixed needs a name, a positive size and both functions", ErrOption)
	}
	return nil
}

func (c fixedCodec[E]) Append(dst []byte, events []E) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, len(events)*c.size)...)
	for i := range events {
		c.put(dst[at:at+c.size:at+c.size], &events[i])
		at += c.size
	}
	return dst, nil
}

func (c fixedCodec[E]) Decode(dst []E, src []byte, n int) ([]E, error) {
	if n < 0 || len(src)/c.size != n || len(src)%c.size != 0 {
		return dst, corrupt("%s: %d bytes for %d events of %d", c.name, len(src), n, c.size)
	}
	at := len(dst)
	dst = append(dst, make([]E, n)...)
	for i := range n {
		if err := c.get(src[:c.size:c.size], &dst[at+i]); err != nil {
			return dst[:at], corrupt("%s: event %d of %d: %w", c.name, i, n, err)
		}
		src = src[c.size:]
	}
	return dst, nil
}
