package plain

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"BenchmarkÄ/x=1 <µs>":   "BenchmarkÄ/x=1 <µs>",
		"a\x1b[31mred\nb\t\x7f": `a\x1b[31mred\nb\t\x7f`,
		"bad \xff\xc3 end":      `bad \xff\xc3 end`,
		"real \uFFFD":           "real \uFFFD",
		"half \xef\xbf":         `half \xef\xbf`,
		"turn \u202e round":     `turn \u202e round`,
		"c1 \u009b":             `c1 \u009b`,
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	if got := Short("abc\n"); got != `abc\n` {
		t.Errorf("%q", got)
	}
	if got := Short(strings.Repeat("x", 1000)); got != strings.Repeat("x", 200)+"..." {
		t.Errorf("%q", got)
	}
	if got := Quote("x" + strings.Repeat("é", 1000)); got != `"x`+strings.Repeat("é", 99)+`..."` {
		t.Errorf("a character was cut: %s", got)
	}
	if got := Short(strings.Repeat("\x80", 1000)); len(got) > 4*longest+3 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestJoin(t *testing.T) {
	if Join(nil) != nil {
		t.Error("an error without a cause")
	}
	var errs []error
	for i := range 25 {
		errs = append(errs, fmt.Errorf("error %d", i))
	}
	if err := Join(errs[:20]); strings.Count(err.Error(), "\n") != 19 {
		t.Errorf("%v", err)
	}
	err := Join(errs)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[19] != "error 19" || lines[20] != "and 5 more" || !errors.Is(err, errs[0]) {
		t.Errorf("%v", err)
	}
}
