package modset

import (
	"slices"
	"strings"
	"testing"
)

const list = `# path set released allowed-imports
core   engine yes -

window engine yes core,example.com/third
`

func TestParse(t *testing.T) {
	set, err := Parse([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	if len(set) != 2 || !set[0].StdOnly() || set[1].StdOnly() || !set[1].Released {
		t.Fatalf("set = %+v", set)
	}
	want := []string{Prefix + "/core", "example.com/third"}
	if got := set.AllowedPaths(set[1]); !slices.Equal(got, want) {
		t.Errorf("allowed paths = %v, want %v", got, want)
	}
	if m, ok := set.Sibling(Prefix + "/window"); !ok || m.Dir != "window" {
		t.Errorf("sibling = %+v, %v", m, ok)
	}
	if _, ok := set.Sibling("example.com/third"); ok {
		t.Error("a third-party module was taken for a sibling")
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"":                                   "no modules listed",
		"core engine yes":                    "want 4 columns",
		"core engine maybe -":                "want yes or no",
		"core engine yes a,,b":               "empty entry",
		"core engine yes -\ncore other no -": "listed twice",
	}
	for text, want := range tests {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestPaths(t *testing.T) {
	if Contains("example.com/a", "example.com/ab") || !Contains("example.com/a", "example.com/a/b") {
		t.Error("Contains does not stop at path elements")
	}
	got, ok := Longest([]string{"example.com/a", "example.com/a/b"}, "example.com/a/b/c")
	if !ok || got != "example.com/a/b" {
		t.Errorf("Longest = %q, %v", got, ok)
	}
	if !IsStd("net/http") || IsStd("example.com/a") {
		t.Error("IsStd is wrong")
	}
}
