package budget

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const good = `
# Times.
BenchmarkAppend/design=*  ns/op  <=  1500
BenchmarkAppend  p99-ns  <=  1.5µs  machine=AMD EPYC * 64-Core   # idle machine
BenchmarkAppend  sec/op  <=  2ms
	BenchmarkScan#01 MB/s >= 200
BenchmarkAppend ns/op <= 1.25x BenchmarkReference machine=x
BenchmarkAppend ns/op <= 2x BenchmarkOther
BenchmarkAppend sec/op <= +2%
BenchmarkAppend MB/s >= -5%
BenchmarkAppend allocs/op == 0` + "\r\n"

func TestParse(t *testing.T) {
	want := []Budget{
		{Line: 3, Name: "BenchmarkAppend/design=*", Unit: "sec/op", Op: AtMost, Kind: Absolute, Limit: 1500 * ns},
		{Line: 4, Name: "BenchmarkAppend", Unit: "p99-sec", Op: AtMost, Kind: Absolute, Limit: 1500 * ns, Machine: "AMD EPYC * 64-Core"},
		{Line: 5, Name: "BenchmarkAppend", Unit: "sec/op", Op: AtMost, Kind: Absolute, Limit: 2e6 * ns},
		{Line: 6, Name: "BenchmarkScan#01", Unit: "B/s", Op: AtLeast, Kind: Absolute, Limit: 200e6},
		{Line: 7, Name: "BenchmarkAppend", Unit: "sec/op", Op: AtMost, Kind: Relative, Limit: 1.25, Reference: "BenchmarkReference", Machine: "x"},
		{Line: 8, Name: "BenchmarkAppend", Unit: "sec/op", Op: AtMost, Kind: Relative, Limit: 2, Reference: "BenchmarkOther"},
		{Line: 9, Name: "BenchmarkAppend", Unit: "sec/op", Op: AtMost, Kind: VersusBase, Limit: 1.02},
		{Line: 10, Name: "BenchmarkAppend", Unit: "B/s", Op: AtLeast, Kind: VersusBase, Limit: 0.95},
		{Line: 11, Name: "BenchmarkAppend", Unit: "allocs/op", Op: Exactly, Kind: Absolute},
	}
	got, err := Parse("budgets.txt", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d budgets, want %d", len(got), len(want))
	}
	for i, b := range got {
		text := b.Text
		b.Text = ""
		want[i].File = "budgets.txt"
		if b != want[i] {
			t.Errorf("%q is %+v, want %+v", text, b, want[i])
		}
	}
	if text := got[1].String(); text != "BenchmarkAppend  p99-ns  <=  1.5µs  machine=AMD EPYC * 64-Core" {
		t.Errorf("text %q", text)
	}
}

// ns is a variable because constants are exact, unlike figures.
var ns = 1e-9

func TestTimesAreEqualInEveryUnit(t *testing.T) {
	want := 1500 * ns
	for _, limit := range []string{"ns/op <= 1500", "ns/op <= 1500ns", "ns/op <= 1.5us", "ns/op <= 1.5µs", "ns/op <= 1.5μs", "sec/op <= .0015ms", "p99-ns <= 1.5E3"} {
		got, err := Parse("f", strings.NewReader("BenchmarkA "+limit))
		if err != nil || got[0].Limit != want {
			t.Errorf("%s: %v, %v, want %v", limit, got, err, want)
		}
	}
}

