package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func appendLines(file string, lines []string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(f, line); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// printTotals counts each test once: it failed if it ever failed, else it passed if it ever passed.
func printTotals(file string, out io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	rank := map[string]int{"skip": 1, "pass": 2, "fail": 3}
	best := map[string]int{}
	for line := range strings.Lines(string(data)) {
		outcome, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		r, ok := rank[outcome]
		if !ok {
			return fmt.Errorf("%s: unknown outcome %q", file, outcome)
		}
		best[name] = max(best[name], r)
	}
	counts := map[int]int{}
	for _, r := range best {
		counts[r]++
	}
	_, err = fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", counts[2], counts[3], counts[1])
	return err
}
