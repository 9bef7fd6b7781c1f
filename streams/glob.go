package streams

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A pattern is a list of globs; none covers every name.
type pattern []string

// compile reads a pattern: '*' stands for any text, '?' for one character, ',' divides alternatives. White space around
// alternatives is passed over; in a pattern without a comma it belongs to the name.
func compile(text string) (pattern, error) {
	const most = 8 << 10
	if len(text) > most {
		return nil, fmt.Errorf("%w: a pattern of %d bytes; at most %d", ErrInvalid, len(text), most)
	}
	if err := checkText("pattern", text); err != nil {
		return nil, err
	}
	if text != "" && !strings.Contains(text, ",") {
		return pattern{text}, nil
	}
	var p pattern
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			p = append(p, part)
		}
	}
	return p, nil
}

func (p pattern) match(name string) bool {
	if len(p) == 0 {
		return true
	}
	for _, g := range p {
		if matchGlob(g, name) {
			return true
		}
	}
	return false
}

// matchGlob goes back to the last star only, which is enough: time is at most the product of the lengths.
func matchGlob(g, name string) bool {
	star, mark := -1, 0
	i, k := 0, 0
	for k < len(name) {
		_, size := utf8.DecodeRuneInString(name[k:])
		switch {
		case i < len(g) && g[i] == '*':
			star, mark = i, k
			i++
		case i < len(g) && g[i] == '?':
			i++
			k += size
		case i < len(g) && g[i] == name[k]:
			i++
			k++
		case star >= 0:
			_, size = utf8.DecodeRuneInString(name[mark:])
			mark += size
			i, k = star+1, mark
		default:
			return false
		}
	}
	for i < len(g) && g[i] == '*' {
		i++
	}
	return i == len(g)
}
