package streams

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text copies a string in one spelling: escapes only where JSON demands them.
func (p *canonicalizer) text(dst []byte) ([]byte, error) {
	begin, escaped := p.at, false
	for p.at++; p.at < len(p.src); p.at++ {
		switch c := p.src[p.at]; {
		case c == '"':
			p.at++
			quoted := p.src[begin:p.at]
			if !utf8.Valid(quoted) {
				return nil, p.fail("a string that is not UTF-8")
			}
			if !escaped {
				return append(dst, quoted...), nil
			}
			return p.spell(dst, quoted)
		case c == '\\':
			p.at++
			escaped = true
		case c < 0x20:
			return nil, p.fail("a control character in a string")
		}
	}
	return nil, p.fail("a string without end")
}

// spell appends a string that has escapes.
func (p *canonicalizer) spell(dst, quoted []byte) ([]byte, error) {
	dst = append(dst, '"')
	for rest := quoted[1 : len(quoted)-1]; len(rest) > 0; {
		if rest[0] != '\\' {
			dst, rest = append(dst, rest[0]), rest[1:]
			continue
		}
		r, size := unescape(rest)
		if size == 0 {
			return nil, p.fail("a malformed escape in a string")
		}
		dst, rest = appendRune(dst, r), rest[size:]
	}
	return append(dst, '"'), nil
}

// unescape reads an escape; size 0: it is none, or half of a pair of surrogates.
func unescape(s []byte) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	r = hex4(s)
	if !utf16.IsSurrogate(r) {
		if r < 0 {
			return 0, 0
		}
		return r, 6
	}
	if r = utf16.DecodeRune(r, hex4(s[6:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// hex4 reads \uXXXX; -1: it is none.
func hex4(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

const hexDigits = "0123456789abcdef"

// appendRune appends a character of a string as JSON wants it.
func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r < 0x20:
		return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
	default:
		return utf8.AppendRune(dst, r)
	}
}

// appendQuoted appends a string in the spelling of canonical.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// unquoted returns what appendQuoted was given; not ok for what is no string.
func unquoted(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), true
	}
	var b []byte
	for len(raw) > 0 {
		if raw[0] != '\\' {
			b, raw = append(b, raw[0]), raw[1:]
			continue
		}
		r, size := unescape(raw)
		b, raw = utf8.AppendRune(b, r), raw[size:]
	}
	return string(b), true
}

func (p *canonicalizer) number(dst []byte) ([]byte, error) {
	begin := p.at
	p.skip("-")
	if !p.skip("0") && !p.digits() {
		return nil, p.fail("a malformed number")
	}
	if p.skip(".") && !p.digits() {
		return nil, p.fail("a malformed number")
	}
	exponent := p.skip("eE")
	if exponent {
		if p.skip("+-"); !p.digits() {
			return nil, p.fail("a malformed number")
		}
	}
	spelled := p.src[begin:p.at]
	if len(spelled) > 300 || exponent {
		if f, err := strconv.ParseFloat(string(spelled), 64); err != nil || math.IsInf(f, 0) {
			return nil, p.fail("a number out of range")
		}
	}
	return append(dst, spelled...), nil
}

func (p *canonicalizer) digits() bool {
	from := p.at
	for p.at < len(p.src) && p.src[p.at] >= '0' && p.src[p.at] <= '9' {
		p.at++
	}
	return p.at > from
}

// skip passes over one of these bytes.
func (p *canonicalizer) skip(any string) bool {
	if p.at < len(p.src) && strings.IndexByte(any, p.src[p.at]) >= 0 {
		p.at++
		return true
	}
	return false
}
