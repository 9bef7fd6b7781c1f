// Package plain makes text of others fit to be shown: on one line, without control characters, and not endless.
package plain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Most is how many errors Join shows.
	Most = 20
	// longest is how many bytes of a text Short and Quote show.
	longest = 200
)

// Text escapes what a terminal or a table would not print as it is: control characters and bytes that are no UTF-8.
func Text(text string) string {
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case odd(r) && r != utf8.RuneError:
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

func odd(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// Short is Text of the first 200 bytes.
func Short(text string) string { return Text(cut(text)) }

// Quote returns the first 200 bytes of the text in quotes.
func Quote(text string) string { return strconv.Quote(cut(text)) }

func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for end > longest-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// Join is errors.Join of the first 20 errors and of one that counts the rest.
func Join(errs []error) error {
	if len(errs) <= Most {
		return errors.Join(errs...)
	}
	shown := append([]error{}, errs[:Most]...)
	return errors.Join(append(shown, fmt.Errorf("and %d more", len(errs)-Most))...)
}
