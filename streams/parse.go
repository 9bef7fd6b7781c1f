package streams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A placeError says which event of an append is wrong, and where.
type placeError struct {
	Index int    // of the event; -1: the whole
	Line  int    // of the body, from 1 on; 0: unknown
	Field string // of the event; may be empty
	Err   error
}

func (e *placeError) Error() string {
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

func (e *placeError) Unwrap() error { return e.Err }

var errMediaType = errors.New("unsupported media type")

// parsed is what a request's body says: events, whose data are canonical, and the lines on which they begin.
type parsed struct {
	events []Event
	lines  []int
}

// parseBody reads the events of a request.
func parseBody(h http.Header, body []byte) (parsed, error) {
	kind := typeJSON
	if t := h.Get("Content-Type"); t != "" && t != typeJSON {
		var err error
		if kind, _, err = mime.ParseMediaType(t); err != nil {
			return parsed{}, fmt.Errorf("%w: %q", errMediaType, t)
		}
	}
	p := borrowParser(body)
	defer p.giveBack()
	switch {
	case kind == typeCloud:
		p.read = (*parser).cloudEvent
		return p.result(p.readWhole(false))
	case kind == typeCloudBatch:
		p.read = (*parser).cloudEvent
		return p.result(p.readWhole(true))
	case h.Get("Ce-Id") != "" || h.Get("Ce-Specversion") != "":
		e, err := binaryCloud(h, kind, body)
		return parsed{[]Event{e}, []int{1}}, err
	case kind == typeJSON || kind == "text/json":
		return p.result(p.readWhole(false))
	case kind == typeNDJSON || kind == "application/ndjson" || kind == "application/jsonl":
		return p.result(p.eachLine(body))
	}
	return parsed{}, fmt.Errorf("%w: %q; %s, %s, %s and %s are", errMediaType, kind, typeJSON, typeNDJSON, typeCloud, typeCloudBatch)
}

// A parser reads events in one pass: what they say is canonical in its buffer.
type parser struct {
	canonicalizer
	parsed
	read    func(*parser) (e Event, field string, err error) // of one event
	buf     []byte
	object  object // that is being read
	above   int    // lines above src
	counted int    // byte of src up to which lines are counted
	breaks  int    // that were counted
}

func newParser(body []byte) *parser {
	p := &parser{}
	p.members, p.object = make([]member, 0, fewMembers), make(object, 0, 2*fewMembers)
	p.begin(body)
	return p
}

func (p *parser) begin(body []byte) {
	p.read, p.src, p.buf = (*parser).plainEvent, body, make([]byte, 0, len(body))
}

// parsers keeps those that requests have used: they are a quarter of what an append of one event leaves behind.
var parsers = sync.Pool{New: func() any { return newParser(nil) }}

func borrowParser(body []byte) *parser {
	p := parsers.Get().(*parser) //nolint:forcetypeassert // New and giveBack put nothing else there
	p.begin(body)
	return p
}

// giveBack forgets what was read, which belongs to the events, and keeps the room beside it, unless one body needed much of it.
func (p *parser) giveBack() {
	const most = 16 * fewMembers
	if cap(p.members) > most || cap(p.object) > 2*most || cap(p.scratch) > 4<<10 {
		return
	}
	clear(p.object[:cap(p.object)])
	*p = parser{canonicalizer: canonicalizer{members: p.members[:0], scratch: p.scratch[:0]}, object: p.object[:0]}
	parsers.Put(p)
}

func (p *parser) result(err error) (parsed, error) { return p.parsed, err }

// readWhole reads one event or an array of them.
func (p *parser) readWhole(onlyArray bool) error {
	if p.peek() != '[' {
		if onlyArray {
			return &placeError{Index: -1, Line: 1, Err: fmt.Errorf("%w: an array is wanted", ErrInvalid)}
		}
		if err := p.one(); err != nil {
			return err
		}
		return p.located(p.end(), "", 0)
	}
	p.at++
	if p.peek() == ']' {
		p.at++
		return p.located(p.end(), "", 0)
	}
	for {
		if err := p.one(); err != nil {
			return err
		}
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			return p.located(p.end(), "", 0)
		default:
			return p.located(p.fail("neither ',' nor ']'"), "", 0)
		}
	}
}

// eachLine reads one event a line; empty lines are passed over.
func (p *parser) eachLine(body []byte) error {
	number := 0
	for line := range bytes.Lines(body) {
		p.src, p.at, p.above, p.counted, p.breaks = line, 0, number, 0, 0
		number++
		if p.space(); p.at == len(p.src) {
			continue
		}
		if err := p.one(); err != nil {
			return err
		}
		if err := p.end(); err != nil {
			return p.located(err, "", 0)
		}
	}
	return nil
}

