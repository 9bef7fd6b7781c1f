package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// loop is a benchmark of so many units of work.
func loop(name, work string) string {
	return `
func Benchmark` + name + `(b *testing.B) {
	for range b.N {
		for i := range ` + work + ` {
			sink += uint64(i) ^ sink<<1
		}
	}
}
`
}

const scratchHead = `package scratch

import "testing"

var sink uint64
`

// repository is a module with a benchmark and a git repository, made anew for each test.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T, benchmarks string) *repository {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and measures test programs")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	r := &repository{t, t.TempDir()}
	r.git("init", "-q")
	r.write("go.mod", "module example.com/scratch\n\ngo 1.25.0\n")
	r.write("scratch.go", "package scratch\n")
	r.commit(benchmarks)
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// work writes the benchmarks without committing them.
func (r *repository) work(benchmarks string) { r.write("scratch_test.go", scratchHead+benchmarks) }

func (r *repository) commit(benchmarks string) {
	r.t.Helper()
	r.work(benchmarks)
	r.git("add", ".")
	r.git("commit", "-q", "-m", "scratch")
}

// gate runs benchgate run with budgets and flags that suit a test, and checks that nothing stays behind.
func (r *repository) gate(budgets string, args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	temp := r.t.TempDir()
	r.t.Setenv("TMPDIR", temp)
	file := r.write("budgets.txt", budgets)
	code, stdout, stderr = benchgate(r.t, append([]string{
		"run", "--head", r.dir, "--budgets", file, "--benchtime", "2ms",
	}, args...)...)
	if trees := r.git("worktree", "list"); strings.Contains(trees, "\n") {
		r.t.Errorf("a working tree stays:\n%s", trees)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*benchgate*")); err != nil || len(left) > 0 {
		r.t.Errorf("files stay: %q, %v", left, err)
	}
	return code, stdout, stderr
}

func (r *repository) want(code int, text string, gotCode int, stdout, stderr string) {
	r.t.Helper()
	if gotCode != code || !strings.Contains(stdout+stderr, text) {
		r.t.Errorf("exit %d, want %d and %q in:\n%s%s", gotCode, code, text, stdout, stderr)
	}
}

func TestRunFindsASlowerHead(t *testing.T) {
	r := newRepository(t, loop("Work", "1000"))
	r.work(loop("Work", "100000")) // not committed: the working tree is judged as it is
	raw, markdown := filepath.Join(r.dir, "raw.txt"), filepath.Join(r.dir, "gate.md")
	const budgets = "BenchmarkWork ns/op <= +50%\nBenchmarkWork allocs/op == 0\nBenchmarkWork ns/op <= 1ns machine=none such\n"
	code, stdout, stderr := r.gate(budgets, "--base", "HEAD", "--out", raw, "--markdown", markdown)
	r.want(1, "over budget: BenchmarkWork sec/op", code, stdout, stderr)
	if _, err := os.Stat(markdown); err != nil {
		t.Error(err)
	}
	again, out, errs := benchgate(t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw)
	if again != code || out != stdout || errs != "" {
		t.Errorf("judge of the raw output: exit %d, run: exit %d\n%s%s\nrun:\n%s", again, code, out, errs, stdout)
	}
}

// The benchmark allocates nothing, takes about as long as its twin, and neither can be told from the base.
func TestRunLetsEqualsPass(t *testing.T) {
	r := newRepository(t, loop("Work", "1000")+loop("Twin", "1000"))
	code, stdout, stderr := r.gate("Benchmark* ns/op <= +400%\nBenchmarkWork ns/op <= 50x BenchmarkTwin\n", "--base", "HEAD")
	if code == 1 {
		t.Errorf("an alarm without a reason:\n%s%s", stdout, stderr)
	}
	if n := strings.Count(stdout, "\n"); n != 4 {
		t.Errorf("%d lines, want 3 verdicts and a summary:\n%s", n, stdout)
	}
}

