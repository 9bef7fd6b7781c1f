package collect

import (
	"regexp"
	"strings"
	"testing"
)

const goTest = `goos: linux
goarch: amd64
pkg: example.com/x
cpu: Example CPU: 2 GHz
note: not of go test
BenchmarkA/n=1-2         	  200000	       217.3 ns/op	       0 B/op
--- BENCH: BenchmarkA/n=1-2
    x_test.go:9: told
BenchmarkB-x 	5	1 x/op
BenchmarkC
BenchmarkC-2 lots of text here
PASS
`

func TestParseOutput(t *testing.T) {
	results := parseOutput([]byte(goTest), 2)
	if len(results) != 2 {
		t.Fatalf("%d results: %+v", len(results), results)
	}
	a, b := results[0], results[1]
	if a.name != "BenchmarkA/n=1" || a.suffix != "-2" || b.name != "BenchmarkB-x" || b.suffix != "" {
		t.Errorf("names %q %q %q %q", a.name, a.suffix, b.name, b.suffix)
	}
	if cpu := b.header.get("cpu"); cpu != "Example CPU: 2 GHz" || b.header.get("note") != "" {
		t.Errorf("header %q", b.header)
	}
	if want := "goos: linux\ngoarch: amd64\npkg: example.com/x\ncpu: Example CPU: 2 GHz\nBenchmarkB-x \t5\t1 x/op\n"; b.text() != want {
		t.Errorf("text %q", b.text())
	}
}

// Only what go test appends is cut off, and nothing for one processor.
func TestSplitProcs(t *testing.T) {
	for _, test := range []struct {
		full         string
		procs        int
		name, suffix string
	}{
		{"BenchmarkA-2", 2, "BenchmarkA", "-2"},
		{"BenchmarkA/n-10-2", 2, "BenchmarkA/n-10", "-2"},
		{"BenchmarkA/n-10", 2, "BenchmarkA/n-10", ""},
		{"BenchmarkA/n-12", 2, "BenchmarkA/n-12", ""},
		{"BenchmarkA/n-10", 1, "BenchmarkA/n-10", ""},
		{"BenchmarkA/n-1", 1, "BenchmarkA/n-1", ""},
	} {
		if name, suffix := splitProcs(test.full, test.procs); name != test.name || suffix != test.suffix {
			t.Errorf("%+v: %q, %q", test, name, suffix)
		}
	}
}

func TestFailed(t *testing.T) {
	for text, want := range map[string]bool{
		goTest: false, "FAILING: x\n": false, "": false,
		"FAIL\n": true, "FAIL\tx\t0.1s\n": true, "--- FAIL: BenchmarkA\n": true, "    --- FAIL: BenchmarkA/x\n": true,
		"BenchmarkA-2 \t--- FAIL: BenchmarkA-2\n": true,
	} {
		if failed([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("é\n", 5000) + "cpu: x\nlast words\n\n"
	got := tail([]byte(long))
	if !strings.HasSuffix(got, "é\nlast words") || len(got) > tailBytes || strings.Count(got, "\n") >= tailLines {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := tail([]byte("ab" + strings.Repeat("é", 5000))); strings.Trim(got, "é") != "" {
		t.Errorf("half a character: %q", got)
	}
}

// accepts reports whether go test -bench would run a benchmark: level by level, a name that is shorter included.
func accepts(pattern, name string) bool {
	patterns, levels := splitLevels(pattern), strings.Split(name, "/")
	for i, level := range levels {
		if i < len(patterns) && !regexp.MustCompile(patterns[i]).MatchString(level) {
			return false
		}
	}
	return true
}

// splitLevels splits at slashes; quoted text of these tests has no brackets that are not escaped.
func splitLevels(pattern string) []string { return strings.Split(pattern, "/") }

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{exactly("BenchmarkA"), "BenchmarkA", true},
		{exactly("BenchmarkA"), "BenchmarkAB", false},
		{exactly("BenchmarkA/a.b(c|d)"), "BenchmarkA/a.b(c|d)", true},
		{exactly("BenchmarkA/a.b"), "BenchmarkA/axb", false},
		{covering("BenchmarkA"), "BenchmarkA", true},
		{covering("BenchmarkA"), "BenchmarkB", false},
		{covering("Benchmark*"), "BenchmarkA/x/y", true},
		{covering("BenchmarkA*"), "BenchmarkB", false},
		{covering("BenchmarkA/x=1/*"), "BenchmarkA/x=1/y/z", true},
		{covering("BenchmarkA/x=1/*"), "BenchmarkA/x=10/y", false},
		{covering("BenchmarkA/*y"), "BenchmarkA/x/y", true},
		{covering("BenchmarkA?B"), "BenchmarkA/B", true},
		{covering("BenchmarkA.B?"), "BenchmarkAxB/C", false},
	} {
		if got := accepts(test.pattern, test.name); got != test.want {
			t.Errorf("%s accepts %s: %v", test.pattern, test.name, got)
		}
	}
}

func TestValidBenchTime(t *testing.T) {
	for text, want := range map[string]bool{"100ms": true, "1x": true, "1.5s": true, "": false, "0x": false, "x": false, "-1s": false, "0s": false, "5": false, "1e3x": false} {
		if ValidBenchTime(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
