package collect

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// header is what a program says of itself and its machine before the first result.
type header []string

// get returns the value of a key, "" without one.
func (h header) get(key string) string {
	for _, line := range h {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			return value
		}
	}
	return ""
}

func isHeader(line string) bool {
	switch key, _, _ := strings.Cut(line, ": "); key {
	case "goos", "goarch", "pkg", "cpu":
		return true
	}
	return false
}

// result is one line of a benchmark's output.
type result struct {
	header header
	name   string // without the number of processors
	suffix string // that number with its dash, "" if it is 1
	line   string
}

// text is the result as go test prints it.
func (r result) text() string {
	return strings.Join(append(slices.Clone(r.header), r.line), "\n") + "\n"
}

// parseOutput returns the results of a program with so many processors. All other lines are left to their writers.
func parseOutput(stdout []byte, procs int) []result {
	var head header
	var results []result
	for line := range strings.Lines(string(stdout)) {
		line = strings.TrimRight(line, "\r\n")
		if isHeader(line) {
			head = append(head, line)
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		name, suffix := splitProcs(fields[0], procs)
		results = append(results, result{name: name, suffix: suffix, line: line})
	}
	for i := range results {
		results[i].header = head
	}
	return results
}

// splitProcs cuts the number of processors off a name, if go test has appended it.
func splitProcs(full string, procs int) (name, suffix string) {
	suffix = "-" + strconv.Itoa(procs)
	if procs == 1 || !strings.HasSuffix(full, suffix) {
		return full, ""
	}
	return strings.TrimSuffix(full, suffix), suffix
}

// failed reports whether a program said that a benchmark failed.
func failed(stdout []byte) bool {
	for line := range bytes.Lines(stdout) {
		line = bytes.TrimSpace(line)
		if bytes.Contains(line, []byte("--- FAIL:")) || bytes.Equal(line, []byte("FAIL")) || bytes.HasPrefix(line, []byte("FAIL\t")) {
			return true
		}
	}
	return false
}