func TestRunWithoutBase(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	code, stdout, stderr := r.gate("BenchmarkWork allocs/op == 0\n", "--package", "./.")
	r.want(0, "in budget: 1 in budget", code, stdout, stderr)
	code, stdout, stderr = r.gate("BenchmarkWork ns/op <= +2%\n")
	r.want(2, "missing base", code, stdout, stderr)
}

// The module is not the top of the repository and the package not that of the module; budgets stand beside the benchmarks.
func TestRunInFolders(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	bench := filepath.Join("mod", "bench")
	if err := os.MkdirAll(filepath.Join(r.dir, bench), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("mv", "go.mod", "mod")
	r.git("mv", "scratch.go", "scratch_test.go", bench)
	r.write(filepath.Join(bench, "budgets.txt"), "BenchmarkWork ns/op <= +100000%\n")
	r.git("commit", "-q", "-a", "-m", "folders")
	code, stdout, stderr := benchgate(t, "run", "--head", filepath.Join(r.dir, "mod"), "--package", "./bench", "--base", "HEAD", "--benchtime", "100x", "--json")
	r.want(0, `"kind": "base"`, code, stdout, stderr)
	r.want(0, filepath.Join(bench, "budgets.txt"), code, stdout, stderr)
}

func TestRunVanishedBenchmark(t *testing.T) {
	r := newRepository(t, loop("Work", "10")+loop("Gone", "10"))
	r.work(loop("Work", "10"))
	raw := filepath.Join(r.dir, "raw.txt")
	code, stdout, stderr := r.gate("Benchmark* B/op <= +2%\n", "--base", "HEAD", "--out", raw)
	r.want(2, "cannot judge: BenchmarkGone", code, stdout, stderr)
	r.want(2, "vanished", code, stdout, stderr)
	if again, out, errs := benchgate(t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw); again != 2 || out != stdout {
		t.Errorf("judge of the raw output: exit %d\n%s%s\nrun:\n%s", again, out, errs, stdout)
	}
}

func TestRunNewBenchmark(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	r.work(loop("Work", "10") + loop("Fresh", "10"))
	code, stdout, stderr := r.gate("BenchmarkFresh ns/op <= +2%\nBenchmarkFresh allocs/op == 0\n", "--base", "HEAD")
	r.want(0, "new: BenchmarkFresh", code, stdout, stderr)
}

// A name that only looks like a pattern to the test program, and levels that a star spans.
func TestRunSubBenchmarks(t *testing.T) {
	r := newRepository(t, `
func BenchmarkTop(b *testing.B) {
	for _, name := range []string{"a.b(c|d)/n=1", "a.b(c|d)/n=10", "axb"} {
		b.Run(name, func(b *testing.B) {})
	}
}
`)
	code, stdout, stderr := r.gate("BenchmarkTop/*=1 allocs/op == 0\n")
	r.want(0, "in budget: BenchmarkTop/a.b(c|d)/n=1 allocs/op", code, stdout, stderr)
	r.want(0, "in budget: 1 in budget", code, stdout, stderr)
}

func TestRunFailingBenchmark(t *testing.T) {
	r := newRepository(t, loop("Work", "10")+`
func BenchmarkBad(b *testing.B) {
	if b.N > 1 {
		b.Fatal("out of", "beans")
	}
}
`)
	raw := r.write("raw.txt", "from before")
	code, stdout, stderr := r.gate("Benchmark* allocs/op == 0\nBenchmarkWork ns/op <= 2x BenchmarkBad\n", "--out", raw)
	r.want(2, "cannot judge: BenchmarkBad allocs/op", code, stdout, stderr)
	r.want(2, "out of beans", code, stdout, stderr)
	r.want(2, "cannot judge: BenchmarkWork sec/op", code, stdout, stderr)
	r.want(2, "in budget: BenchmarkWork allocs/op", code, stdout, stderr)
	code, stdout, stderr = benchgate(t, "judge", "--budgets", filepath.Join(r.dir, "budgets.txt"), raw)
	r.want(2, "--- FAIL: BenchmarkBad", code, stdout, stderr)
	r.work(loop("Work", "10"))
	code, stdout, stderr = r.gate("BenchmarkBad allocs/op <= +2%\n", "--base", "HEAD")
	r.want(2, "vanished", code, stdout, stderr)
}

func TestRunProcessTime(t *testing.T) {
	r := newRepository(t, "\nfunc BenchmarkStuck(b *testing.B) {\n\tfor b.N > 1 {\n\t\tsink++\n\t}\n}\n")
	code, stdout, stderr := r.gate("BenchmarkStuck allocs/op == 0\n", "--benchtime", "2x", "--process-time", "1s")
	r.want(2, "it took more than", code, stdout, stderr)
}

func TestRunTimeLimit(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	code, stdout, stderr := r.gate("Benchmark* allocs/op == 0\n", "--max-time", "1ns")
	r.want(2, "the time limit was over before", code, stdout, stderr)
}

func TestRunProblems(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	first := r.git("rev-parse", "HEAD")
	if err := os.Mkdir(filepath.Join(r.dir, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join("other", "other.go"), "package other\n")
	r.git("branch", "gone")
	r.git("branch", "-D", "gone")
	const budget = "BenchmarkWork ns/op <= +2%\n"
	tests := []struct {
		name, budgets, want string
		args                []string
	}{
		{"unknown revision", budget, "open base no-such-revision: no such revision", []string{"--base", "no-such-revision"}},
		{"deleted revision", budget, "no such revision", []string{"--base", "gone"}},
		{"revision like a flag", budget, "no such revision", []string{"--base", "--all"}},
		{"two packages", budget, "want one package, found 2", []string{"--package", "./..."}},
		{"package like a flag", budget, "a package does not begin with a dash", []string{"--package", "-x"}},
		{"no package", budget, "build ./none of head", []string{"--package", "./none"}},
		{"no folder", budget, "no such file or directory", []string{"--head", filepath.Join(r.dir, "none")}},
		{"wrong budgets", "BenchmarkWork ns/op <=< 5\n", `budgets.txt:1: read "<=<"`, nil},
		{"no budgets", "# nothing\n", "no budget", nil},
		{"no such benchmark", "BenchmarkNone ns/op <= 5\n", "missing", []string{"--base", first}},
		{"no such reference", "BenchmarkWork ns/op <= 2x BenchmarkNone\n", "missing reference", nil},
		{"no folder for the output", "BenchmarkWork B/op == 0\n", "read --out: outfile: write", []string{"--out", filepath.Join(r.dir, "none", "raw.txt")}},
		{"no folder for the report", "BenchmarkWork B/op == 0\n", "read --markdown: outfile: write", []string{"--markdown", r.dir}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sub := &repository{t, r.dir}
			code, stdout, stderr := sub.gate(test.budgets, test.args...)
			sub.want(2, test.want, code, stdout, stderr)
		})
	}
	r.work("\nfunc Benchmark {\n")
	code, stdout, stderr := r.gate(budget)
	r.want(2, "build . of head: ", code, stdout, stderr)
	r.want(2, "scratch_test.go", code, stdout, stderr)
}

// link makes a program available in a folder.
func (r *repository) link(name, dir string) {
	r.t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		err = os.Symlink(path, filepath.Join(dir, name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// The folder for temporary files may be given relative to ours.
func TestRunRelativeTempDir(t *testing.T) {
	r := newRepository(t, loop("Work", "10"))
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("tmp", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", "tmp")
	budgets := r.write("budgets.txt", "BenchmarkWork allocs/op <= +2%\n")
	code, stdout, stderr := benchgate(t, "run", "--head", r.dir, "--base", "HEAD", "--budgets", budgets, "--benchtime", "100x")
	r.want(0, "in budget: 1 in budget", code, stdout, stderr)
	if left, err := filepath.Glob(filepath.Join(dir, "tmp", "*benchgate*")); err != nil || len(left) > 0 {
		t.Errorf("files stay: %q, %v", left, err)
	}
}