// one reads an event.
func (p *parser) one() error {
	if len(p.events) == MaxAppend {
		return fmt.Errorf("%w: more than %d events", ErrTooLarge, MaxAppend)
	}
	p.space()
	p.breaks += bytes.Count(p.src[p.counted:p.at], []byte{'\n'})
	p.counted = p.at
	line := p.above + 1 + p.breaks
	e, field, err := p.read(p)
	if err != nil {
		return p.located(err, field, line)
	}
	p.events, p.lines = append(p.events, e), append(p.lines, line)
	return nil
}

// located says where an error of the next event stands.
func (p *parser) located(err error, field string, line int) error {
	if err == nil {
		return nil
	}
	if j := (*jsonError)(nil); errors.As(err, &j) {
		line = p.above + j.line
		if f := j.field(); f != "" {
			field = f
		}
		err = fmt.Errorf("%w: %s", ErrInvalid, j.what)
	}
	return &placeError{Index: len(p.events), Line: line, Field: field, Err: err}
}

// next appends the next value to the buffer and returns it.
func (p *parser) next() ([]byte, error) {
	begin := len(p.buf)
	buf, err := p.value(p.buf, 0)
	if err != nil {
		return nil, err
	}
	p.buf = buf
	return buf[begin:len(buf):len(buf)], nil
}

// plainEvent reads {id?, type?, time?, data, meta?}. What has no data is the data as a whole, and its id, if that is a
// string, the id. Other members beside data become members of meta.
func (p *parser) plainEvent() (e Event, field string, err error) {
	if p.peek() != '{' {
		e.Data, err = p.next()
		return e, "", err
	}
	o, whole, err := p.nextObject()
	if err != nil {
		return e, "", err
	}
	if _, ok := o.get("data"); !ok {
		if raw, ok := o.get("id"); ok {
			e.ID, _ = unquoted(raw) // a number, say, is only data
		}
		e.Data = whole
		return e, "", nil
	}
	return o.event()
}

// nextObject appends the next value, which is an object, to the buffer, and returns it in parts and as a whole.
func (p *parser) nextObject() (o object, whole []byte, err error) {
	begin := len(p.buf)
	p.members = p.members[:0]
	buf, err := p.readObject(p.buf, -1) // so that the depth of data counts from 0
	if err == nil {
		buf, err = p.order(buf, begin, p.members)
	}
	if err != nil {
		return nil, nil, err
	}
	p.buf = buf
	whole = buf[begin:len(buf):len(buf)]
	p.object = p.object[:0].take(whole, p.members)
	return p.object, whole, nil
}

// An object is one in canonical form: names, quotes included, and values in turn.
type object [][]byte

// take takes apart what order has made of members: they follow each other without gaps.
func (o object) take(text []byte, members []member) object {
	at := 1
	for _, m := range members {
		name, end := at+m.value-m.begin-1, at+m.end-m.begin
		o = append(o, text[at:name], text[name+1:end:end])
		at = end + 1
	}
	return o
}

func (o object) get(name string) ([]byte, bool) {
	for i := 0; i < len(o); i += 2 {
		if n := o[i]; len(n) == len(name)+2 && string(n[1:len(n)-1]) == name {
			return o[i+1], true
		}
	}
	return nil, false
}

// event reads an event that has data.
func (o object) event() (e Event, field string, err error) {
	var meta metaMembers
	for i := 0; i < len(o); i += 2 {
		raw, ok := o[i+1], true
		switch string(o[i]) {
		case `"data"`:
			e.Data = raw
		case `"id"`:
			e.ID, ok = optional(raw)
		case `"type"`:
			e.Type, ok = optional(raw)
		case `"time"`:
			if e.Time, err = moment(raw); err != nil {
				return e, "time", fmt.Errorf("%w: a time as in RFC 3339 is wanted", ErrInvalid)
			}
		case `"meta"`:
			if raw[0] != '{' {
				return e, "meta", fmt.Errorf("%w: an object is wanted", ErrInvalid)
			}
			meta = meta.addAll(raw)
		default:
			meta = meta.add(o[i], raw)
		}
		if !ok {
			return e, string(o[i][1 : len(o[i])-1]), fmt.Errorf("%w: a string is wanted", ErrInvalid)
		}
	}
	e.Meta, err = meta.object()
	return e, "meta", err
}

// moment reads a time, or null for none. It is a function of its own because the decoder moves what it fills to the heap: only
// events with a time pay for that.
func moment(raw []byte) (t time.Time, err error) {
	err = json.Unmarshal(raw, &t)
	return t, err
}

// optional reads a string or null.
func optional(raw []byte) (s string, ok bool) {
	if string(raw) == "null" {
		return "", true
	}
	return unquoted(raw)
}
