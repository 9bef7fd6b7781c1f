package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A report must name what is wrong instead of showing a hole.
func TestBadResults(t *testing.T) {
	change := func(from, to string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, from, to) }
	}
	without := func(prefix string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for l := range strings.Lines(s) {
				if !strings.HasPrefix(l, prefix) {
					b.WriteString(l)
				}
			}
			return b.String()
		}
	}
	for _, c := range []struct {
		name   string
		change func(string) string
		want   error
		texts  []string
	}{
		{"empty", func(string) string { return "" }, errEmpty, []string{"raw.txt"}},
		{"header only", func(string) string { return header }, errEmpty, []string{"raw.txt"}},
		{"no header", func(s string) string { return strings.TrimPrefix(s, header) }, errHeader, []string{`"date:"`, `"load-after:"`}},
		{"one header line less", without("cpu:"), errHeader, []string{`"cpu:"`}},
		{"no rounds", change("rounds: 6", "rounds: many"), errHeader, []string{`"many"`}},
		{"zero rounds", change("rounds: 6", "rounds: 0"), errHeader, []string{`"0"`}},
		{"mode", change("mode: full", "mode: slow"), errHeader, []string{`"slow"`, "full or quick"}},
		{"date", change("2026-01-02T", "yesterday "), errHeader, []string{"yesterday"}},
		{"two runs", func(s string) string { return s + strings.Replace(s, "go1.25.0", "go1.26.0", 1) }, errHeader, []string{"go1.26.0", "several runs", "raw.txt:"}},
		{"twice", func(s string) string { return s + s }, errRounds, []string{"12 results in 6 rounds"}},
		{"a round less", change("rounds: 6", "rounds: 7"), errRounds, []string{"BenchmarkPeer/writers=8", "6 results in 7 rounds"}},
		{
			"missing benchmarks", func(s string) string { return without("BenchmarkPeer/writers=2")(without("BenchmarkIdle")(s)) },
			errMissing,
			[]string{"BenchmarkPeer/writers=2", "BenchmarkIdle, unit idle-ratio"},
		},
		{"missing unit", change("p99-ns\n", "p98-ns\n"), errMissing, []string{"BenchmarkLatency, unit p99-sec"}},
		{"base missing", without("BenchmarkAppend/design=core/writers=8"), errMissing, []string{"BenchmarkAppend/design=core/writers=8"}},
		{"overlap missing", change("cpu/wall", "cpu"), errMissing, []string{"cpu/wall"}},
		{"syntax", change("100\t 5 ns/op", "100\t five ns/op"), errSyntax, []string{"raw.txt:20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := small().render("raw.txt", []byte(c.change(sixRounds())))
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			for _, text := range c.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
		})
	}
}

// A fault is named once, however many cells need the benchmark.
func TestEachFaultIsNamedOnce(t *testing.T) {
	raw := strings.ReplaceAll(sixRounds(), "BenchmarkAppend/design=core/writers=1-2", "BenchmarkOther-2")
	_, err := small().render("raw.txt", []byte(raw))
	if err == nil || strings.Count(err.Error(), "BenchmarkAppend/design=core/writers=1, ") != 1 {
		t.Errorf("error %v", err)
	}
}

// On one processor names have no suffix, and on many a suffix of several digits.
func TestNamesHaveNoNumberOfProcessors(t *testing.T) {
	for _, suffix := range []string{"", "-1", "-128"} {
		raw := strings.ReplaceAll(sixRounds(), "-2 \t", suffix+" \t")
		if _, err := small().render("raw.txt", []byte(raw)); err != nil {
			t.Errorf("suffix %q: %v", suffix, err)
		}
	}
}

// The row of a server is measured where the server is, and shown when it was measured, wherever that is rendered.
func TestServersAreShownIfMeasured(t *testing.T) {
	d := small()
	r := row{"server", ours, []value{{"BenchmarkServer", perItem, 0}}}
	d.tables[1].servers = []serverRow{{r, false}}
	if slices.Contains(d.needed(), "BenchmarkServer") {
		t.Error("a server that is not there is measured")
	}
	without, err := d.render("without", []byte(sixRounds()))
	if err != nil || strings.Contains(string(without.report), "| server |") {
		t.Errorf("a server that was not measured is shown, or %v", err)
	}
	with, err := d.render("with", []byte(sixRounds()+strings.Repeat("BenchmarkServer-2 \t 1\t 48 bytes/event\n", 6)))
	if err != nil || !strings.Contains(string(with.report), "| server | ephemera | 48.0 B |") {
		t.Errorf("a server that was measured is not shown, or %v", err)
	}
	if _, err := d.render("half", []byte(sixRounds()+"BenchmarkServer-2 \t 1\t 48 bytes/event\n")); !errors.Is(err, errRounds) {
		t.Errorf("a server that was measured once in six rounds: %v", err)
	}
	d.tables[1].servers[0].available = true
	if !slices.Contains(d.needed(), "BenchmarkServer") {
		t.Error("a server that is there is not measured")
	}
}
