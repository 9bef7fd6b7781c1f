package slug

import (
	"strings"
	"testing"
)

func TestMake(t *testing.T) {
	for title, want := range map[string]string{
		"": "", "Hello, World!": "hello-world", "  2 + 2 = 4 ": "2-2-4", "--": "", "naïve": "na-ve",
	} {
		if got := Make(title); got != want {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
}

var (
	title = strings.Repeat("An event store that forgets on purpose. ", 25)
	sink  string
)

func BenchmarkMake(b *testing.B) {
	for b.Loop() {
		sink = Make(title)
	}
}

// BenchmarkReferenceCopy is the least that any such function does: it looks at every byte and makes a string of them.
func BenchmarkReferenceCopy(b *testing.B) {
	for b.Loop() {
		out := make([]byte, 0, len(title))
		for i := range len(title) {
			out = append(out, title[i])
		}
		sink = string(out)
	}
}
