package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json, see go doc test2json.
type event struct {
	Action, Package, Test, Output string
}

// id names a test or, without a test, a package.
type id struct{ pkg, test string }

func (i id) String() string { return strings.TrimSpace(i.pkg + " " + i.test) }

type skip struct {
	id     id
	reason string
}

// report follows one stream of events.
type report struct {
	out      io.Writer
	pending  map[id]*strings.Builder // output of tests that have not ended
	running  map[string]bool         // packages that have not ended
	failed   map[string]bool         // packages with a failed test
	outcomes []string
	skips    []skip
	tests    int
	ok       bool
}

func newReport(out io.Writer) *report {
	return &report{out: out, pending: map[id]*strings.Builder{}, running: map[string]bool{}, failed: map[string]bool{}, ok: true}
}

func (r *report) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			r.event(e)
		} else {
			fmt.Fprint(r.out, line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) event(e event) {
	key := id{e.Package, e.Test}
	switch e.Action {
	case "start":
		r.running[e.Package] = true
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.output(key, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(key, e.Action)
		}
	}
}

func (r *report) output(key id, text string) {
	if key.test == "" {
		if text != "PASS\n" { // plain go test does not print it either
			fmt.Fprint(r.out, text)
		}
		return
	}
	if r.pending[key] == nil {
		r.pending[key] = &strings.Builder{}
	}
	r.pending[key].WriteString(text)
}

func (r *report) endTest(key id, action string) {
	text := ""
	if b := r.pending[key]; b != nil {
		text = b.String()
	}
	delete(r.pending, key)
	r.tests++
	r.outcomes = append(r.outcomes, action+" "+key.String())
	switch action {
	case "fail":
		r.ok = false
		r.failed[key.pkg] = true
		fmt.Fprint(r.out, text)
	case "skip":
		r.skips = append(r.skips, skip{key, reason(text)})
	}
}

func (r *report) endPackage(e event) {
	delete(r.running, e.Package)
	if e.Action == "fail" {
		r.failPackage(e.Package)
	}
}

// failPackage counts a package that failed as a whole, such as one that does not build, and shows what its tests said.
func (r *report) failPackage(pkg string) {
	r.ok = false
	for key, text := range r.pending {
		if key.pkg == pkg {
			fmt.Fprint(r.out, text)
			delete(r.pending, key)
		}
	}
	if !r.failed[pkg] {
		r.failed[pkg] = true
		r.outcomes = append(r.outcomes, "fail "+pkg)
	}
}

// finish judges the end of the stream and reports whether all is well so far.
func (r *report) finish(exit error) bool {
	for pkg := range r.running {
		fmt.Fprintf(r.out, "FAIL\t%s [did not end]\n", pkg)
		r.failPackage(pkg)
	}
	if exit != nil && r.ok {
		r.ok = false
		r.outcomes = append(r.outcomes, "fail command")
		fmt.Fprintf(r.out, "FAIL\tthe command: %v\n", exit)
	}
	if r.ok && r.tests == 0 {
		r.ok = false
		r.outcomes = append(r.outcomes, "fail command")
		fmt.Fprintln(r.out, "FAIL\tno test ran")
	}
	return r.ok
}

// reason finds what the test passed to Skip: the last line that starts with a file and line number.
func reason(text string) string {
	why := "no reason given"
	for line := range strings.Lines(text) {
		if _, after, ok := strings.Cut(line, ".go:"); ok {
			if _, message, _ := strings.Cut(after, ": "); strings.TrimSpace(message) != "" {
				why = strings.TrimSpace(message)
			}
		}
	}
	return why
}
