package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A report is everything that one call of the command found out.
type report struct {
	Machine machine              `json:"machine"`
	Rounds  int                  `json:"rounds"`
	Quick   bool                 `json:"quick"`
	Rows    []result             `json:"rows"`
	Samples map[string][]float64 `json:"samples"`
}

// missed returns the rows whose must does not hold.
func (r *report) missed() (list []string) {
	for _, row := range r.Rows {
		if row.Verdict == verdictMissed {
			list = append(list, row.Measure)
		}
	}
	return list
}

func (r *report) header() string {
	h := fmt.Sprintf("%s; %d rounds", r.Machine, r.Rounds)
	if r.Quick {
		h += ", quick: too short for figures"
	}
	return h
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	fmt.Fprintln(w, r.header())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tcase\treference\tratio or value\tmust\tgoal\tverdict\tCPU/wall")
	for _, row := range r.Rows {
		fmt.Fprintln(t, strings.Join(row.cells(), "\t"))
	}
	return t.Flush()
}

// writeMarkdown prints the table for a README.
func (r *report) writeMarkdown(w io.Writer) error {
	fmt.Fprintf(w, "%s.\n\n| measure | case | reference | ratio or value | must | goal | verdict |\n|---|---|---|---|---|---|---|\n", r.header())
	for _, row := range r.Rows {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row.cells()[:7], " | ")); err != nil {
			return err
		}
	}
	return nil
}

// cells returns the columns of a row.
func (r result) cells() []string {
	c := []string{r.Measure, "-", "-", r.value(), r.Must, r.Goal, r.Verdict, "-"}
	if r.Case != nil {
		c[1], c[2] = r.Case.Text(" "+r.Unit), r.Reference.Text(" "+r.Unit)
	}
	var overlaps []string
	for _, v := range r.Overlap {
		overlaps = append(overlaps, fmt.Sprintf("%.2f", v))
	}
	if overlaps != nil {
		c[7] = strings.Join(overlaps, " / ")
	}
	return c
}

func (r result) value() string {
	unit := ""
	if !r.ratio {
		unit = " " + r.Unit
	}
	text := r.Value.Text(unit)
	if r.Interval != nil {
		text += fmt.Sprintf(", 95 %% in [%.4f..%.4f]", r.Interval[0], r.Interval[1])
	}
	return text
}
