package main

import (
	"os"
	"path/filepath"
	"testing"
)

// judgesTheSame judges the raw output of a run again.
func (r *repository) judgesTheSame(raw string, code int, stdout string) {
	r.t.Helper()
	again, out, errs := benchgate(r.t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw)
	if again != code || out != stdout {
		r.t.Errorf("judge of the raw output: exit %d\n%s%s\nrun: exit %d\n%s", again, out, errs, code, stdout)
	}
}

func (r *repository) mkdir(name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// The commit that brings the first benchmarks is judged against one that has none.
func TestRunFirstUse(t *testing.T) {
	const budgets = "BenchmarkWork ns/op <= +2%\nBenchmarkWork allocs/op == 0\n"
	for name, prepare := range map[string]func(r *repository) (pkg string){
		"no tests": func(r *repository) string {
			r.git("rm", "-q", "--cached", "scratch_test.go")
			return "."
		},
		"no package": func(r *repository) string {
			r.mkdir("bench")
			r.git("rm", "-q", "--cached", "scratch_test.go")
			r.git("mv", "scratch.go", "scratch_go.txt")
			if err := os.Rename(filepath.Join(r.dir, "scratch_test.go"), filepath.Join(r.dir, "bench", "scratch_test.go")); err != nil {
				r.t.Fatal(err)
			}
			return "./bench"
		},
		"folder without Go": func(r *repository) string {
			r.mkdir("bench")
			if err := os.Rename(filepath.Join(r.dir, "scratch_test.go"), filepath.Join(r.dir, "bench", "scratch_test.go")); err != nil {
				r.t.Fatal(err)
			}
			r.git("rm", "-q", "--cached", "scratch_test.go")
			r.write("bench/notes.txt", "notes\n")
			r.git("add", "bench/notes.txt")
			return "example.com/scratch/bench"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t, loop("Work", "10"))
			pkg := prepare(r)
			r.git("commit", "-q", "-m", "before the first use")
			raw := filepath.Join(t.TempDir(), "raw.txt")
			code, stdout, stderr := r.gate(budgets, "--base", "HEAD", "--package", pkg, "--out", raw)
			r.want(0, "base has no tests in "+pkg+": all of its benchmarks are new", code, stdout, stderr)
			r.want(0, "new: BenchmarkWork sec/op", code, stdout, stderr)
			r.want(0, "in budget: 1 in budget, 1 new", code, stdout, stderr)
			r.judgesTheSame(raw, code, stdout)
		})
	}
}

// The module itself is new.
func TestRunFirstUseOfAModule(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	r.mkdir("mod")
	r.write("mod/go.mod", "module example.com/mod\n\ngo 1.25.0\n")
	r.write("mod/mod_test.go", scratchHead+loop("Work", "10"))
	code, stdout, stderr := r.gate("BenchmarkWork ns/op <= +2%\n", "--base", "HEAD", "--head", filepath.Join(r.dir, "mod"))
	r.want(0, "nothing judged: 1 new", code, stdout, stderr)
}

func TestRunBaseThatDoesNotCompile(t *testing.T) {
	r := newRepository(t, "\nfunc Benchmark {\n")
	r.work(loop("Work", "10"))
	code, stdout, stderr := r.gate("BenchmarkWork ns/op <= +2%\n", "--base", "HEAD")
	r.want(2, "build . of base: ", code, stdout, stderr)
}

// What the change repairs cannot be compared, but all else is.
func TestRunBenchmarkThatFailsAtBase(t *testing.T) {
	for name, fails := range map[string]string{"fatal": `b.Fatal("out of", "beans")`, "panic": `panic("out of beans")`} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t, "\nfunc BenchmarkBad(b *testing.B) {\n\t"+fails+"\n}\n"+loop("Gone", "10")+loop("Work", "10"))
			r.work("\nfunc BenchmarkBad(b *testing.B) {\n}\n" + loop("Work", "10"))
			raw := filepath.Join(t.TempDir(), "raw.txt")
			code, stdout, stderr := r.gate("Benchmark* allocs/op <= +2%\nBenchmark*d allocs/op == 0\n", "--base", "HEAD", "--out", raw)
			r.want(2, "cannot judge: BenchmarkBad allocs/op: budget <= +2%; failed: collect: run base BenchmarkBad", code, stdout, stderr)
			r.want(2, "out of beans", code, stdout, stderr)
			r.want(2, "cannot judge: BenchmarkGone allocs/op: budget <= +2%; vanished", code, stdout, stderr)
			r.want(2, "in budget: BenchmarkWork allocs/op", code, stdout, stderr)
			r.want(2, "in budget: BenchmarkBad allocs/op", code, stdout, stderr)
			again, out, errs := benchgate(t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw)
			r.want(2, "--- FAIL: BenchmarkBad", again, out, errs)
		})
	}
	r := newRepository(t, "\nfunc BenchmarkBad(b *testing.B) {\n\tb.Fatal()\n}\n")
	r.work("\nfunc BenchmarkBad(b *testing.B) {\n}\n")
	raw := filepath.Join(t.TempDir(), "raw.txt")
	code, stdout, stderr := r.gate("BenchmarkBad allocs/op == 0\n", "--base", "HEAD", "--out", raw)
	r.want(0, "in budget: 1 in budget", code, stdout, stderr)
	r.judgesTheSame(raw, code, stdout)
}
