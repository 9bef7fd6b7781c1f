package slug

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A pipeline is a repository of somebody else, and what its build machine does: the steps of docs/benchgate/workflow.yml.
type pipeline struct {
	t              *testing.T
	dir, bin, temp string
	step           string // the command that judges
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	if testing.Short() {
		t.Skip("builds benchgate and measures")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	p := &pipeline{t: t, dir: t.TempDir(), bin: t.TempDir(), temp: t.TempDir(), step: judging(t)}
	p.run(".", "go", "build", "-o", p.bin, "github.com/ephemera-go/ephemera/tools/cmd/benchgate") // the workflow installs it
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	for _, name := range []string{"slug.go", "slug_test.go", "budgets.txt"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p.write(name, string(text))
	}
	p.write("go.mod", "module example.com/slug\n\ngo 1.25.0\n")
	p.run(p.dir, "git", "init", "-q")
	p.commit()
	return p
}

// judging returns the commands of the workflow's step that judges, with settings that suit a test.
func judging(t *testing.T) string {
	t.Helper()
	workflow, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchgate", "workflow.yml"))
	if err != nil {
		t.Fatal(err)
	}
	_, step, found := strings.Cut(string(workflow), "- name: budgets\n        run: |\n")
	step, _, ended := strings.Cut(step, "      - name:")
	if !found || !ended || strings.Count(step, "benchgate run ") != 1 {
		t.Fatalf("no step that judges in\n%s", workflow)
	}
	step = strings.Replace(step, "benchgate run ", "benchgate run --benchtime 2ms --max-rounds 10 ", 1)
	return strings.ReplaceAll(step, "${{ github.event.pull_request.base.sha }}", "$BASE")
}

func (p *pipeline) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipeline) run(dir, name string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *pipeline) commit() {
	p.t.Helper()
	p.run(p.dir, "git", "add", ".")
	p.run(p.dir, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "a change")
}

// judge is what CI does with a pull request. It returns the exit code, the output and the table for the summary.
func (p *pipeline) judge() (code int, out, table string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "sh", "-e", "-c", p.step)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PATH="+p.bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"BASE="+p.run(p.dir, "git", "rev-parse", "HEAD"), "RUNNER_TEMP="+p.temp)
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%v\n%s", err, text)
	}
	markdown, err := os.ReadFile(filepath.Join(p.temp, "gate.md"))
	if err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	return cmd.ProcessState.ExitCode(), string(text), string(markdown)
}

// The workflow lets a harmless change pass, and stops one that allocates on the hot path.
func TestWorkflow(t *testing.T) {
	p := newPipeline(t)
	source, err := os.ReadFile("slug.go")
	if err != nil {
		t.Fatal(err)
	}
	p.write("slug.go", strings.Replace(string(source), "dash := false", "var dash bool", 1))
	if code, out, table := p.judge(); code != 0 || !strings.Contains(out, "in budget: BenchmarkMake allocs/op") || !strings.Contains(table, "BenchmarkMake") {
		t.Errorf("a harmless change: exit %d\n%s%s", code, out, table)
	}
	const piece = "b = append(b, c)\n"
	slower := strings.Replace(string(source), piece, "b = []byte(string(b) + string(c))\n", 1)
	if slower == string(source) {
		t.Fatalf("no %q in slug.go", piece)
	}
	p.write("slug.go", slower)
	code, out, table := p.judge()
	if code != 1 || !strings.Contains(out, "over budget: BenchmarkMake allocs/op") || !strings.Contains(table, "over") {
		t.Errorf("a string for each byte: exit %d\n%s%s", code, out, table)
	}
	if raw, err := os.Stat(filepath.Join(p.dir, "bench-results.txt")); err != nil || raw.Size() == 0 {
		t.Errorf("the raw results for the upload: %v", err)
	}
}
