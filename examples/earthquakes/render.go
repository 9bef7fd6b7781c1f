package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// writeJSON prints the report in one write, fields in the order of the struct.
func (r *report) writeJSON(w io.Writer) error {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(out, '\n'))
	return err
}

func (r *report) writeText(w io.Writer) error {
	var b strings.Builder
	source := r.source
	switch source {
	case "":
		source = embeddedName
	case "-":
		source = "standard input"
	}
	fmt.Fprintf(&b, "final report on %s\n", source)
	fmt.Fprintf(&b, "%s events in %s order, capacity %s\n", thousands(r.Events), r.Order, thousands(r.Capacity))
	if r.Appended < uint64(r.Events) {
		fmt.Fprintf(&b, "stopped early, after %s events\n", thousands(r.Appended))
	}
	fmt.Fprintf(&b, "appended %s, visible %s, discarded %s\n", thousands(r.Appended), thousands(r.Visible), thousands(r.Discarded))
	if r.Newest != nil {
		fmt.Fprintf(&b, "newest visible event %s\n", *r.Newest)
	}
	b.WriteByte('\n')
	for _, line := range r.Windows.lines("p95") {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\ntop networks (%d of %d)\n", len(r.Top), r.Networks)
	for _, line := range groupLines(r.Top) {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%s\n", r.Ledger)
	return writeString(w, b.String())
}

// lines is the table of windows; p95 heads the last column.
func (ws *windows) lines(p95 string) []string {
	const row = "%-8s %8s %12s %8s %8s %8s"
	lines := []string{fmt.Sprintf(row, "window", "count", "no magnitude", "max", "avg", p95)}
	for _, s := range spans {
		w := s.of(ws)
		lines = append(lines, fmt.Sprintf(row, s.name, thousands(w.Count), thousands(w.NoMagnitude),
			decimals(w.Max), decimals(w.Avg), decimals(w.P95)))
	}
	return lines
}

// groupLines draws a bar beside every network, relative to the first.
func groupLines(groups []group) []string {
	const width = 30
	lines := make([]string, 0, len(groups))
	for _, g := range groups {
		bar := strings.Repeat("#", max(1, g.Count*width/groups[0].Count))
		lines = append(lines, fmt.Sprintf("%-8s %8s %s", g.Key, thousands(g.Count), bar))
	}
	return lines
}

// String is the ledger as the equation that it proves.
func (l ledger) String() string {
	verdict := "balanced"
	if !l.Balanced {
		verdict = "NOT balanced"
	}
	return fmt.Sprintf("ledger: appended %s = visible %s + hidden %s + discarded %s\n"+
		"        + in flight %s + expired %s + purged %s + cleared %s (%s)",
		thousands(l.Appended), thousands(l.Visible), thousands(l.Hidden), thousands(l.Discarded),
		thousands(l.InFlight), thousands(l.Expired), thousands(l.Purged), thousands(l.Cleared), verdict)
}

// decimals prints what is missing as a dash.
func decimals(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 2, 64)
}

func thousands[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
