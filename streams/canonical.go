package streams

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// canonical checks that src is one JSON text, without a member twice in one object and no deeper than maxDepth, and
// appends it to dst without white space, members in the order of their names and strings in one spelling. Numbers keep
// their spelling: 1 and 1.0 are different payloads.
func canonical(dst, src []byte) ([]byte, error) {
	var p canonicalizer
	return p.whole(dst, src)
}

// A jsonError says where a text is no JSON that can be stored. It is ErrInvalid.
type jsonError struct {
	what string
	at   int // byte, from 0 on
	line int // from 1 on
	path []string
}

func (e *jsonError) Error() string {
	return fmt.Sprintf("%v: no JSON: %s at byte %d, line %d%s", ErrInvalid, e.what, e.at, e.line, e.member())
}

func (e *jsonError) Is(target error) bool { return target == ErrInvalid }

func (e *jsonError) member() string {
	if f := e.field(); f != "" {
		return ", member " + f
	}
	return ""
}

// field returns the names on the way to the error, as in a.b[3].c, as far as they are short.
func (e *jsonError) field() string {
	const most = 200
	var b strings.Builder
	for _, name := range slices.Backward(e.path) {
		if b.Len()+len(name) > most {
			b.WriteString("…")
			break
		}
		if b.Len() > 0 && name[0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	return b.String()
}

type canonicalizer struct {
	src     []byte
	at      int
	members []member // of the objects that are being read, outer ones first
	scratch []byte
}

// fewMembers is how many members most texts have at once.
const fewMembers = 8

// A member is where one came to stand: its name, quotes included, at begin, its value at value.
type member struct{ begin, value, end int }

func (m member) name(dst []byte) []byte { return dst[m.begin : m.value-1] }

func (p *canonicalizer) fail(what string) error {
	at := min(p.at, len(p.src))
	return &jsonError{what: what, at: at, line: 1 + bytes.Count(p.src[:at], []byte{'\n'})}
}

// within notes that an error stands in a member or an element.
func within(err error, name string) error {
	if e, ok := err.(*jsonError); ok && name != "" { //nolint:errorlint // made by fail and never wrapped
		e.path = append(e.path, name)
	}
	return err
}

// whole is canonical, with what p has allocated for other texts.
func (p *canonicalizer) whole(dst, src []byte) ([]byte, error) {
	if p.members == nil {
		p.members = make([]member, 0, fewMembers)
	}
	p.src, p.at, p.members = src, 0, p.members[:0]
	dst, err := p.value(dst, 0)
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return dst, nil
}

func (p *canonicalizer) end() error {
	if p.space(); p.at < len(p.src) {
		return p.fail("something behind the end")
	}
	return nil
}

func (p *canonicalizer) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte behind white space, 0 at the end.
func (p *canonicalizer) peek() byte {
	if p.space(); p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

func (p *canonicalizer) value(dst []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("deeper than %d levels", maxDepth))
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(dst, depth)
	case c == '[':
		return p.array(dst, depth)
	case c == '"':
		return p.text(dst)
	case c == '-' || c >= '0' && c <= '9':
		return p.number(dst)
	}
	for _, word := range []string{"true", "false", "null"} {
		if n := p.at + len(word); n <= len(p.src) && string(p.src[p.at:n]) == word {
			p.at = n
			return append(dst, word...), nil
		}
	}
	if p.at == len(p.src) {
		return nil, p.fail("it ends too early")
	}
	return nil, p.fail("no value")
}

func (p *canonicalizer) array(dst []byte, depth int) ([]byte, error) {
	p.at++
	dst = append(dst, '[')
	if p.peek() == ']' {
		p.at++
		return append(dst, ']'), nil
	}
	for i := 0; ; i++ {
		var err error
		if dst, err = p.value(dst, depth+1); err != nil {
			return nil, within(err, fmt.Sprintf("[%d]", i))
		}
		switch p.peek() {
		case ',':
			p.at++
			dst = append(dst, ',')
		case ']':
			p.at++
			return append(dst, ']'), nil
		default:
			return nil, p.fail("neither ',' nor ']'")
		}
	}
}

func (p *canonicalizer) object(dst []byte, depth int) ([]byte, error) {
	begin, first := len(dst), len(p.members)
	dst, err := p.readObject(dst, depth)
	if err == nil {
		dst, err = p.order(dst, begin, p.members[first:])
	}
	if err != nil {
		return nil, err
	}
	p.members = p.members[:first]
	return dst, nil
}

// readObject appends an object with its members as they come, and puts these on the stack.
func (p *canonicalizer) readObject(dst []byte, depth int) ([]byte, error) {
	p.at++
	dst = append(dst, '{')
	if p.peek() == '}' {
		p.at++
		return append(dst, '}'), nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.fail("no member name")
		}
		m := member{begin: len(dst)}
		var err error
		if dst, err = p.text(dst); err != nil {
			return nil, err
		}
		name := dst[m.begin+1 : len(dst)-1]
		if p.peek() != ':' {
			return nil, within(p.fail("no ':'"), string(name))
		}
		p.at++
		m.value = len(dst) + 1
		before := dst
		if dst, err = p.value(append(dst, ':'), depth+1); err != nil {
			return nil, within(err, string(before[m.begin+1:m.value-2]))
		}
		m.end = len(dst)
		p.members = append(p.members, m)
		switch p.peek() {
		case ',':
			p.at++
			dst = append(dst, ',')
		case '}':
			p.at++
			return append(dst, '}'), nil
		default:
			return nil, p.fail("neither ',' nor '}'")
		}
	}
}

// order sorts the members of the object that begins there, and refuses one that is there twice.
func (p *canonicalizer) order(dst []byte, begin int, members []member) ([]byte, error) {
	sorted := true
	for i := 1; i < len(members) && sorted; i++ {
		sorted = bytes.Compare(members[i-1].name(dst), members[i].name(dst)) < 0
	}
	if sorted {
		return dst, nil
	}
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name(dst), b.name(dst)) })
	for i := 1; i < len(members); i++ {
		if name := members[i].name(dst); bytes.Equal(members[i-1].name(dst), name) {
			return nil, within(p.fail("a member twice"), string(name[1:len(name)-1]))
		}
	}
	p.scratch = append(p.scratch[:0], dst[begin:]...)
	dst = append(dst[:begin], '{')
	for _, m := range members {
		dst = append(append(dst, p.scratch[m.begin-begin:m.end-begin]...), ',')
	}
	dst[len(dst)-1] = '}'
	return dst, nil
}
