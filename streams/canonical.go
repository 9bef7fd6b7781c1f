package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canonical checks that src is one JSON text, without a member twice in one object and no deeper than maxDepth, and
// appends it to dst without white space, members in the order of their names and strings in one spelling. Numbers keep
// their spelling: 1 and 1.0 are different payloads.
func canonical(dst, src []byte) ([]byte, error) {
	p := canonicalizer{src: src}
	dst, err := p.value(dst, 0)
	if err == nil {
		if p.space(); p.at < len(p.src) {
			err = p.fail("something behind the end")
		}
	}
	if err != nil {
		return nil, err
	}
	return dst, nil
}

type canonicalizer struct {
	src []byte
	at  int
}

func (p *canonicalizer) fail(what string) error {
	line := 1 + strings.Count(string(p.src[:min(p.at, len(p.src))]), "\n")
	return fmt.Errorf("%w: data is no JSON: %s at byte %d, line %d", ErrInvalid, what, p.at, line)
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
		if strings.HasPrefix(string(p.src[p.at:min(len(p.src), p.at+len(word))]), word) {
			p.at += len(word)
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
	for {
		var err error
		if dst, err = p.value(dst, depth+1); err != nil {
			return nil, err
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

// A member is where one came to stand in dst.
type member struct {
	name       string
	begin, end int
}

func (p *canonicalizer) object(dst []byte, depth int) ([]byte, error) {
	p.at++
	begin := len(dst)
	dst = append(dst, '{')
	if p.peek() == '}' {
		p.at++
		return append(dst, '}'), nil
	}
	var members []member
	sorted := true
	for {
		if p.peek() != '"' {
			return nil, p.fail("no member name")
		}
		m := member{begin: len(dst)}
		var err error
		if dst, err = p.text(dst); err != nil {
			return nil, err
		}
		m.name = string(dst[m.begin:])
		if p.peek() != ':' {
			return nil, p.fail("no ':'")
		}
		p.at++
		if dst, err = p.value(append(dst, ':'), depth+1); err != nil {
			return nil, err
		}
		m.end = len(dst)
		sorted = sorted && (len(members) == 0 || members[len(members)-1].name < m.name)
		members = append(members, m)
		dst = append(dst, ',')
		switch p.peek() {
		case ',':
			p.at++
			continue
		case '}':
			p.at++
		default:
			return nil, p.fail("neither ',' nor '}'")
		}
		break
	}
	if !sorted {
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		for i := 1; i < len(members); i++ {
			if members[i].name == members[i-1].name {
				return nil, p.fail("the member " + members[i].name + " twice")
			}
		}
		old := slices.Clone(dst[begin:])
		dst = append(dst[:begin], '{')
		for _, m := range members {
			dst = append(append(dst, old[m.begin-begin:m.end-begin]...), ',')
		}
	}
	dst[len(dst)-1] = '}'
	return dst, nil
}

// text copies a string in one spelling: escapes only where JSON demands them.
func (p *canonicalizer) text(dst []byte) ([]byte, error) {
	begin := p.at
	for p.at++; p.at < len(p.src); p.at++ {
		switch c := p.src[p.at]; {
		case c == '"':
			p.at++
			return p.spell(dst, p.src[begin:p.at])
		case c == '\\':
			p.at++
		case c < 0x20:
			return nil, p.fail("a control character in a string")
		}
	}
	return nil, p.fail("a string without end")
}

func (p *canonicalizer) spell(dst, quoted []byte) ([]byte, error) {
	if !utf8.Valid(quoted) {
		return nil, p.fail("a string that is not UTF-8")
	}
	if !slices.Contains(quoted, '\\') {
		return append(dst, quoted...), nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, p.fail("a malformed string")
	}
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = append(dst, fmt.Sprintf("\\u%04x", r)...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"'), nil
}

func (p *canonicalizer) number(dst []byte) ([]byte, error) {
	begin := p.at
	digits := func() bool {
		from := p.at
		for p.at < len(p.src) && p.src[p.at] >= '0' && p.src[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	next := func(any string) bool {
		if p.at < len(p.src) && strings.IndexByte(any, p.src[p.at]) >= 0 {
			p.at++
			return true
		}
		return false
	}
	next("-")
	if !next("0") && !digits() {
		return nil, p.fail("a malformed number")
	}
	if next(".") && !digits() {
		return nil, p.fail("a malformed number")
	}
	if next("eE") {
		next("+-")
		if !digits() {
			return nil, p.fail("a malformed number")
		}
	}
	spelled := p.src[begin:p.at]
	if len(spelled) > 15 || bytes.ContainsAny(spelled, "eE") {
		if f, err := strconv.ParseFloat(string(spelled), 64); err != nil || math.IsInf(f, 0) {
			return nil, p.fail("a number out of range")
		}
	}
	return append(dst, spelled...), nil
}