var badLines = []struct{ line, read, expected string }{
	{"Append ns/op <= 5", "Append", "a name or pattern that begins with Benchmark"},
	{"BenchmarkA", "", "a unit such as ns/op"},
	{"BenchmarkA <= 5", "<=", "a unit such as ns/op"},
	{"BenchmarkA ns/op", "", "<=, >= or =="},
	{"BenchmarkA ns/op <=< 5", "<=<", "<=, >= or =="},
	{"BenchmarkA ns/op < 5", "<", "<=, >= or =="},
	{"BenchmarkA ns/op <=", "", limits},
	{"BenchmarkA ns/op <= # 5", "", limits},
	{"BenchmarkA ns/op <= fast", "fast", limits},
	{"BenchmarkA ns/op <= -5", "-5", limits},
	{"BenchmarkA ns/op <= +2", "+2", limits},
	{"BenchmarkA ns/op <= NaN", "NaN", limits},
	{"BenchmarkA ns/op <= Inf", "Inf", limits},
	{"BenchmarkA ns/op <= 1e999", "1e999", limits},
	{"BenchmarkA MB/s <= 1e305", "1e305", limits},
	{"BenchmarkA ns/op <= 1e302s", "1e302s", limits},
	{"BenchmarkA ns/op <= 1_000", "1_000", limits},
	{"BenchmarkA ns/op <= 0b11", "0b11", limits},
	{"BenchmarkA ns/op <= s", "s", limits},
	{"BenchmarkA ns/op <= 5m", "5m", limits},
	{"BenchmarkA B/op <= 5ms", "5ms", "a number without a suffix: B/op is no time"},
	{"BenchmarkA x/sec <= 5ms", "5ms", "a number without a suffix: x/sec is no time"},
	{"BenchmarkA seconds <= 5ms", "5ms", "a number without a suffix: seconds is no time"},
	{"BenchmarkA ns/op <= x BenchmarkR", "x", "a factor above 0, such as 1.25x"},
	{"BenchmarkA ns/op <= 0x BenchmarkR", "0x", "a factor above 0, such as 1.25x"},
	{"BenchmarkA ns/op <= -1x BenchmarkR", "-1x", "a factor above 0, such as 1.25x"},
	{"BenchmarkA ns/op <= 2x", "", "the name of one benchmark behind the factor"},
	{"BenchmarkA ns/op <= 2x machine=m", "machine=m", "the name of one benchmark behind the factor"},
	{"BenchmarkA ns/op <= 2x BenchmarkR*", "BenchmarkR*", "the name of one benchmark behind the factor"},
	{"BenchmarkA ns/op <= %", "%", "a change with its sign, such as +2% or -5%"},
	{"BenchmarkA ns/op <= +%", "+%", "a change with its sign, such as +2% or -5%"},
	{"BenchmarkA ns/op <= 2%", "2%", "a change with its sign, such as +2% or -5%"},
	{"BenchmarkA ns/op <= ++2%", "++2%", "a change with its sign, such as +2% or -5%"},
	{"BenchmarkA ns/op <= é%", "é%", "a change with its sign, such as +2% or -5%"},
	{"BenchmarkA ns/op <= -100%", "-100%", "a change above -100%"},
	{"BenchmarkA ns/op == 2x BenchmarkR", "2x", "a number: == takes no limit that counts from another benchmark"},
	{"BenchmarkA ns/op == +2%", "+2%", "a number: == takes no limit that counts from another benchmark"},
	{"BenchmarkA ns/op <= 5 quickly", "quickly", "machine=PATTERN or the end of the line"},
	{"BenchmarkA ns/op <= 5 ns", "ns", "machine=PATTERN or the end of the line"},
	{"BenchmarkA ns/op <= 5 machine=", "machine=", "machine=PATTERN or the end of the line"},
	{"BenchmarkA ns/op <= 2x BenchmarkR BenchmarkS", "BenchmarkS", "machine=PATTERN or the end of the line"},
}

func TestParseRefusesLines(t *testing.T) {
	for _, test := range badLines {
		list, err := Parse("budgets.txt", strings.NewReader("# first\n"+test.line+"\n"))
		var bad *LineError
		if !errors.As(err, &bad) || !errors.Is(err, ErrSyntax) || list != nil {
			t.Errorf("%q: %v, %v", test.line, list, err)
			continue
		}
		if bad.File != "budgets.txt" || bad.Line != 2 || bad.Read != test.read || bad.Expected != test.expected {
			t.Errorf("%q: %v, want read %q, expected %q", test.line, err, test.read, test.expected)
		}
	}
}

