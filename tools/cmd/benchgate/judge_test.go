package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/tools/internal/gate"
	"github.com/ephemera-go/ephemera/tools/internal/gatereport"
)

var update = flag.Bool("update", false, "write what judge prints as the new golden files")

// Each golden file holds the arguments, exit status, output and errors of one call. Files are those of testdata/judge.
var goldenCalls = map[string]string{
	"mixed":         "--budgets budgets.txt rounds.txt",
	"mixed-json":    "--budgets budgets.txt --json rounds.txt",
	"same":          "--budgets same-budgets.txt same.txt",
	"noisy":         "--budgets same-budgets.txt noisy.txt",
	"noisy-allowed": "--budgets noisy-budgets.txt --noise pass noisy.txt",
	"thin":          "--budgets same-budgets.txt thin.txt",
	"real":          "--budgets real-budgets.txt --base base.txt head.txt",
	"no-base":       "--budgets real-budgets.txt head.txt",
	"machine":       "--budgets machine-budgets.txt --machine lab-7 head.txt",
	"elsewhere":     "--budgets machine-budgets.txt head.txt",
	"empty":         "--budgets same-budgets.txt empty.txt",
	"cut":           "--budgets same-budgets.txt cut.txt",
	"failed":        "--budgets same-budgets.txt failed.txt",
	"wrong-budgets": "--budgets wrong-budgets.txt cut.txt",
	"empty-budgets": "--budgets empty.txt same.txt",
	"no-file":       "--budgets same-budgets.txt --base none.txt none.txt",
	"two-bases":     "--budgets same-budgets.txt --base base.txt same.txt",
	"no-arguments":  "--noise maybe",
	"given-twice":   "--budgets same-budgets.txt same.txt thin.txt ./same.txt",
	"own-base":      "--budgets real-budgets.txt --base head.txt head.txt",
}

func TestJudgeGolden(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "judge"))
	for name, args := range goldenCalls {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := judge(context.Background(), strings.Fields(args), &out, &errs)
			got := fmt.Sprintf("benchgate judge %s\nexit %d\n\n%s", args, code, out.String())
			if errs.Len() > 0 {
				got += "\nerrors:\n" + errs.String()
			}
			file := name + ".golden"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestJudgeWritesMarkdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	args := []string{"--markdown", path, "--budgets", "testdata/judge/budgets.txt", "testdata/judge/rounds.txt"}
	var out, errs bytes.Buffer
	if code := judge(context.Background(), args, &out, &errs); code != 1 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	first, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(first), "| over budget | `BenchmarkAppend/writers=2` |") {
		t.Fatalf("%v:\n%s", err, first)
	}
	// Neither an interrupted run nor one that finds nothing to judge touches the last report.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code := judge(ctx, args, &out, &errs); code != 2 || !strings.Contains(errs.String(), "context canceled") {
		t.Errorf("interrupted: exit %d: %s", code, errs.String())
	}
	args[len(args)-1] = "testdata/judge/empty.txt"
	if code := judge(context.Background(), args, &out, &errs); code != 2 {
		t.Errorf("empty: exit %d", code)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(first, again) {
		t.Errorf("%v: the report changed to\n%s", err, again)
	}
	args[1] = filepath.Join(path, "x.md")
	args[len(args)-1] = "testdata/judge/same.txt"
	if code := judge(context.Background(), args, &out, &errs); code != 2 {
		t.Errorf("unwritable report: exit %d", code)
	}
}

// A report that cannot be written, for which a folder that goes away while it is judged stands in here, changes neither
// what is printed nor that a budget is broken.
func TestJudgePrintsBeforeItWrites(t *testing.T) {
	for file, want := range map[string]int{"rounds.txt": 1, "same.txt": 2} {
		var out bytes.Buffer
		f := reportFlags{markdown: filepath.Join(t.TempDir(), "gone", "gate.md"), noise: "fail"}
		budgets := map[string]string{"rounds.txt": "budgets.txt", "same.txt": "same-budgets.txt"}[file]
		list, err := readBudgets("testdata/judge/" + budgets)
		if err != nil {
			t.Fatal(err)
		}
		base, head, err := readOutput("", []string{"testdata/judge/" + file})
		if err != nil {
			t.Fatal(err)
		}
		code, err := f.report(gate.JudgeAll(list, base, head, gate.Options{}), head, &out)
		if code != want || err == nil || !strings.Contains(out.String(), "budget: ") {
			t.Errorf("%s: exit %d, want %d, %v\n%s", file, code, want, err, out.String())
		}
	}
}

// Writes that fail, such as those to a pipe that nobody reads.
func TestJudgeCannotPrint(t *testing.T) {
	for file, want := range map[string]int{"rounds.txt": 1, "same.txt": 2} {
		var errs bytes.Buffer
		budgets := map[string]string{"rounds.txt": "budgets.txt", "same.txt": "same-budgets.txt"}[file]
		path := filepath.Join(t.TempDir(), "gate.md")
		code := judge(t.Context(), []string{"--markdown", path, "--budgets", "testdata/judge/" + budgets, "testdata/judge/" + file}, broken{}, &errs)
		if code != want || !strings.Contains(errs.String(), "nobody reads") {
			t.Errorf("%s: exit %d, want %d: %s", file, code, want, errs.String())
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("no report: %v", err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

func TestJudgeJSONIsJSON(t *testing.T) {
	var out, errs bytes.Buffer
	judge(context.Background(), []string{"--json", "--budgets", "testdata/judge/budgets.txt", "testdata/judge/rounds.txt"}, &out, &errs)
	var doc struct {
		Schema, Exit int
		Verdicts     []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Schema != gatereport.Schema || doc.Exit != 1 || len(doc.Verdicts) != 11 {
		t.Errorf("%v: %+v", err, doc)
	}
}

func TestJudgeHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if code := judge(context.Background(), []string{"-h"}, &out, &errs); code != 0 || !strings.HasPrefix(errs.String(), "usage: benchgate judge") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if code := judge(context.Background(), []string{"--nonsense"}, &out, &errs); code != 2 {
		t.Errorf("unknown flag: exit %d", code)
	}
}
