package main

import (
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// percentile is a benchmark that may report a unit of its own.
func percentile(name, report string) string {
	return "\nfunc Benchmark" + name + "(b *testing.B) {\n\tfor range b.N {\n\t\tsink++\n\t}\n\t" + report + "\n}\n"
}

// One of the benchmarks that a pattern stands for no longer says what it said.
func TestRunVanishedUnit(t *testing.T) {
	const report = `b.ReportMetric(5, "p99-ns")`
	r := newRepository(t, percentile("A", report)+percentile("B", report))
	r.work(percentile("A", report) + percentile("B", ""))
	raw := filepath.Join(r.dir, "raw.txt")
	for _, budgets := range []string{
		"Benchmark* p99-ns <= 100\n", "Benchmark* p99-ns <= 100\nBenchmarkB allocs/op <= +2%\n", "Benchmark* p99-ns <= 2x BenchmarkA\n",
	} {
		code, stdout, stderr := r.gate(budgets, "--base", "HEAD", "--out", raw)
		r.want(2, "cannot judge: BenchmarkB p99-sec", code, stdout, stderr)
		r.want(2, "vanished", code, stdout, stderr)
		r.judgesTheSame(raw, code, stdout)
	}
}

// A budget for a certain machine is no reason to overlook that its benchmark is gone.
func TestRunVanishedOnAMachine(t *testing.T) {
	r := newRepository(t, loop("Gone", "10"))
	r.work(loop("Work", "10"))
	raw := filepath.Join(r.dir, "raw.txt")
	for _, machine := range []string{"*", "lab*"} {
		code, stdout, stderr := r.gate("BenchmarkGone allocs/op == 0 machine="+machine+"\n", "--base", "HEAD", "--out", raw, "--machine", "lab 7")
		r.want(2, "cannot judge: BenchmarkGone", code, stdout, stderr)
	}
	// No benchmark, so no cpu line.
	code, stdout, stderr := r.gate("BenchmarkNone allocs/op == 0 machine=?*\n")
	r.want(2, "missing", code, stdout, stderr)
	code, stdout, stderr = r.gate("BenchmarkNone allocs/op == 0 machine=x\n", "--machine", "y")
	r.want(0, "nothing judged: 1 other machine", code, stdout, stderr)
}

const numbered = `
func BenchmarkS(b *testing.B) {
	for _, n := range []int{10, 1, 2, 7} {
		b.Run(fmt.Sprintf("n-%d", n), func(b *testing.B) {
			for range b.N {
				sink++
			}
		})
	}
}
`

// A name may end like that of a benchmark with a number of processors.
func TestRunNamesWithNumbers(t *testing.T) {
	r := newRepository(t, "")
	r.write("scratch_test.go", "package scratch\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nvar sink uint64\n"+numbered)
	r.git("add", ".")
	r.git("commit", "-q", "-m", "numbers")
	raw := filepath.Join(r.dir, "raw.txt")
	for _, procs := range []int{1, 7} {
		// As if this process had been started with it.
		t.Setenv("GOMAXPROCS", strconv.Itoa(procs))
		old := runtime.GOMAXPROCS(procs)
		code, stdout, stderr := r.gate("BenchmarkS/* allocs/op == 0\nBenchmarkS/n-10 allocs/op <= +2%\nBenchmarkS/n-2 allocs/op == 0\n", "--base", "HEAD", "--out", raw)
		runtime.GOMAXPROCS(old)
		r.want(0, "in budget: 6 in budget", code, stdout, stderr)
		r.judgesTheSame(raw, code, stdout)
	}
}
