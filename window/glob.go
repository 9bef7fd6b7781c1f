package window

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPatternBytes is the longest pattern.
const MaxPatternBytes = 64 << 10

// A glob is one alternative of a pattern, cut at its stars. The first piece is anchored at the start of the name, the
// last at its end; the others are found from left to right, each as early as possible, which is right because each
// piece has a fixed length in characters.
type glob struct {
	exact  bool // no star: one piece that is the whole name
	pieces []piece
}

// A piece is text with question marks.
type piece struct {
	text  string
	plain bool // no question mark
	runes []rune
	masks map[rune][]uint64 // for search: bit i says that runes[i] accepts the rune
	any   []uint64          // the question marks
}

const anyRune = rune(-1)

// parse returns the alternatives of a pattern; none means every name.
func parse(pattern string) ([]glob, error) {
	if len(pattern) > MaxPatternBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrPattern, len(pattern))
	}
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("%w: %q is no valid UTF-8", ErrPattern, pattern)
	}
	if strings.TrimSpace(pattern) == "" {
		return nil, nil
	}
	var list []glob
	for part := range strings.SplitSeq(pattern, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, newGlob(part))
		}
	}
	if list == nil {
		return nil, fmt.Errorf("%w: %q has nothing between its commas", ErrPattern, pattern)
	}
	return list, nil
}

func newGlob(part string) glob {
	var g glob
	texts := strings.Split(part, "*")
	g.exact = len(texts) == 1
	for i, text := range texts {
		anchored := i == 0 || i == len(texts)-1
		if text != "" || anchored {
			g.pieces = append(g.pieces, newPiece(text, !anchored))
		}
	}
	return g
}

func newPiece(text string, search bool) piece {
	p := piece{text: text, plain: !strings.Contains(text, "?")}
	if p.plain {
		return p
	}
	for _, r := range text {
		if r == '?' {
			r = anyRune
		}
		p.runes = append(p.runes, r)
	}
	if search {
		p.prepare()
	}
	return p
}

// prepare makes the tables of a bit-parallel search.
func (p *piece) prepare() {
	words := (len(p.runes) + 63) / 64
	p.any, p.masks = make([]uint64, words), map[rune][]uint64{}
	for i, r := range p.runes {
		m := p.any
		if r != anyRune {
			if m = p.masks[r]; m == nil {
				m = make([]uint64, words)
				p.masks[r] = m
			}
		}
		m[i/64] |= 1 << (i % 64)
	}
	for _, m := range p.masks {
		for k := range m {
			m[k] |= p.any[k]
		}
	}
}

// match reports whether the glob covers the name.
func (g *glob) match(name string) bool {
	n, ok := g.pieces[0].prefix(name)
	if !ok || g.exact {
		return ok && n == len(name)
	}
	name = name[n:]
	last := &g.pieces[len(g.pieces)-1]
	if n, ok = last.suffix(name); !ok {
		return false
	}
	name = name[:len(name)-n]
	for i := 1; i < len(g.pieces)-1; i++ {
		if n = g.pieces[i].find(name); n < 0 {
			return false
		}
		name = name[n:]
	}
	return true
}

// prefix returns how many bytes of the name the piece covers at its start.
func (p *piece) prefix(name string) (int, bool) {
	if p.plain {
		return len(p.text), strings.HasPrefix(name, p.text)
	}
	n := 0
	for _, want := range p.runes {
		r, size := utf8.DecodeRuneInString(name[n:])
		if size == 0 || want != anyRune && want != r {
			return 0, false
		}
		n += size
	}
	return n, true
}

// suffix returns how many bytes of the name the piece covers at its end.
func (p *piece) suffix(name string) (int, bool) {
	if p.plain {
		return len(p.text), strings.HasSuffix(name, p.text)
	}
	n := len(name)
	for i := len(p.runes) - 1; i >= 0; i-- {
		r, size := utf8.DecodeLastRuneInString(name[:n])
		if want := p.runes[i]; size == 0 || want != anyRune && want != r {
			return 0, false
		}
		n -= size
	}
	return len(name) - n, true
}

// find returns where the first occurrence of the piece ends, or -1. With question marks it runs all positions of the
// piece side by side, one bit each, so the time is linear in the name.
func (p *piece) find(name string) int {
	if p.plain {
		i := strings.Index(name, p.text)
		if i < 0 {
			return -1
		}
		return i + len(p.text)
	}
	state := make([]uint64, len(p.any))
	top, bit := (len(p.runes)-1)/64, uint64(1)<<((len(p.runes)-1)%64)
	for i, r := range name {
		mask := p.masks[r]
		if mask == nil {
			mask = p.any
		}
		carry := uint64(1)
		for k := range state {
			next := state[k]<<1 | carry
			carry = state[k] >> 63
			state[k] = next & mask[k]
		}
		if state[top]&bit != 0 {
			return i + utf8.RuneLen(r)
		}
	}
	return -1
}
