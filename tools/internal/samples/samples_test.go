package samples

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// golden reads a file of testdata.
func golden(t *testing.T, name string) Input {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return Input{Name: name, Reader: bytes.NewReader(data)}
}

func TestReadGoTest(t *testing.T) {
	in := golden(t, "gotest.txt")
	s, err := Read(in.Name, in.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Benchmarks()); got != "[BenchmarkAppend/design=core/writers=1 BenchmarkAppend/design=core/writers=2 BenchmarkReferenceMutexRing]" {
		t.Errorf("benchmarks %v", got)
	}
	name := "BenchmarkAppend/design=core/writers=1"
	if got := fmt.Sprint(s.Units(name)); got != "[B/op B/s allocs/op p99-sec sec/op]" {
		t.Errorf("units %v", got)
	}
	list := s.Samples(name, "sec/op")
	ns := 1e-9
	if len(list) != 3 || list[0] != (Sample{Value: 21.55 * ns}) || list[2] != (Sample{Value: 21.42 * ns}) {
		t.Errorf("samples %v", list)
	}
	want := Origin{Package: "example.com/store/benchmarks", CPU: "Example CPU @ 2.00GHz", OS: "linux", Arch: "amd64", Procs: 2}
	if got := s.Origin(name, "sec/op"); got != want {
		t.Errorf("origin %+v, want %+v", got, want)
	}
	if got := s.Machines(); len(got) != 1 || got[0] != (Origin{CPU: want.CPU, OS: "linux", Arch: "amd64"}) {
		t.Errorf("machines %+v", got)
	}
	if s.Has("BenchmarkAppend") || !s.Has(name) || s.Samples(name, "ns/op") != nil || s.Origin("x", "sec/op") != (Origin{}) {
		t.Error("the set has what was not read, or lacks what was")
	}
}