func TestParseReportsAllLines(t *testing.T) {
	_, err := Parse("budgets.txt", strings.NewReader("BenchmarkA ns/op <=< 5\nBenchmarkB ns/op <= 5\nBenchmarkB sec/op <= 6ns\nx\n"))
	want := `budgets.txt:1: read "<=<": expected <=, >= or ==
budgets.txt:3: read "BenchmarkB sec/op <= 6ns": expected something else than line 2, which sets this limit already
budgets.txt:4: read "x": expected a name or pattern that begins with Benchmark`
	if err == nil || err.Error() != want {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
	if !errors.Is(err, ErrSyntax) || !errors.Is(err, ErrDuplicate) {
		t.Errorf("the error hides its kinds: %v", err)
	}
}

func TestParseShowsTheBeginning(t *testing.T) {
	_, err := Parse("f", strings.NewReader(strings.Repeat("wrong\n", 1000)))
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.HasSuffix(err.Error(), "\nand 980 more") {
		t.Errorf("error %.3000v", err)
	}
	for _, line := range []string{strings.Repeat("x", 1<<20), "BenchmarkA " + strings.Repeat("x", 1<<20) + " <= 5ms"} {
		if _, err := Parse("f", strings.NewReader(line)); err == nil || len(err.Error()) > 400 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestParseByteOrderMark(t *testing.T) {
	list, err := Parse("f", strings.NewReader("\uFEFFBenchmarkA ns/op <= 5\n"))
	if err != nil || len(list) != 1 || list[0].Name != "BenchmarkA" || list[0].Text != "BenchmarkA ns/op <= 5" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestParseRefusesFiles(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# BenchmarkA ns/op <= 5\n"} {
		if _, err := Parse("budgets.txt", strings.NewReader(text)); !errors.Is(err, ErrEmpty) || !strings.HasPrefix(err.Error(), "budgets.txt: no budget") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Parse("budgets.txt", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error of the reader: %v", err)
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"ab", "a", false},
		{"*", "", true},
		{"*", "a/b/c", true},
		{"a*c", "a/b/c", true},
		{"a*c", "abcd", false},
		{"a*b*c", "a-b-b-c", true},
		{"*aab", "aaaab", true},
		{"a?c", "a/c", true},
		{"a?c", "aµc", true},
		{"a?c", "ac", false},
		{"a**?", "ab", true},
		{"a**?", "a", false},
		{"[ab]", "a", false},
	}
	for _, test := range tests {
		if got := Glob(test.pattern, test.text); got != test.want {
			t.Errorf("Glob(%q, %q) = %v", test.pattern, test.text, got)
		}
	}
}

func TestOnMachine(t *testing.T) {
	everywhere, fast := Budget{}, Budget{Machine: "fast*"}
	if !everywhere.OnMachine() || fast.OnMachine() || fast.OnMachine("", "slow") || !fast.OnMachine("slow", "fast 3") {
		t.Error("OnMachine is wrong")
	}
	if (Budget{Machine: "?*"}).OnMachine("") {
		t.Error("an empty name is a name")
	}
	if every := (Budget{Machine: "*"}); !every.OnMachine() || !every.OnMachine("") || !every.OnMachine("slow") {
		t.Error("machine=* is not every machine")
	}
}

func TestPattern(t *testing.T) {
	for name, want := range map[string]bool{"BenchmarkA": false, "Benchmark*": true, "BenchmarkA?": true} {
		if got := (Budget{Name: name}).Pattern(); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzParse looks for text that makes Parse panic, or accept what it reads back differently.
func FuzzParse(f *testing.F) {
	f.Add(good)
	for _, test := range badLines {
		f.Add(test.line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		budgets, err := Parse("f", strings.NewReader(text))
		if (err == nil) != (len(budgets) > 0) {
			t.Fatalf("%d budgets and error %v", len(budgets), err)
		}
		for _, b := range budgets {
			again, err := Parse("f", strings.NewReader(b.Text))
			if err != nil {
				t.Fatalf("%q: %v", b.Text, err)
			}
			again[0].Line = b.Line
			if again[0] != b {
				t.Fatalf("%+v is read back as %+v", b, again[0])
			}
			if b.Limit < 0 || b.Limit-b.Limit != 0 || b.Kind != Absolute && (b.Limit == 0 || b.Op == Exactly) {
				t.Fatalf("%+v: nonsense limit", b)
			}
		}
	})
}
