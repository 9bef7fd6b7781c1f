//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A stand-in for valgrind: it runs the program and counts 500 instructions for each iteration of the loop, 600 if the
// program is that of head.
const valgrind = `#!/bin/sh
[ "$1 $GOMAXPROCS $GODEBUG" = "--tool=cachegrind 1 gctrace=0,asyncpreemptoff=1" ] || exit 3
shift 3
"$@" || exit
for arg; do
	case $arg in
	-test.benchtime=*x) n=${arg#*=}; n=${n%x} ;;
	esac
done
each=500
case $1 in
*head.test) each=600 ;;
esac
echo "==$$== I   refs:      $((1000000 + n * each))" >&2
`

func TestRunCountsInstructions(t *testing.T) {
	r := newRepository(t, loop("Work", "1"))
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "valgrind"), []byte(valgrind), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("GODEBUG", "gctrace=0")
	raw := filepath.Join(r.dir, "raw.txt")
	code, stdout, stderr := r.gate("Benchmark* instr/op <= 600\nBenchmarkWork instr/op <= +19%\nBenchmarkW* instr/op <= +21%\n",
		"--base", "HEAD", "--out", raw)
	r.want(1, "in budget: BenchmarkWork instr/op: 600.0 [600.0, 600.0] (n=3), budget <= 600", code, stdout, stderr)
	r.want(1, "over budget: BenchmarkWork instr/op: +20.00% [+20.00%, +20.00%]", code, stdout, stderr)
	r.want(1, "over budget: 1 over budget, 2 in budget", code, stdout, stderr)
	if again, out, errs := benchgate(t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw); again != 1 || out != stdout {
		t.Errorf("judge of the raw output: exit %d\n%s%s\nrun:\n%s", again, out, errs, stdout)
	}
}

// Under valgrind there is one processor, so nothing is appended to a name.
func TestRunCountsInstructionsOfNumberedNames(t *testing.T) {
	r := newRepository(t, "\nfunc BenchmarkS(b *testing.B) {\n\tb.Run(\"n-10\", func(b *testing.B) {})\n}\n")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "valgrind"), []byte(valgrind), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("GODEBUG", "gctrace=0")
	raw := filepath.Join(r.dir, "raw.txt")
	code, stdout, stderr := r.gate("BenchmarkS/n-10 instr/op <= 600\nBenchmarkS/n-10 allocs/op == 0\n", "--out", raw)
	r.want(0, "in budget: 2 in budget", code, stdout, stderr)
	r.judgesTheSame(raw, code, stdout)
}

func TestRunWithoutValgrind(t *testing.T) {
	r := newRepository(t, loop("Work", "1"))
	bin := t.TempDir()
	// Only what a run needs, so that no valgrind is found.
	for _, name := range []string{"go", "git", "env"} {
		r.link(name, bin)
	}
	t.Setenv("PATH", bin)
	code, stdout, stderr := r.gate("BenchmarkWork instr/op <= 5\nBenchmarkWork allocs/op == 0\n")
	r.want(2, "valgrind is not installed", code, stdout, stderr)
	r.want(2, "cannot judge: 1 cannot judge, 1 in budget", code, stdout, stderr)
}