func TestSides(t *testing.T) {
	base, head, err := Sides(golden(t, "rounds.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ns := 1e-9
	for _, test := range []struct {
		set  *Set
		want []Sample
	}{
		{base, []Sample{{20 * ns, 1, 1}, {23 * ns, 1, 2}, {25 * ns, 2, 1}, {26 * ns, 2, 2}}},
		{head, []Sample{{21 * ns, 1, 1}, {22 * ns, 1, 2}, {24 * ns, 2, 1}, {27 * ns, 2, 2}}},
	} {
		if got := test.set.Samples("BenchmarkAppend", "sec/op"); !slices.Equal(got, test.want) {
			t.Errorf("samples %v, want %v", got, test.want)
		}
	}
	in := golden(t, "rounds.txt")
	if _, err := Read(in.Name, in.Reader); !errors.Is(err, ErrSides) {
		t.Errorf("Read of two sides: %v", err)
	}
}

func TestReadOneSide(t *testing.T) {
	const line = "BenchmarkA 1 1 ns/op\n"
	for text, base := range map[string]bool{line: false, "side: head\n" + line: false, "side: base\n" + line: true, "side: base\nside: head\n" + line: true, "side:\tbase \r\n" + line: true} {
		b, h, err := Sides(Input{"f", strings.NewReader(text)})
		if err != nil || (b != nil) != base || h == nil {
			t.Errorf("%q: base %v, head %v, %v", text, b, h, err)
		}
		if (strings.HasSuffix(text, "base\n"+line) || strings.Contains(text, "\r")) != b.Has("BenchmarkA") {
			t.Errorf("%q: the figure is on the wrong side", text)
		}
		if s, err := Read("f", strings.NewReader(text)); err != nil || !s.Has("BenchmarkA") {
			t.Errorf("Read(%q): %v", text, err)
		}
	}
}

func TestReadAllJoins(t *testing.T) {
	const line = "BenchmarkA-2 1 1 ns/op\n"
	s, err := ReadAll(Input{"f", strings.NewReader(line)}, Input{"g", strings.NewReader(line)})
	if err != nil || len(s.Samples("BenchmarkA", "sec/op")) != 2 {
		t.Errorf("%v, %v", s, err)
	}
	// What one input says of side and machine does not hold for the next.
	base, head, err := Sides(Input{"f", strings.NewReader("side: base\n" + line)}, Input{"g", strings.NewReader(line)})
	if err != nil || !base.Has("BenchmarkA") || !head.Has("BenchmarkA") {
		t.Errorf("%v, %v, %v", base, head, err)
	}
}

// A zero keeps the unit in which it was printed when the parser returns it.
func TestZeroIsTidied(t *testing.T) {
	s, err := Read("f", strings.NewReader("BenchmarkA 1 0 p99-ns\nBenchmarkA 1 5 p99-ns\n"))
	if err != nil || len(s.Samples("BenchmarkA", "p99-sec")) != 2 {
		t.Errorf("units %v, %v", s.Units("BenchmarkA"), err)
	}
}

func TestNames(t *testing.T) {
	for line, want := range map[string]string{
		"BenchmarkA":             "BenchmarkA",
		"BenchmarkA-8":           "BenchmarkA",
		"BenchmarkA/x=1-8":       "BenchmarkA/x=1",
		"BenchmarkA/x-y":         "BenchmarkA/x-y",
		"BenchmarkA/x-8/y":       "BenchmarkA/x-8/y",
		"BenchmarkA#01-4":        "BenchmarkA#01",
		"BenchmarkA-":            "BenchmarkA-",
		"BenchmarkA/-8-99999999": "BenchmarkA/-8",
	} {
		s, err := Read("f", strings.NewReader(line+" 1 1 ns/op"))
		if err != nil || fmt.Sprint(s.Benchmarks()) != "["+want+"]" {
			t.Errorf("%s: %v, %v", line, s.Benchmarks(), err)
		}
	}
}

// Who knows the number of processors takes nothing else for it.
func TestKnownProcessors(t *testing.T) {
	for _, test := range []struct {
		procs      int
		line, want string
	}{
		{1, "BenchmarkA/n-10", "BenchmarkA/n-10"},
		{1, "BenchmarkA", "BenchmarkA"},
		{2, "BenchmarkA/n-10-2", "BenchmarkA/n-10"},
		{2, "BenchmarkA/n-2-2", "BenchmarkA/n-2"},
		{2, "BenchmarkA/n-12", "BenchmarkA/n-12"},
	} {
		s, err := Read("f", strings.NewReader(fmt.Sprintf("gomaxprocs: %d\n%s 1 1 ns/op", test.procs, test.line)))
		if err != nil || fmt.Sprint(s.Benchmarks()) != "["+test.want+"]" || s.Origin(test.want, "sec/op").Procs != test.procs {
			t.Errorf("%+v: %v, %v", test, s.Benchmarks(), err)
		}
	}
}

// What a benchmark prints may be longer than the parser's lines; the numbers of lines stay right.
func TestLongLines(t *testing.T) {
	text := strings.Repeat("x", 70_000) + "\n" + strings.Repeat("y", 1<<20) + "\nBenchmarkA 1 1 ns/op\n"
	s, err := Read("f", strings.NewReader(text))
	if err != nil || len(s.Samples("BenchmarkA", "sec/op")) != 1 {
		t.Errorf("%v", err)
	}
	if _, err := Read("f", strings.NewReader(text+"BenchmarkA 1\n")); err == nil || !strings.HasPrefix(err.Error(), "f:4: ") {
		t.Errorf("%v", err)
	}
}

func TestReadShowsTheBeginning(t *testing.T) {
	_, err := Read("f", strings.NewReader(strings.Repeat("BenchmarkA 1\n", 100)))
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.HasSuffix(err.Error(), "\nand 80 more") {
		t.Errorf("%v", err)
	}
	name := "Benchmark" + strings.Repeat("é", 20_000)
	for _, text := range []string{
		name + " 1 NaN " + strings.Repeat("u", 10_000), "round: 1\n" + name + " 1 1 ns/op\n" + name + " 1 1 ns/op\n",
		"round: " + strings.Repeat("9", 10_000) + "\nBenchmarkA 1 1 ns/op",
		"cpu: " + strings.Repeat("a", 10_000) + "\nBenchmarkA 1 1 ns/op\ncpu: b\nBenchmarkA 1 1 ns/op",
	} {
		if _, err := Read("f", strings.NewReader(text)); err == nil || len(err.Error()) > 1500 {
			t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
		}
	}
}

var refusals = []struct {
	name, text string
	err        error
	message    string
}{
	{"empty", "", ErrEmpty, "samples: read f: no benchmark line"},
	{"no benchmark", "goos: linux\nPASS\nok  \tx\t0.1s\n", ErrEmpty, "samples: read f: no benchmark line"},
	{"only names", "BenchmarkA\nBenchmarkB\n", ErrEmpty, "samples: read f: no benchmark line"},
	{"no count", "BenchmarkA fast", ErrSyntax, `f:1: unreadable benchmark line: parsing iteration count: invalid syntax: "BenchmarkA fast"`},
	{"cut off", "\nBenchmarkA-2 100", ErrSyntax, `f:2: unreadable benchmark line: missing measurements: "BenchmarkA-2 100"`},
	{"no unit", "BenchmarkA 100 5", ErrSyntax, `f:1: unreadable benchmark line: missing units: "BenchmarkA 100 5"`},
	{"no figure", "BenchmarkA 100 x ns/op", ErrSyntax, "parsing measurement"},
	{"no iterations", "BenchmarkA 0 5 ns/op", ErrSyntax, "f:1: unreadable benchmark line: 0 iterations"},
	{"too large", "BenchmarkA 1 1e999 ns/op", ErrSyntax, "out of range"},
	{"bad line among good", "BenchmarkA 1 1 ns/op\nBenchmarkA 1 1\n", ErrSyntax, "f:2: "},
	{"unit line", "BenchmarkA 1 1 ns/op\nUnit ns/op better\n", ErrSyntax, "f:2: unreadable benchmark line: expected key=value"},
	{"not a number", "BenchmarkA 1 NaN x/op", ErrValue, "f:1: not a finite number: NaN x/op"},
	{"infinite", "BenchmarkA 1 +Inf ns/op", ErrValue, "f:1: not a finite number: +Inf"},
	{"infinite when tidied", "BenchmarkA 1 1e305 MB/s", ErrValue, "f:1: not a finite number: +Inf"},
	{"two packages", "pkg: a\nBenchmarkA 1 1 ns/op\npkg: b\nBenchmarkA 1 1 ns/op", ErrMixed, `f:4: BenchmarkA sec/op: figures of two origins: from the packages "a" and "b"`},
	{"two machines", "cpu: a\nBenchmarkA 1 1 ns/op\ncpu: b\nBenchmarkA 1 1 ns/op", ErrMixed, `from the machines "a" and "b"`},
	{"two systems", "goos: a\nBenchmarkA 1 1 ns/op\ngoos: b\nBenchmarkA 1 1 ns/op", ErrMixed, "from a/ and b/"},
	{"two numbers of processors", "BenchmarkA-2 1 1 ns/op\nBenchmarkA-4 1 1 ns/op", ErrMixed, "with 2 and 4 processors"},
	{"test failed", "BenchmarkA 1 1 ns/op\n--- FAIL: TestB\n", ErrFailed, `f:2: the test program failed: "--- FAIL: TestB"`},
	{"subtest failed", "BenchmarkA 1 1 ns/op\n    --- FAIL: TestB/x (0.1s)\n", ErrFailed, "f:2: the test program failed"},
	{"benchmark failed", "BenchmarkA 1 1 ns/op\nBenchmarkB-2 \t--- FAIL: BenchmarkB-2\n", ErrFailed, "f:2: the test program failed"},
	{"program failed", "BenchmarkA 1 1 ns/op\nFAIL\n", ErrFailed, `f:2: the test program failed: "FAIL"`},
	{"package failed", "BenchmarkA 1 1 ns/op\nFAIL\texample.com/x\t0.1s\n", ErrFailed, "f:2: the test program failed"},
	{"panic", "BenchmarkA 1 1 ns/op\npanic: oh\n", ErrFailed, `f:2: the test program failed: "panic: oh"`},
	{"fatal", "BenchmarkA 1 1 ns/op\nfatal error: all goroutines are asleep\n", ErrFailed, "f:2: the test program failed"},
	{"side", "side: left\nBenchmarkA 1 1 ns/op", ErrSides, `f:1: wrong side: expected side: base or side: head: "side: left"`},
	{"side without blank", "side:base\nBenchmarkA 1 1 ns/op", ErrSides, "f:1: wrong side"},
	{"no side", "side:\nBenchmarkA 1 1 ns/op", ErrSides, "f:1: wrong side"},
	{"round", "round: zero\nBenchmarkA 1 1 ns/op", ErrSyntax, `f:2: unreadable benchmark line: round "zero", expected a number from 1`},
	{"slot", "round: 1\nslot: 0\nBenchmarkA 1 1 ns/op", ErrSyntax, `slot "0", expected a number from 1`},
	{"rounds and none", "BenchmarkA 1 1 ns/op\nround: 1\nBenchmarkA 1 1 ns/op", ErrMixed, "f:3: BenchmarkA sec/op: figures of two origins: some in rounds and some not"},
	{"none and rounds", "round: 1\nBenchmarkA 1 1 ns/op\nround:\nBenchmarkA 1 1 ns/op", ErrMixed, "f:4: BenchmarkA sec/op: figures of two origins: some in rounds"},
	{"unit twice", "BenchmarkA 1 1 ns/op 2 ns/op", ErrTwice, "f:1: measured twice: two figures in sec/op"},
	{"unit twice, tidied", "BenchmarkA 1 1 sec/op 0 ns/op", ErrTwice, "f:1: measured twice: two figures in sec/op"},
	{"processors", "gomaxprocs: many\nBenchmarkA 1 1 ns/op", ErrSyntax, `f:2: unreadable benchmark line: gomaxprocs "many", expected a number from 1`},
	{"turn twice", "round: 1\nBenchmarkA 1 1 ns/op\nBenchmarkA 1 1 ns/op", ErrTwice, "f:3: BenchmarkA sec/op: measured twice: round 1, slot 0"},
}

func TestReadRefuses(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			s, err := Read("f", strings.NewReader(test.text))
			if s != nil || !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%v, %v; want %q", s, err, test.message)
			}
		})
	}
	if _, _, err := Sides(); !errors.Is(err, ErrEmpty) {
		t.Errorf("no input: %v", err)
	}
	if _, err := Read("f", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error of the reader: %v", err)
	}
	endless := "BenchmarkA 1 1 ns/op\nBenchmarkA " + strings.Repeat("1", 1<<20)
	if _, err := Read("f", strings.NewReader(endless)); !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), "f:2: unreadable benchmark line: 1048587 bytes") {
		t.Errorf("endless line: %.200v", err)
	}
}

