package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bounds of the lists in the text; JSON has all.
const (
	shownNames  = 30
	shownBursts = 10
)

// writeJSON prints the report in one write, fields in the order of the struct.
func (r *report) writeJSON(w io.Writer) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r *report) writeText(w io.Writer) error {
	var b strings.Builder
	source, format := r.Source, r.Format
	if source == "-" {
		source = "standard input"
	}
	if format == "" {
		format = "no known format"
	}
	fmt.Fprintf(&b, "report on %s (%s)\n", source, format)
	if r.Stopped && !r.follow {
		fmt.Fprintf(&b, "stopped early, after %s lines\n", thousands(r.Lines))
	}
	fmt.Fprintf(&b, "lines %s = raised %s + unmatched %s\n", thousands(r.Lines), thousands(r.Raised), thousands(r.Unmatched))
	if r.Oldest != nil {
		fmt.Fprintf(&b, "from %s to %s\n", *r.Oldest, *r.Newest)
	}
	fmt.Fprintf(&b, "persisted %s to %s", thousands(r.Persisted), printable(r.signals))
	if r.Pending+r.Dropped > 0 {
		fmt.Fprintf(&b, ", NOT %s", thousands(r.Pending+r.Dropped))
	}
	fmt.Fprintf(&b, "\n%s\n", restored{r.Restored, r.RestoredSensed, r.RestoredByName, r.RestoredMore})
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "line %d: %s\n", p.Line, printable(p.Cause))
	}
	nameLines(&b, "signals", r.ByName)
	if r.Raised == 0 {
		nameLines(&b, "restored", r.RestoredByName)
	}
	r.senseLines(&b)
	r.burstLines(&b)
	return writeString(w, b.String())
}

func (r *report) senseLines(b *strings.Builder) {
	sense := r.Sense
	if sense == "" {
		sense = "*"
	}
	fmt.Fprintf(b, "\nmatches of %s: %s\n", printable(sense), thousands(r.Sensed))
	for _, x := range r.Rates {
		fmt.Fprintf(b, "  last %-7s %8s  %.4f/s\n", x.Span, thousands(x.Count), x.PerSecond)
	}
	if len(r.Matches) > 0 {
		fmt.Fprintf(b, "the newest\n")
	}
	for _, m := range r.Matches {
		fmt.Fprintf(b, "  %s  %s  %s\n", m.Time, printable(m.Name), printable(m.Key))
	}
}

// burstLines shows the highest ones.
func (r *report) burstLines(b *strings.Builder) {
	fmt.Fprintf(b, "\nbursts of %d or more in %v: %s\n", r.rule.least, r.rule.span, thousands(r.Bursts.Detected))
	list := slices.Clone(r.Bursts.Newest)
	slices.SortStableFunc(list, func(a, c burst) int { return cmp.Compare(c.Peak, a.Peak) })
	for _, x := range list[:min(shownBursts, len(list))] {
		fmt.Fprintf(b, "  %s  from %s to %s, at most %d in %v\n", printable(x.Name), logTime(x.From), logTime(x.To), x.Peak, r.rule.span)
	}
	if more := r.Bursts.Detected - shownBursts; more > 0 {
		fmt.Fprintf(b, "  and %s more\n", thousands(more))
	}
}

// nameLines lists names with a bar relative to the first, the most frequent first.
func nameLines(b *strings.Builder, title string, counts map[string]uint64) {
	if len(counts) == 0 {
		return
	}
	names := slices.Collect(maps.Keys(counts))
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y))
	})
	fmt.Fprintf(b, "\n%s by name (%d of %d)\n", title, min(shownNames, len(names)), len(names))
	for _, name := range names[:min(shownNames, len(names))] {
		bar := strings.Repeat("#", int(max(1, counts[name]*30/counts[names[0]])))
		fmt.Fprintf(b, "  %-28s %8s %s\n", printable(name), thousands(counts[name]), bar)
	}
}

// String says what earlier runs left.
func (r restored) String() string {
	text := fmt.Sprintf("restored %s signals of earlier runs, %s of them match", thousands(r.count), thousands(r.sensed))
	if r.more {
		text += "; older ones stay in the store"
	}
	return text
}

func thousands[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
