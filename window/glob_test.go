package window

import (
	"strings"
	"testing"
)

// reference matches character by character with a table: slow and plainly right.
func reference(pattern, name string) bool {
	s := []rune(name)
	row := make([]bool, len(s)+1) // row[j]: the pattern so far covers s[:j]
	row[0] = true
	for _, c := range pattern {
		next := make([]bool, len(s)+1)
		for j := range next {
			switch {
			case c == '*':
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (c == '?' || c == s[j-1])
			}
		}
		row = next
	}
	return row[len(s)]
}

func FuzzGlob(f *testing.F) {
	for _, x := range [][2]string{
		{"order.*", "order.a"},
		{"*?*a", "bca"},
		{"a*?b?*c", "aabbbcc"},
		{"*ü?", "xüy"},
		{"", ""},
		{"?*", ""},
		{"*a?a?b*", "aaaaabab"},
		{"*" + strings.Repeat("?a", 40) + "*", strings.Repeat("a", 81)},
		{"*" + strings.Repeat("a?", 33) + "b*", strings.Repeat("a", 70) + "b"},
	} {
		f.Add(x[0], x[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if nameProblem(name) != "" || len(pattern) > 500 || strings.ContainsRune(pattern, ',') || strings.TrimSpace(pattern) != pattern || pattern == "" {
			return
		}
		globs, err := parse(pattern)
		if err != nil {
			return
		}
		if got, want := globs[0].match(name), reference(pattern, name); got != want {
			t.Errorf("%q covers %q: %v, want %v", pattern, name, got, want)
		}
	})
}

// All patterns and names of a small alphabet.
func TestGlobExhaustively(t *testing.T) {
	words := func(alphabet string, length int) []string {
		all := []string{""}
		for from := 0; length > 0; length-- {
			to := len(all)
			for _, w := range all[from:to] {
				for _, r := range alphabet {
					all = append(all, w+string(r))
				}
			}
			from = to
		}
		return all[1:]
	}
	list := words("ab", pick(7, 5))
	for _, pattern := range words("ab*?", pick(5, 4)) {
		g := newGlob(pattern)
		for _, name := range list {
			if got, want := g.match(name), reference(pattern, name); got != want {
				t.Fatalf("%q covers %q: %v, want %v", pattern, name, got, want)
			}
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"", "12345678", "1234567\x00", "ü", "\xff", "\x80aaaaaaa"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if got, want := goodKey(key), len(key) <= 4096 && goodText(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
	})
}
