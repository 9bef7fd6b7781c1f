//go:build gateproof

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The budgets that an append of the store has in the real gate.
const proofBudgets = `BenchmarkAppend/design=core/writers=1 sec/op <= +2%
BenchmarkAppend/design=core/writers=1 instr/op <= +1%
`

// The real append with a chain of multiplications in it that nothing else waits for in vain: %d of them.
const (
	proofPlace = "			ev[i] = e\n"
	proofSlow  = "			ev[i] = e\n			for n, x := 0, i; n < %d; n++ {\n				if x = x*5 + 1; x == 3 {\n					return Position{}, nil\n				}\n			}\n"
)

// The least and the most slowdown that counts as five percent, and how far to go.
const (
	proofLeast = 1.035
	proofMost  = 1.12
	proofSteps = 24
)

// TestGateProof slows the append of the last commit down, step by step until it is about five percent slower, and wants
// the gate to let the unchanged code pass and to fail on the slower code, by time and by instructions.
func TestGateProof(t *testing.T) {
	tree := proofTree(t)
	if d := proofGate(t, tree); d.Exit == 1 {
		t.Fatalf("unchanged code is over budget: %s", d)
	}
	file := filepath.Join(tree, "core", "append.go")
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= proofSteps; n++ {
		slow := strings.Replace(string(original), proofPlace, fmt.Sprintf(proofSlow, n), 1)
		if slow == string(original) {
			t.Fatal("core/append.go has changed: nothing was made slower")
		}
		if err := os.WriteFile(file, []byte(slow), 0o644); err != nil {
			t.Fatal(err)
		}
		d := proofGate(t, tree)
		t.Logf("%d steps:\n%s", n, d)
		time, instructions := d.verdict(t, "sec/op"), d.verdict(t, "instr/op")
		if instructions.State != "over" {
			t.Errorf("%d steps: the instructions are not over budget", n)
		}
		if time.Estimate == nil || *time.Estimate < proofLeast {
			continue
		}
		if *time.Estimate > proofMost {
			t.Fatalf("%d steps made the append %.3f times as slow: too much for a proof", n, *time.Estimate)
		}
		if time.State != "over" || d.Exit != 1 {
			t.Fatalf("the append is %.3f times as slow and the gate says %s, exit %d", *time.Estimate, time.State, d.Exit)
		}
		return
	}
	t.Fatalf("%d steps did not make the append slower by %v", proofSteps, proofLeast)
}

// proofTree is a clone of the repository at its last commit.
func proofTree(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", filepath.Join("..", "..", ".."), tree).CombinedOutput()
	if err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return tree
}

type proofVerdict struct {
	Unit, State, Line string
	Estimate          *float64
}

type proofDocument struct {
	Exit     int
	Verdicts []proofVerdict
}

func (d proofDocument) String() string {
	var lines []string
	for _, v := range d.Verdicts {
		lines = append(lines, v.Line)
	}
	return strings.Join(lines, "\n")
}

func (d proofDocument) verdict(t *testing.T, unit string) proofVerdict {
	t.Helper()
	for _, v := range d.Verdicts {
		if v.Unit == unit {
			return v
		}
	}
	t.Fatalf("no verdict about %s", unit)
	return proofVerdict{}
}

func proofGate(t *testing.T, tree string) proofDocument {
	t.Helper()
	budgets := filepath.Join(t.TempDir(), "budgets.txt")
	if err := os.WriteFile(budgets, []byte(proofBudgets), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	run(t.Context(), []string{
		"--base", "HEAD", "--head", tree, "--package", "./benchmarks", "--budgets", budgets, "--json", "--max-rounds", "160",
	}, &stdout, &stderr)
	var d proofDocument
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	return d
}