func TestReadReportsAllLines(t *testing.T) {
	_, err := Read("f", strings.NewReader("BenchmarkA 1\nFAIL\nBenchmarkB 1 NaN x\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v", err)
	}
	long := "BenchmarkA " + strings.Repeat("é", 300)
	if _, err := Read("f", strings.NewReader(long)); err == nil || len(err.Error()) > 400 {
		t.Errorf("error %v", err)
	}
}

func TestNilSet(t *testing.T) {
	var s *Set
	if s.Benchmarks() != nil || s.Units("x") != nil || s.Samples("x", "y") != nil || s.Has("x") || s.Machines() != nil {
		t.Error("a nil set is not empty")
	}
}

// FuzzRead looks for output that makes Sides panic or accept what is no figure of a named benchmark.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"gotest.txt", "rounds.txt"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	for _, test := range refusals {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, head, err := Sides(Input{"f", strings.NewReader(text)})
		if err != nil {
			return
		}
		n := 0
		for _, s := range []*Set{base, head} {
			for _, name := range s.Benchmarks() {
				for _, unit := range s.Units(name) {
					for _, v := range s.Samples(name, unit) {
						n++
						if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || v.Round < 0 || v.Slot < 0 {
							t.Fatalf("%s %s: %+v", name, unit, v)
						}
					}
				}
			}
		}
		if n == 0 {
			t.Fatal("no figure and no error")
		}
		if base.Benchmarks() != nil && !strings.Contains(text, "side:") {
			t.Fatal("a base that nobody named")
		}
	})
}
